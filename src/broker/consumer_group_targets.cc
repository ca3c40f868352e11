#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "base/hash.h"
#include "broker/consumer_group_step.h"
#include "broker/group_assignors.h"

namespace millrace::broker {

std::vector<const ConsumerMember*> ConsumerGroupStep::all_members() const {
  std::vector<const ConsumerMember*> out;
  out.reserve(state_.members().size() + changed_.size());
  for (const auto& [id, member] : state_.members()) {
    if (!changed_.contains(id)) out.push_back(&member);
  }
  for (const auto& [id, member] : changed_) {
    if (member) out.push_back(&*member);
  }
  std::sort(out.begin(), out.end(), [](const auto* a, const auto* b) { return a->id < b->id; });
  return out;
}

std::vector<std::string> ConsumerGroupStep::topics_of(const ConsumerMember& member) const {
  if (member.topic_regex.empty()) return member.topic_names;
  const auto& matched = around_.matches.of(member.topic_regex, around_.topics);
  std::vector<std::string> out;
  std::set_union(member.topic_names.begin(), member.topic_names.end(), matched.begin(),
                 matched.end(), std::back_inserter(out));
  return out;
}

void ConsumerGroupStep::look_at_topics() {
  std::set<std::string> names;
  for (const auto* member : all_members()) {
    for (auto& name : topics_of(*member)) names.insert(std::move(name));
  }
  std::size_t partitions = 0;
  std::string identity;
  for (const auto& name : names) {
    const auto topic = around_.topics->by_name.find(name);
    if (topic == around_.topics->by_name.end()) continue;
    partitions += static_cast<std::size_t>(topic->second.partition_count);
    if (partitions > around_.limits.partitions_per_group_max) {
      has_left_topics_out_ = true;
      break;
    }
    subscribed_.emplace(name, topic->second);
    identity.append(reinterpret_cast<const char*>(topic->second.id.bytes.data()),
                    topic->second.id.bytes.size());
    append_little(identity, topic->second.partition_count);
  }
  topics_hash_ = hash64(identity);
}

std::string_view preferred_assignor(const std::vector<const ConsumerMember*>& members) {
  std::map<std::string_view, std::size_t> votes;
  for (const auto* member : members) {
    if (!member->assignor.empty()) ++votes[member->assignor];
  }
  const auto best = std::max_element(
      votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  // An assignor of another version of this program may be stored.
  return best == votes.end() || !is_assignor(best->first) ? kUniformAssignor : best->first;
}

void ConsumerGroupStep::make_targets() {
  AssignorInput input;
  for (const auto& [name, topic] : subscribed_) {
    input.partition_counts[topic.id] = topic.partition_count;
  }
  const auto members = all_members();
  for (const auto* member : members) {
    auto& each = input.members.emplace_back();
    each.id = member->id;
    each.instance_id = member->instance_id;
    each.before = member->target;
    for (const auto& name : topics_of(*member)) {
      const auto topic = subscribed_.find(name);
      if (topic != subscribed_.end()) each.topics.push_back(topic->second.id);
    }
    std::sort(each.topics.begin(), each.topics.end());
  }
  auto targets = assign(preferred_assignor(members), input);
  // What is unchanged is not written.
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (members[i]->target == targets[i]) continue;
    auto& changed = changed_[members[i]->id];
    if (!changed) changed = *members[i];
    changed->target = std::move(targets[i]);
  }
  header_.assignment_epoch = header_.epoch;
}

}  // namespace millrace::broker
