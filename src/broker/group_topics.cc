#include "broker/group_topics.h"

#include <re2/re2.h>

#include <utility>

#include "broker/topic_admin.h"

namespace millrace::broker {

namespace {

// A compiled expression may take this much; RE2 refuses larger ones.
constexpr std::int64_t kRegexMemoryBytesMax = 1 << 20;
constexpr std::size_t kRegexBytesMax = 4096;

RE2::Options regex_options() {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kRegexMemoryBytesMax);
  return options;
}

}  // namespace

void GroupTopics::add(const std::string& name, const Topic& topic) {
  by_name[name] = topic;
  names[topic.id] = name;
}

std::shared_ptr<const GroupTopics> group_topics(const std::vector<log::TopicInfo>& topics,
                                                const TopicIds& ids, std::uint64_t version) {
  auto out = std::make_shared<GroupTopics>();
  out->version = version;
  for (const auto& topic : topics) {
    const bool is_hidden = topic.config.is_internal || is_reserved_name(topic.name);
    out->add(topic.name, {ids.id_of(topic), topic.config.partition_count, is_hidden});
  }
  return out;
}

Status check_topic_regex(const std::string& regex) {
  if (regex.size() > kRegexBytesMax) {
    return invalid_error("the regular expression has more than " + std::to_string(kRegexBytesMax) +
                         " bytes");
  }
  const RE2 compiled(regex, regex_options());
  if (compiled.ok()) return ok_status();
  return invalid_error("'" + regex + "' is not a regular expression of RE2: " + compiled.error());
}

std::vector<std::string> matching_topics(const std::string& regex, const GroupTopics& topics) {
  std::vector<std::string> out;
  const RE2 compiled(regex, regex_options());
  if (!compiled.ok()) return out;
  for (const auto& [name, topic] : topics.by_name) {
    if (!topic.is_hidden && RE2::FullMatch(name, compiled)) out.push_back(name);
  }
  return out;
}

const std::vector<std::string>& RegexMatches::of(const std::string& regex,
                                                 const std::shared_ptr<const GroupTopics>& topics) {
  // More expressions than are kept, or other topics: from the beginning.
  if (topics != topics_ || matches_.size() >= kKeptMax) matches_.clear();
  topics_ = topics;
  const auto known = matches_.find(regex);
  if (known != matches_.end()) return known->second;
  return matches_.emplace(regex, matching_topics(regex, *topics)).first->second;
}

}  // namespace millrace::broker
