#include "broker/consumer_group_state.h"

#include <algorithm>
#include <utility>

namespace millrace::broker {

ConsumerGroupState::ConsumerGroupState(ConsumerGroupRecords records) : header_(records.header) {
  for (const auto& [id, member] : records.members) add(member);
}

const ConsumerMember* ConsumerGroupState::find(std::string_view member_id) const {
  const auto found = members_.find(member_id);
  return found == members_.end() ? nullptr : &found->second;
}

const ConsumerMember* ConsumerGroupState::find_instance(std::string_view instance_id) const {
  const auto found = instances_.find(instance_id);
  return found == instances_.end() ? nullptr : find(found->second);
}

bool ConsumerGroupState::is_taken(const kafka_wire::Uuid& topic, std::int32_t partition) const {
  const auto found = takers_.find(topic);
  const auto at = static_cast<std::size_t>(partition);
  return found != takers_.end() && at < found->second.size() && found->second[at] > 0;
}

std::string_view ConsumerGroupState::name() const {
  if (members_.empty()) return "Empty";
  if (header_.epoch > header_.assignment_epoch) return "Assigning";
  const bool is_stable = std::all_of(members_.begin(), members_.end(), [&](const auto& entry) {
    return entry.second.is_reconciled_to(header_.assignment_epoch);
  });
  return is_stable ? "Stable" : "Reconciling";
}

void ConsumerGroupState::apply(const ConsumerGroupChange& change) {
  if (change.header) header_ = *change.header;
  // First all that goes: a static member's instance passes from one id to another.
  for (const auto& [id, member] : change.members) {
    const auto known = members_.find(id);
    if (known != members_.end()) remove(known);
  }
  for (const auto& [id, member] : change.members) {
    if (member) add(*member);
  }
}

void ConsumerGroupState::remove(Members::iterator at) {
  const ConsumerMember& member = at->second;
  count(member.assigned, -1);
  count(member.revoking, -1);
  bytes_ -= member.byte_count();
  if (member.instance_id) instances_.erase(*member.instance_id);
  members_.erase(at);
}

void ConsumerGroupState::add(const ConsumerMember& member) {
  count(member.assigned, 1);
  count(member.revoking, 1);
  bytes_ += member.byte_count();
  if (member.instance_id) instances_[*member.instance_id] = member.id;
  members_.emplace(member.id, member);
}

void ConsumerGroupState::count(const Assignment& partitions, int by) {
  for (const auto& [topic, numbers] : partitions) {
    auto& takers = takers_[topic];
    const auto size = static_cast<std::size_t>(numbers.back()) + 1;
    if (takers.size() < size) takers.resize(size);
    for (const auto number : numbers) takers[static_cast<std::size_t>(number)] += by;
    const bool is_free =
        by < 0 && std::all_of(takers.begin(), takers.end(), [](auto n) { return n == 0; });
    if (is_free) takers_.erase(topic);
  }
}

}  // namespace millrace::broker
