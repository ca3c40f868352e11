#pragma once

#include <optional>
#include <string>

#include "broker/services.h"
#include "kafka_wire/error_codes.h"

namespace millrace::broker {

struct TopicError {
  kafka_wire::ErrorCode code = kafka_wire::ErrorCode::none;
  std::string message;
};

// Internal topics and the names they have are shown to clients and not theirs to change.
[[nodiscard]] bool is_reserved_name(const std::string& name);
// Whether a client may make a topic of this name, had nobody made it.
[[nodiscard]] std::optional<TopicError> check_new_name(const std::string& name);
// Whether a client may change the topic's records or configuration.
[[nodiscard]] std::optional<TopicError> check_writable(const log::TopicInfo& topic);
// Whether it may be deleted, or get more partitions, as far as its users are concerned.
[[nodiscard]] std::optional<TopicError> check_unused(const Services& services,
                                                     const std::string& topic);

// As a topic is made when nothing is said about it.
[[nodiscard]] log::TopicConfig default_config(const TopicDefaults& defaults);

// What may be asked of a topic by either name or id (KIP-516). nullopt when there is none.
[[nodiscard]] std::optional<log::TopicInfo> find_topic(const Services& services,
                                                       const std::optional<std::string>& name,
                                                       const kafka_wire::Uuid& id);

}  // namespace millrace::broker
