#include "broker/authorizer.h"

#include <span>

namespace millrace::broker {
namespace {

using enum AclOperation;

// Kafka's AclEntry.supportedOperations.
constexpr AclOperation kOfTopic[] = {read,  write,    create,           remove,
                                     alter, describe, describe_configs, alter_configs};
constexpr AclOperation kOfGroup[] = {read, remove, describe, describe_configs, alter_configs};
constexpr AclOperation kOfCluster[] = {
    create, alter, describe, cluster_action, alter_configs, describe_configs, idempotent_write};
constexpr AclOperation kOfTransactionalId[] = {describe, write, two_phase_commit};

std::span<const AclOperation> operations_of(ResourceType type) {
  switch (type) {
    case ResourceType::topic:
      return kOfTopic;
    case ResourceType::group:
      return kOfGroup;
    case ResourceType::cluster:
      return kOfCluster;
    case ResourceType::transactional_id:
      return kOfTransactionalId;
    default:
      return {};
  }
}

}  // namespace

std::int32_t Access::operations(ResourceType type, std::string_view name) const {
  std::int32_t bits = 0;
  for (const AclOperation operation : operations_of(type)) {
    if (may(operation, type, name)) bits |= 1 << static_cast<int>(operation);
  }
  return bits;
}

}  // namespace millrace::broker
