#include <algorithm>
#include <numeric>
#include <tuple>

#include "base/check.h"
#include "broker/group_assignors.h"

namespace millrace::broker {

bool is_assignor(std::string_view name) {
  return name == kUniformAssignor || name == kRangeAssignor;
}

std::vector<Assignment> assign(std::string_view name, const AssignorInput& input) {
  MR_CHECK(is_assignor(name));
  return name == kRangeAssignor ? assign_range(input) : assign_uniform(input);
}

std::vector<Assignment> assign_range(const AssignorInput& input) {
  std::vector<std::size_t> order(input.members.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const auto key = [&](std::size_t i) {
      const auto& member = input.members[i];
      // Static members first: they keep their places when dynamic ones come and go.
      return std::tuple(!member.instance_id.has_value(), member.instance_id.value_or(member.id));
    };
    return key(a) < key(b);
  });
  std::map<kafka_wire::Uuid, std::vector<std::size_t>> subscribers;
  for (const auto index : order) {
    for (const auto& topic : input.members[index].topics) subscribers[topic].push_back(index);
  }
  std::vector<Assignment> out(input.members.size());
  for (const auto& [topic, members] : subscribers) {
    const std::int32_t partitions = input.partition_counts.at(topic);
    const auto count = static_cast<std::int32_t>(members.size());
    std::int32_t next = 0;
    for (std::int32_t place = 0; place < count; ++place) {
      const std::int32_t size = partitions / count + (place < partitions % count ? 1 : 0);
      if (size == 0) break;
      auto& mine = out[members[static_cast<std::size_t>(place)]][topic];
      for (std::int32_t i = 0; i < size; ++i) mine.push_back(next++);
    }
  }
  return out;
}

}  // namespace millrace::broker
