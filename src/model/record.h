#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/time.h"
#include "model/topic.h"

namespace millrace {

struct HeaderView {
  std::string_view key;
  std::optional<std::string_view> value;  // a Kafka header's value may be null
};

// One record of a batch. All views point into the decoded batch and die with it.
struct RecordView {
  Offset offset;
  WallTime timestamp;  // CreateTime or LogAppendTime, as the batch says
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;  // nullopt is a tombstone in a compacted topic
  std::span<const HeaderView> headers;
};

}  // namespace millrace
