#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/thread.h"
#include "kafka_wire/wire_types.h"
#include "log/log.h"

namespace millrace::broker {

// Topics' ids (KIP-516): made of the cluster and the topic's incarnation, so they need no storage,
// and a topic that is deleted and created again has another. Thread-safe.
class TopicIds {
 public:
  TopicIds(const log::Log& log, const std::string& cluster_id);

  [[nodiscard]] kafka_wire::Uuid id_of(const log::TopicInfo& topic) const;
  // nullopt when no topic has it, or has it any more.
  [[nodiscard]] std::optional<std::string> name_of(const kafka_wire::Uuid& id) const;

 private:
  const log::Log& log_;
  std::uint64_t cluster_;
  mutable Mutex mutex_;
  mutable std::map<std::uint64_t, std::string> names_;  // by incarnation; may be out of date
};

}  // namespace millrace::broker
