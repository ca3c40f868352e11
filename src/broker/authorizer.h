#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "broker/acl.h"
#include "broker/client.h"

namespace millrace::broker {

// Who may do what. Thread-safe.
class Authorizer {
 public:
  virtual ~Authorizer() = default;
  [[nodiscard]] virtual bool allows(const Client& who, AclOperation operation, ResourceType type,
                                    std::string_view name) const = 0;
  // Whether there is any resource of the type for which it is allowed.
  [[nodiscard]] virtual bool allows_on_any(const Client& who, AclOperation operation,
                                           ResourceType type) const = 0;
};

// What the sender of one request may do. The authorizer outlives it; null allows everything.
class Access {
 public:
  Access(const Authorizer* authorizer, Client client)
      : authorizer_(authorizer), client_(std::move(client)) {}

  [[nodiscard]] bool may(AclOperation operation, ResourceType type, std::string_view name) const {
    return authorizer_ == nullptr || authorizer_->allows(client_, operation, type, name);
  }
  [[nodiscard]] bool on_topic(AclOperation operation, std::string_view name) const {
    return may(operation, ResourceType::topic, name);
  }
  [[nodiscard]] bool on_group(AclOperation operation, std::string_view name) const {
    return may(operation, ResourceType::group, name);
  }
  [[nodiscard]] bool on_cluster(AclOperation operation) const {
    return may(operation, ResourceType::cluster, kClusterName);
  }
  [[nodiscard]] bool on_transactional_id(AclOperation operation, std::string_view name) const {
    return may(operation, ResourceType::transactional_id, name);
  }
  [[nodiscard]] bool on_any(AclOperation operation, ResourceType type) const {
    return authorizer_ == nullptr || authorizer_->allows_on_any(client_, operation, type);
  }
  // A bit per operation that a resource of the type has and that is allowed (KIP-430).
  [[nodiscard]] std::int32_t operations(ResourceType type, std::string_view name) const;

 private:
  const Authorizer* authorizer_;
  Client client_;
};

}  // namespace millrace::broker
