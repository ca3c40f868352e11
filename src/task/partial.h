#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "task/window.h"

namespace millrace::task {

// Records of a repartition topic (docs/formats/partial.md). From one upstream task they arrive in
// order: the partials of a pane before the watermark that passes its end (R14).
struct PartialView {
  std::int64_t pane_start_us = 0;
  KeyState state;  // aggregates to be merged; revision and is_changed unused
};
struct UpstreamWatermark {
  std::int32_t upstream_partition = 0;
  EventTime watermark;
};
using RepartitionRecord = std::variant<PartialView, UpstreamWatermark>;

void encode_partial(std::int64_t pane_start_us, const KeyState& state, std::string& out);
void encode_upstream_watermark(const UpstreamWatermark& watermark, std::string& out);
Result<RepartitionRecord> decode_repartition_record(std::string_view bytes, const Window& window);

}  // namespace millrace::task
