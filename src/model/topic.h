#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>

#include "base/strong.h"

namespace millrace {

// Position of a record in its partition. The first record has offset 0; "next offset" and "end
// offset" are one past the last record.
using Offset = Strong<struct OffsetTag, std::int64_t>;

using ProducerId = Strong<struct ProducerIdTag, std::int64_t>;
using ProducerEpoch = Strong<struct ProducerEpochTag, std::int16_t>;
inline constexpr ProducerId kNoProducerId{-1};
inline constexpr ProducerEpoch kNoProducerEpoch{-1};

struct TopicPartition {
  std::string topic;
  std::int32_t partition = 0;

  auto operator<=>(const TopicPartition&) const = default;
  // "ticks/3"
  [[nodiscard]] std::string to_string() const { return topic + "/" + std::to_string(partition); }
};

}  // namespace millrace

template <>
struct std::hash<millrace::TopicPartition> {
  std::size_t operator()(const millrace::TopicPartition& tp) const noexcept {
    return std::hash<std::string>{}(tp.topic) * 31 + static_cast<std::size_t>(tp.partition);
  }
};
