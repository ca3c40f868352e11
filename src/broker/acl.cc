#include "broker/acl.h"

#include <algorithm>

namespace millrace::broker {
namespace {

bool is_one_of(AclOperation operation, std::initializer_list<AclOperation> some) {
  return std::find(some.begin(), some.end(), operation) != some.end();
}

// Whether an entry that allows `entry` allows `asked` (Kafka's StandardAuthorizerData).
bool allowing_covers(AclOperation entry, AclOperation asked) {
  if (entry == asked || entry == AclOperation::all) return true;
  if (asked == AclOperation::describe) {
    return is_one_of(entry, {AclOperation::read, AclOperation::write, AclOperation::remove,
                             AclOperation::alter});
  }
  return asked == AclOperation::describe_configs && entry == AclOperation::alter_configs;
}

bool covers_exactly(AclOperation entry, AclOperation asked) {
  return entry == asked || entry == AclOperation::all;
}

}  // namespace

Status check_acl(const Acl& acl) {
  if (acl.resource_type < ResourceType::topic || acl.resource_type > ResourceType::user) {
    return invalid_error(
        "the resource type must be a topic (2), group (3), cluster (4), "
        "transactional id (5), delegation token (6) or user (7)");
  }
  if (acl.pattern_type != PatternType::literal && acl.pattern_type != PatternType::prefixed) {
    return invalid_error("the pattern type must be literal (3) or prefixed (4)");
  }
  if (acl.resource_name.empty()) return invalid_error("the resource's name must not be empty");
  if (acl.resource_type == ResourceType::cluster && acl.resource_name != kClusterName) {
    return invalid_error("the only cluster is kafka-cluster");
  }
  if (acl.operation < AclOperation::all || acl.operation > AclOperation::two_phase_commit) {
    return invalid_error("the operation must be one that can be done: 2 (all) to 15");
  }
  if (acl.permission != AclPermission::deny && acl.permission != AclPermission::allow) {
    return invalid_error("the permission must be deny (2) or allow (3)");
  }
  const auto colon = acl.principal.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == acl.principal.size()) {
    return invalid_error("the principal must have a type and a name, as in User:alice");
  }
  if (acl.host.empty()) return invalid_error("the host must be an address, or * for any");
  return ok_status();
}

Status check_filter(const AclFilter& filter) {
  const bool is_known =
      filter.resource_type >= ResourceType::any && filter.resource_type <= ResourceType::user &&
      filter.pattern_type >= PatternType::any && filter.pattern_type <= PatternType::prefixed &&
      filter.operation >= AclOperation::any && filter.operation <= AclOperation::two_phase_commit &&
      filter.permission >= AclPermission::any && filter.permission <= AclPermission::allow;
  if (!is_known) return invalid_error("the filter names a type or an operation that is not known");
  return ok_status();
}

bool AclFilter::matches(const Acl& acl) const {
  if (resource_type != ResourceType::any && resource_type != acl.resource_type) return false;
  if (principal && *principal != acl.principal) return false;
  if (host && *host != acl.host) return false;
  if (operation != AclOperation::any && operation != acl.operation) return false;
  if (permission != AclPermission::any && permission != acl.permission) return false;
  const bool is_any_pattern =
      pattern_type == PatternType::any || pattern_type == PatternType::match;
  if (!is_any_pattern && pattern_type != acl.pattern_type) return false;
  if (!resource_name) return true;
  if (pattern_type != PatternType::match) return *resource_name == acl.resource_name;
  if (acl.pattern_type == PatternType::prefixed) {
    return resource_name->starts_with(acl.resource_name);
  }
  return *resource_name == acl.resource_name || acl.resource_name == kAnyName;
}

bool AclTable::add(const Acl& acl) {
  if (!all_.insert(acl).second) return false;
  auto& of_type = types_[acl.resource_type];
  const bool is_prefixed = acl.pattern_type == PatternType::prefixed;
  auto& entries = (is_prefixed ? of_type.prefixes : of_type.literals)[acl.resource_name];
  if (is_prefixed && entries.empty()) ++of_type.prefix_counts[acl.resource_name.size()];
  entries.push_back({acl.principal, acl.host, acl.operation, acl.permission});
  return true;
}

