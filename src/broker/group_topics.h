#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "broker/topic_ids.h"
#include "kafka_wire/wire_types.h"
#include "log/log.h"

namespace millrace::broker {

// The topics there are, as consumer groups see them. Immutable once made.
struct GroupTopics {
  struct Topic {
    kafka_wire::Uuid id;
    std::int32_t partition_count = 0;
    bool is_hidden = false;  // from regular expressions: internal, or named like what is
    bool operator==(const Topic&) const = default;
  };
  std::map<std::string, Topic, std::less<>> by_name;
  std::map<kafka_wire::Uuid, std::string> names;
  std::uint64_t version = 0;  // of two, the one that was made later has the higher

  void add(const std::string& name, const Topic& topic);
};

// `topics` sorted by name, as the log has them.
std::shared_ptr<const GroupTopics> group_topics(const std::vector<log::TopicInfo>& topics,
                                                const TopicIds& ids, std::uint64_t version = 0);

// RE2's syntax, the whole name must match. `invalid` says what is wrong with the expression.
Status check_topic_regex(const std::string& regex);
// Names of topics that are not hidden, ascending. None when the expression is invalid.
[[nodiscard]] std::vector<std::string> matching_topics(const std::string& regex,
                                                       const GroupTopics& topics);

// What members' expressions match, remembered until the topics change. Not thread-safe.
class RegexMatches {
 public:
  const std::vector<std::string>& of(const std::string& regex,
                                     const std::shared_ptr<const GroupTopics>& topics);

 private:
  static constexpr std::size_t kKeptMax = 64;
  std::shared_ptr<const GroupTopics> topics_;
  std::map<std::string, std::vector<std::string>> matches_;
};

}  // namespace millrace::broker
