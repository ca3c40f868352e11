#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace millrace::broker {

// The numbers of these four are Kafka's, on the wire and in storage.
enum class AclOperation : std::int8_t {
  unknown = 0,
  any = 1,  // in filters only
  all = 2,
  read = 3,
  write = 4,
  create = 5,
  remove = 6,  // DELETE
  alter = 7,
  describe = 8,
  cluster_action = 9,
  describe_configs = 10,
  alter_configs = 11,
  idempotent_write = 12,
  create_tokens = 13,
  describe_tokens = 14,
  two_phase_commit = 15,
};
enum class ResourceType : std::int8_t {
  unknown = 0,
  any = 1,  // in filters only
  topic = 2,
  group = 3,
  cluster = 4,
  transactional_id = 5,
  delegation_token = 6,
  user = 7,
};
enum class PatternType : std::int8_t {
  unknown = 0,
  any = 1,    // in filters only
  match = 2,  // in filters only: whatever holds for the resource of this name
  literal = 3,
  prefixed = 4,
};
enum class AclPermission : std::int8_t { unknown = 0, any = 1, deny = 2, allow = 3 };

inline constexpr std::string_view kClusterName = "kafka-cluster";
inline constexpr std::string_view kAnyName = "*";  // every resource, as a literal name; every host
inline constexpr std::string_view kAnyPrincipal = "User:*";

// One access control entry.
struct Acl {
  ResourceType resource_type = ResourceType::unknown;
  std::string resource_name;
  PatternType pattern_type = PatternType::literal;
  std::string principal;  // "User:alice"
  std::string host;       // an address as text, or "*"
  AclOperation operation = AclOperation::unknown;
  AclPermission permission = AclPermission::unknown;

  auto operator<=>(const Acl&) const = default;
};

// `invalid` with what is wrong about it, for one that cannot be made.
Status check_acl(const Acl& acl);

// Which entries are meant. Null texts mean any.
struct AclFilter {
  ResourceType resource_type = ResourceType::any;
  std::optional<std::string> resource_name;
  PatternType pattern_type = PatternType::any;
  std::optional<std::string> principal;
  std::optional<std::string> host;
  AclOperation operation = AclOperation::any;
  AclPermission permission = AclPermission::any;

  [[nodiscard]] bool matches(const Acl& acl) const;
};
Status check_filter(const AclFilter& filter);

// Who asks. Views live as long as the call.
struct AclSubject {
  std::string_view principal;
  std::string_view host;
};

// All entries, for looking up. Not thread-safe; two readers are no danger to each other.
//
// An entry that denies wins over any that allows; what nothing is said about is denied. To allow
// reading, writing, deleting or altering allows describing, to allow altering configurations allows
// describing them; to deny implies nothing.
class AclTable {
 public:
  // False when it was there already.
  bool add(const Acl& acl);
  void remove(const Acl& acl);
  [[nodiscard]] const std::set<Acl>& all() const { return all_; }
  [[nodiscard]] bool allows(const AclSubject& who, AclOperation operation, ResourceType type,
                            std::string_view name) const;
  // Whether there is a name for which it is allowed (KIP-679).
  [[nodiscard]] bool allows_on_any(const AclSubject& who, AclOperation operation,
                                   ResourceType type) const;

 private:
  struct Entry {
    std::string principal;
    std::string host;
    AclOperation operation;
    AclPermission permission;

    bool operator==(const Entry&) const = default;
  };
  using ByName = std::map<std::string, std::vector<Entry>, std::less<>>;
  struct OfType {
    ByName literals;
    ByName prefixes;
    std::map<std::size_t, std::size_t> prefix_counts;  // by byte count
  };

  struct Verdict {
    bool is_allowed = false;
    bool is_denied = false;
  };

  static void judge(const std::vector<Entry>& entries, const AclSubject& who,
                    AclOperation operation, Verdict& verdict);
  [[nodiscard]] static bool is_about(const Entry& entry, const AclSubject& who);
  [[nodiscard]] bool is_denied_wholly(const OfType& of_type, const AclSubject& who,
                                      AclOperation operation, std::string_view name,
                                      bool is_prefix) const;

  std::set<Acl> all_;
  std::map<ResourceType, OfType> types_;
};

}  // namespace millrace::broker
