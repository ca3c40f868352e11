#include "broker/group_assignment.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

namespace millrace::broker {

namespace {

std::span<const std::int32_t> of_topic(const Assignment& partitions,
                                       const kafka_wire::Uuid& topic) {
  const auto found = partitions.find(topic);
  if (found == partitions.end()) return {};
  return found->second;
}

}  // namespace

std::size_t partition_count(const Assignment& partitions) {
  std::size_t count = 0;
  for (const auto& [topic, numbers] : partitions) count += numbers.size();
  return count;
}

bool contains(const Assignment& partitions, const kafka_wire::Uuid& topic, std::int32_t partition) {
  const auto numbers = of_topic(partitions, topic);
  return std::binary_search(numbers.begin(), numbers.end(), partition);
}

bool are_disjoint(const Assignment& a, const Assignment& b) {
  return intersection_of(a, b).empty();
}

bool is_part(const Assignment& part, const Assignment& whole) {
  return std::all_of(part.begin(), part.end(), [&](const auto& entry) {
    const auto in = of_topic(whole, entry.first);
    return std::includes(in.begin(), in.end(), entry.second.begin(), entry.second.end());
  });
}

Assignment intersection_of(const Assignment& a, const Assignment& b) {
  Assignment out;
  for (const auto& [topic, mine] : a) {
    const auto theirs = of_topic(b, topic);
    std::vector<std::int32_t> both;
    std::set_intersection(mine.begin(), mine.end(), theirs.begin(), theirs.end(),
                          std::back_inserter(both));
    if (!both.empty()) out.emplace(topic, std::move(both));
  }
  return out;
}

Assignment difference_of(const Assignment& a, const Assignment& b) {
  Assignment out;
  for (const auto& [topic, mine] : a) {
    const auto theirs = of_topic(b, topic);
    std::vector<std::int32_t> rest;
    std::set_difference(mine.begin(), mine.end(), theirs.begin(), theirs.end(),
                        std::back_inserter(rest));
    if (!rest.empty()) out.emplace(topic, std::move(rest));
  }
  return out;
}

Assignment union_of(const Assignment& a, const Assignment& b) {
  Assignment out = a;
  for (const auto& [topic, theirs] : b) {
    const auto mine = of_topic(a, topic);
    std::vector<std::int32_t> both;
    std::set_union(mine.begin(), mine.end(), theirs.begin(), theirs.end(),
                   std::back_inserter(both));
    out[topic] = std::move(both);
  }
  return out;
}

void normalise(Assignment& partitions) {
  for (auto& [topic, numbers] : partitions) {
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  }
  std::erase_if(partitions, [](const auto& entry) { return entry.second.empty(); });
}

}  // namespace millrace::broker
