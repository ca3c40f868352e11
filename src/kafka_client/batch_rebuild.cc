#include "kafka_client/batch_rebuild.h"

#include <memory>

namespace millrace::kafka_client {
void BatchRebuild::add_record(const ReadMessage& message) {
  const auto position = bytes_.size();
  builder_.append(message.timestamp, message.key, message.value, message.headers);
  builder_.finish(bytes_);
  codec::set_base_offset(bytes_, position, message.offset);
  marks_.push_back({position, message.offset, message.timestamp, log::BatchKind::records});
}

void BatchRebuild::add_hole(Offset at) {
  const auto position = bytes_.size();
  bytes_ += hole_;
  codec::set_base_offset(bytes_, position, at);
  marks_.push_back({position, at, WallTime(0), log::BatchKind::control});
}

std::vector<log::FetchedBatch> BatchRebuild::finish() {
  const auto buffer = std::make_shared<const std::string>(std::move(bytes_));
  std::vector<log::FetchedBatch> out;
  out.reserve(marks_.size());
  for (std::size_t i = 0; i < marks_.size(); ++i) {
    const auto& mark = marks_[i];
    const auto end = i + 1 < marks_.size() ? marks_[i + 1].position : buffer->size();
    const auto view = std::string_view(*buffer).substr(mark.position, end - mark.position);
    out.push_back(
        {SharedBytes(buffer, view), mark.offset, mark.offset + 1, mark.append_time, mark.kind});
  }
  bytes_.clear();
  marks_.clear();
  return out;
}

}  // namespace millrace::kafka_client
