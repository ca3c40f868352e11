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

Status BatchUnpack::open(std::string_view bytes) {
  MR_RETURN_IF_ERROR(reader_.open(bytes));
  if (reader_.header().is_control) return invalid_error("control batches are the brokers' own");
  return ok_status();
}

const ReadMessage* BatchUnpack::next() {
  const auto* record = reader_.next();
  if (record == nullptr) return nullptr;
  headers_.clear();
  for (const auto& header : record->headers) headers_.push_back({header.key, header.value});
  message_ = {record->offset, record->timestamp, record->key, record->value, headers_};
  return &message_;
}

}  // namespace millrace::kafka_client
