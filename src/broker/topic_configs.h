#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "broker/services.h"
#include "log/log.h"

namespace millrace::broker {

// Kafka's topic configurations. docs/kafka.md has the table for users.
//
// Three kinds: those the log has, which are kept; those that only tune how Kafka does what this
// broker does another way, which any value may be given to and which change nothing (describing
// shows what is in force); and those that promise something this broker does not do, which are
// refused unless they ask for what is the case anyway. Unknown names are refused.
struct TopicConfigEntry {
  std::string name;
  std::string value;
  bool is_default = false;
  bool is_fixed = false;  // cannot be changed
  std::int8_t type = 0;   // ConfigEntry.ConfigType of Kafka's clients
};

// "delete", "compact" or "compact,delete".
std::string cleanup_policy_of(const log::TopicConfig& config);

// All of them, as they are in force.
std::vector<TopicConfigEntry> describe_topic_config(const log::TopicConfig& config,
                                                    const TopicDefaults& defaults);

// Changes of one topic's configuration, which take effect together.
class TopicConfigChange {
 public:
  TopicConfigChange(log::TopicConfig config, const TopicDefaults& defaults);

  // nullopt sets the default. `invalid` with what would be right.
  Status set(std::string_view name, const std::optional<std::string>& value);
  // Of a list, such as cleanup.policy: adds to it, or takes away from it. `invalid` for others.
  Status change_list(std::string_view name, const std::string& value, bool is_added);
  // What all of them come to. As in Kafka a compacted topic loses records by age or amount only
  // if its policy says "compact,delete"; bounds of one that says "compact" are kept for then.
  [[nodiscard]] Result<log::TopicConfig> finish() const;

 private:
  const TopicDefaults& defaults_;
  log::TopicConfig config_;
  std::optional<std::string> policy_;
};

// The same for the broker; all fixed.
std::vector<TopicConfigEntry> describe_broker_config(const Services& services);

}  // namespace millrace::broker
