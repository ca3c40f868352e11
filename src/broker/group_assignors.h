#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/group_assignment.h"

namespace millrace::broker {

// Who in a consumer group gets which partitions (KIP-848's server-side assignors). Pure: the same
// input gives the same answer.

struct AssignorMember {
  std::string id;
  std::optional<std::string> instance_id;
  std::vector<kafka_wire::Uuid> topics;  // that it subscribes to and that exist; ascending
  Assignment before;                     // its target so far
};

struct AssignorInput {
  std::vector<AssignorMember> members;
  std::map<kafka_wire::Uuid, std::int32_t> partition_counts;  // of all topics named above
};

inline constexpr std::string_view kUniformAssignor = "uniform";
inline constexpr std::string_view kRangeAssignor = "range";

[[nodiscard]] bool is_assignor(std::string_view name);

// Each partition of each topic to exactly one of the topic's subscribers, if it has any; an answer
// per member, in the members' order. `name` is one of the above.
[[nodiscard]] std::vector<Assignment> assign(std::string_view name, const AssignorInput& input);

// As even as it gets, and as much as before as that allows: with equal subscriptions members differ
// by one partition at most; with different ones, no member has two more than another one to whom
// one of its partitions could be given.
[[nodiscard]] std::vector<Assignment> assign_uniform(const AssignorInput& input);

// Of every topic a run of neighbours for each subscriber, in the order of instance ids, then of
// member ids, the first ones taking what is over. Topics of equally many partitions and with the
// same subscribers are cut alike, so the same member has the same numbers of them. Not sticky.
[[nodiscard]] std::vector<Assignment> assign_range(const AssignorInput& input);

}  // namespace millrace::broker
