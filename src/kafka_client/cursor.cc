#include "kafka_client/cursor.h"

#include <algorithm>
#include <array>

#include "kafka_client/errors.h"

namespace millrace::kafka_client {
namespace {

constexpr std::size_t kMessagesPerPull = 256;
constexpr std::int64_t kNanosPerMilli = 1'000'000;

}  // namespace

Cursor::Cursor(Handle& handle, TopicPartition source, ArrivalSink& sink)
    : handle_(handle),
      source_(std::move(source)),
      sink_(sink),
      topic_(rd_kafka_topic_new(handle.get(), source_.topic.c_str(), nullptr)) {}

Cursor::~Cursor() {
  stop();
}

void Cursor::stop() {
  if (queue_ == nullptr) return;
  rd_kafka_queue_cb_event_enable(queue_.get(), nullptr, nullptr);
  (void)rd_kafka_consume_stop(topic_.get(), source_.partition);
  pending_.clear();
  next_pending_ = 0;
  queue_.reset();
}

Status Cursor::start(Offset from) {
  stop();
  position_ = from;
  knows_position_ = false;
  if (topic_ == nullptr) return status_of(rd_kafka_last_error(), source_.to_string());
  queue_.reset(rd_kafka_queue_new(handle_.get()));
  rd_kafka_queue_cb_event_enable(
      queue_.get(),
      [](rd_kafka_t*, void* opaque) {
        const auto& cursor = *static_cast<Cursor*>(opaque);
        cursor.sink_.arrived(cursor.source_);
      },
      this);
  if (rd_kafka_consume_start_queue(topic_.get(), source_.partition, from.value, queue_.get()) ==
      0) {
    return ok_status();
  }
  const auto error = rd_kafka_last_error();
  queue_.reset();
  return status_of(error, "read of " + source_.to_string());
}

// Takes what has arrived, waiting for the first message only. False: nothing.
bool Cursor::pull(int wait_ms) {
  pending_.clear();
  next_pending_ = 0;
  if (wait_ms > 0) {
    auto* first = rd_kafka_consume_queue(queue_.get(), wait_ms);
    if (first == nullptr) return false;
    pending_.emplace_back(first);
  }
  // With a time-out it would wait for as many as are asked for.
  std::array<rd_kafka_message_t*, kMessagesPerPull> more{};
  const auto count = rd_kafka_consume_batch_queue(queue_.get(), 0, more.data(), more.size());
  for (std::ptrdiff_t i = 0; i < count; ++i)
    pending_.emplace_back(more[static_cast<std::size_t>(i)]);
  return !pending_.empty();
}

void Cursor::add_record(const rd_kafka_message_t& message) {
  headers_.clear();
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t bytes = 0;
    for (std::size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &bytes) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
      auto& header = headers_.emplace_back();
      header.key = name;
      if (value != nullptr) header.value = std::string_view(static_cast<const char*>(value), bytes);
    }
  }
  ReadMessage record;
  record.offset = Offset(message.offset);
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  record.timestamp =
      WallTime(std::max<std::int64_t>(rd_kafka_message_timestamp(&message, &type), 0));
  if (message.key != nullptr) {
    record.key = std::string_view(static_cast<const char*>(message.key), message.key_len);
  }
  if (message.payload != nullptr) {
    record.value = std::string_view(static_cast<const char*>(message.payload), message.len);
  }
  record.headers = headers_;
  rebuild_.add_record(record);
}

// A record, or the end: either tells that the offsets below have no visible record.
Status Cursor::take(const rd_kafka_message_t& message, std::size_t bytes_max, bool& is_used_up) {
  is_used_up = true;
  const bool is_end = message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR && !is_end) {
    return status_of(message.err,
                     "read of " + source_.to_string() + " at " + std::to_string(position_.value));
  }
  knows_position_ = true;
  const Offset until(message.offset);
  for (; position_ < until; ++position_.value) {
    if (rebuild_.bytes() >= bytes_max && !rebuild_.empty()) {
      is_used_up = false;
      return ok_status();
    }
    rebuild_.add_hole(position_);
  }
  if (is_end || until < position_) return ok_status();
  add_record(message);
  position_ = until + 1;
  return ok_status();
}

// False when bytes_max is reached.
Result<bool> Cursor::take_pending(std::size_t bytes_max) {
  while (next_pending_ < pending_.size()) {
    if (!rebuild_.empty() && rebuild_.bytes() >= bytes_max) return false;
    bool is_used_up = false;
    MR_RETURN_IF_ERROR(take(*pending_[next_pending_], bytes_max, is_used_up));
    if (!is_used_up) return false;
    pending_[next_pending_++].reset();
  }
  return true;
}

Result<std::vector<log::FetchedBatch>> Cursor::read(std::size_t bytes_max, Offset known_end,
                                                    int wait_ms, const Clock& clock) {
  const auto give_up = clock.monotonic_now() + std::int64_t{wait_ms} * kNanosPerMilli;
  int wait_for_first_ms = 0;
  while (true) {
    MR_ASSIGN_OR_RETURN(const bool wants_more, take_pending(bytes_max));
    if (wants_more && pull(wait_for_first_ms)) {
      wait_for_first_ms = 0;
      continue;
    }
    if (!rebuild_.empty() || (knows_position_ && position_ >= known_end)) break;
    const auto left_ms = (give_up - clock.monotonic_now()) / kNanosPerMilli;
    if (left_ms <= 0) {
      return disconnected_error("read of " + source_.to_string() + " at " +
                                std::to_string(position_.value) + ": no answer; " +
                                handle_.last_trouble());
    }
    wait_for_first_ms = static_cast<int>(left_ms);
  }
  return rebuild_.finish();
}

Offset Cursor::high_watermark() const {
  std::int64_t low = 0;
  std::int64_t high = 0;
  if (rd_kafka_get_watermark_offsets(handle_.get(), source_.topic.c_str(), source_.partition, &low,
                                     &high) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return Offset(0);
  }
  return Offset(std::max<std::int64_t>(high, 0));
}

}  // namespace millrace::kafka_client
