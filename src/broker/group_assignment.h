#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "kafka_wire/wire_types.h"

namespace millrace::broker {

// Sets of partitions, by their topics' ids: ascending, each once, and no topic without any. What
// members of consumer groups own, give up and shall have.
using Assignment = std::map<kafka_wire::Uuid, std::vector<std::int32_t>>;

[[nodiscard]] std::size_t partition_count(const Assignment& partitions);
[[nodiscard]] bool contains(const Assignment& partitions, const kafka_wire::Uuid& topic,
                            std::int32_t partition);
[[nodiscard]] bool are_disjoint(const Assignment& a, const Assignment& b);
// All of `part` is in `whole`.
[[nodiscard]] bool is_part(const Assignment& part, const Assignment& whole);
[[nodiscard]] Assignment intersection_of(const Assignment& a, const Assignment& b);
[[nodiscard]] Assignment difference_of(const Assignment& a, const Assignment& b);
[[nodiscard]] Assignment union_of(const Assignment& a, const Assignment& b);

// Brings what came from outside into the form above.
void normalise(Assignment& partitions);

}  // namespace millrace::broker
