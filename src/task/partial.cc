#include "task/partial.h"

#include "base/coding.h"
#include "task/watermark.h"

namespace millrace::task {
namespace {

enum class RecordType : std::uint8_t { partial = 1, watermark = 2 };

}  // namespace

void encode_partial(std::int64_t pane_start_us, const KeyState& state, std::string& out) {
  Encoder to(out);
  to.u8(static_cast<std::uint8_t>(RecordType::partial));
  to.zigzag(pane_start_us);
  to.bytes(state.key);
  for (const auto& aggregate : state.aggregates) aggregate.encode(to);
}

void encode_upstream_watermark(const UpstreamWatermark& watermark, std::string& out) {
  Encoder to(out);
  to.u8(static_cast<std::uint8_t>(RecordType::watermark));
  to.zigzag(watermark.upstream_partition);
  to.zigzag(watermark.watermark.value);
}

Result<RepartitionRecord> decode_repartition_record(std::string_view bytes, const Window& window) {
  Decoder from(bytes);
  const auto type = static_cast<RecordType>(from.u8());
  if (type == RecordType::watermark) {
    UpstreamWatermark watermark;
    watermark.upstream_partition = static_cast<std::int32_t>(from.zigzag());
    watermark.watermark = decode_event_time(from);
    MR_RETURN_IF_ERROR(from.finish("upstream watermark"));
    return RepartitionRecord(watermark);
  }
  if (type != RecordType::partial) return corrupt_error("repartition record: unknown type");
  PartialView partial;
  partial.pane_start_us = decode_pane_start(from, window);
  partial.state.key = from.bytes();
  for (const auto& call : window.aggregates) {
    if (!partial.state.aggregates.emplace_back(call.kind).decode(from)) {
      return corrupt_error("partial result: unreadable state of aggregate " + call.name);
    }
  }
  MR_RETURN_IF_ERROR(from.finish("partial result"));
  return RepartitionRecord(std::move(partial));
}

}  // namespace millrace::task