void AclTable::remove(const Acl& acl) {
  if (all_.erase(acl) == 0) return;
  auto& of_type = types_[acl.resource_type];
  const bool is_prefixed = acl.pattern_type == PatternType::prefixed;
  auto& by_name = is_prefixed ? of_type.prefixes : of_type.literals;
  const auto found = by_name.find(acl.resource_name);
  std::erase(found->second, Entry{acl.principal, acl.host, acl.operation, acl.permission});
  if (!found->second.empty()) return;
  by_name.erase(found);
  if (!is_prefixed) return;
  const auto count = of_type.prefix_counts.find(acl.resource_name.size());
  if (--count->second == 0) of_type.prefix_counts.erase(count);
}

bool AclTable::is_about(const Entry& entry, const AclSubject& who) {
  return (entry.principal == who.principal || entry.principal == kAnyPrincipal) &&
         (entry.host == who.host || entry.host == kAnyName);
}

void AclTable::judge(const std::vector<Entry>& entries, const AclSubject& who,
                     AclOperation operation, Verdict& verdict) {
  for (const Entry& entry : entries) {
    if (!is_about(entry, who)) continue;
    if (entry.permission == AclPermission::deny) {
      verdict.is_denied |= covers_exactly(entry.operation, operation);
    } else {
      verdict.is_allowed |= allowing_covers(entry.operation, operation);
    }
  }
}

bool AclTable::allows(const AclSubject& who, AclOperation operation, ResourceType type,
                      std::string_view name) const {
  const auto of_type = types_.find(type);
  if (of_type == types_.end()) return false;
  Verdict verdict;
  const auto look_up = [&](const ByName& by_name, std::string_view key) {
    const auto found = by_name.find(key);
    if (found != by_name.end()) judge(found->second, who, operation, verdict);
  };
  look_up(of_type->second.literals, name);
  if (name != kAnyName) look_up(of_type->second.literals, kAnyName);
  for (const auto& [byte_count, ignored] : of_type->second.prefix_counts) {
    if (byte_count > name.size()) break;
    look_up(of_type->second.prefixes, name.substr(0, byte_count));
  }
  return verdict.is_allowed && !verdict.is_denied;
}

// Whether what an entry of this name allows is denied by another one, whatever the resource.
bool AclTable::is_denied_wholly(const OfType& of_type, const AclSubject& who,
                                AclOperation operation, std::string_view name,
                                bool is_prefix) const {
  const auto denies = [&](const ByName& by_name, std::string_view key) {
    const auto found = by_name.find(key);
    return found != by_name.end() &&
           std::any_of(found->second.begin(), found->second.end(), [&](const Entry& entry) {
             return entry.permission == AclPermission::deny && is_about(entry, who) &&
                    covers_exactly(entry.operation, operation);
           });
  };
  if (denies(of_type.literals, kAnyName)) return true;
  if (!is_prefix && name == kAnyName) return false;  // nobody denies all names one by one
  if (!is_prefix && denies(of_type.literals, name)) return true;
  for (const auto& [byte_count, ignored] : of_type.prefix_counts) {
    if (byte_count > name.size()) break;
    if (denies(of_type.prefixes, name.substr(0, byte_count))) return true;
  }
  return false;
}

bool AclTable::allows_on_any(const AclSubject& who, AclOperation operation,
                             ResourceType type) const {
  const auto found = types_.find(type);
  if (found == types_.end()) return false;
  const OfType& of_type = found->second;
  const auto is_any = [&](const ByName& by_name, bool is_prefix) {
    return std::any_of(by_name.begin(), by_name.end(), [&](const auto& named) {
      const bool is_allowed =
          std::any_of(named.second.begin(), named.second.end(), [&](const Entry& entry) {
            return entry.permission == AclPermission::allow && is_about(entry, who) &&
                   covers_exactly(entry.operation, operation);
          });
      return is_allowed && !is_denied_wholly(of_type, who, operation, named.first, is_prefix);
    });
  };
  return is_any(of_type.literals, false) || is_any(of_type.prefixes, true);
}

}  // namespace millrace::broker
