#pragma once

#include <atomic>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/thread.h"
#include "broker/authorizer.h"

namespace millrace::broker {

// Decides by access control entries. A super user may do everything, whatever the entries say.
// Thread-safe.
class AclAuthorizer final : public Authorizer {
 public:
  explicit AclAuthorizer(const std::vector<std::string>& super_users)
      : super_users_(super_users.begin(), super_users.end()) {}

  [[nodiscard]] bool allows(const Client& who, AclOperation operation, ResourceType type,
                            std::string_view name) const override;
  [[nodiscard]] bool allows_on_any(const Client& who, AclOperation operation,
                                   ResourceType type) const override;

  void add(const Acl& acl);
  void remove(const Acl& acl);
  [[nodiscard]] std::vector<Acl> matching(const AclFilter& filter) const;
  [[nodiscard]] bool contains(const Acl& acl) const;
  [[nodiscard]] std::size_t count() const;
  // Questions that were answered with no.
  [[nodiscard]] std::uint64_t denials() const { return denials_.load(std::memory_order_relaxed); }

 private:
  template <typename Ask>
  bool ask(const Client& who, const Ask& ask) const;

  std::set<std::string> super_users_;
  mutable SharedMutex mutex_;
  AclTable table_;
  mutable std::atomic<std::uint64_t> denials_{0};
};

}  // namespace millrace::broker
