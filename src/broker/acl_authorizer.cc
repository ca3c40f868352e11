#include "broker/acl_authorizer.h"

#include <mutex>
#include <shared_mutex>

namespace millrace::broker {

template <typename Ask>
bool AclAuthorizer::ask(const Client& who, const Ask& ask) const {
  if (super_users_.contains(who.principal)) return true;
  std::string_view host = who.host;
  if (host.starts_with('/')) host.remove_prefix(1);
  const AclSubject subject{who.principal, host};
  bool is_allowed = false;
  {
    const std::shared_lock lock(mutex_);
    is_allowed = ask(subject);
  }
  if (!is_allowed) denials_.fetch_add(1, std::memory_order_relaxed);
  return is_allowed;
}

bool AclAuthorizer::allows(const Client& who, AclOperation operation, ResourceType type,
                           std::string_view name) const {
  return ask(who, [&](const AclSubject& subject) {
    return table_.allows(subject, operation, type, name);
  });
}

bool AclAuthorizer::allows_on_any(const Client& who, AclOperation operation,
                                  ResourceType type) const {
  return ask(who, [&](const AclSubject& subject) {
    return table_.allows_on_any(subject, operation, type);
  });
}

void AclAuthorizer::add(const Acl& acl) {
  const std::lock_guard lock(mutex_);
  table_.add(acl);
}

void AclAuthorizer::remove(const Acl& acl) {
  const std::lock_guard lock(mutex_);
  table_.remove(acl);
}

std::vector<Acl> AclAuthorizer::matching(const AclFilter& filter) const {
  const std::shared_lock lock(mutex_);
  std::vector<Acl> out;
  for (const Acl& acl : table_.all()) {
    if (filter.matches(acl)) out.push_back(acl);
  }
  return out;
}

bool AclAuthorizer::contains(const Acl& acl) const {
  const std::shared_lock lock(mutex_);
  return table_.all().contains(acl);
}

std::size_t AclAuthorizer::count() const {
  const std::shared_lock lock(mutex_);
  return table_.all().size();
}

}  // namespace millrace::broker
