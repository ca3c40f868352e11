#include "broker/frame_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "kafka_wire/header.h"

namespace millrace::broker {
namespace {

using kafka_wire::kFrameSizeBytes;

constexpr std::size_t kBufferBytes = 16 * 1024;
// Read at a time into a large frame; its memory at least doubles, so it is moved rarely.
constexpr std::size_t kLargeStepBytes = 256 * 1024;

}  // namespace

std::int32_t FrameReader::byte_count_at_begin() const {
  return load_big<std::int32_t>(buffer_.get() + begin_);
}

FrameReader::State FrameReader::state() {
  if (large_ != nullptr) return large_->size() == large_bytes_ ? State::frame : State::need_more;
  if (end_ - begin_ < kFrameSizeBytes) return State::need_more;
  const std::int32_t byte_count = byte_count_at_begin();
  if (byte_count < 0 || static_cast<std::size_t>(byte_count) > frame_bytes_max_) {
    return State::impossible;
  }
  const bool is_whole = end_ - begin_ - kFrameSizeBytes >= static_cast<std::size_t>(byte_count);
  return is_whole ? State::frame : State::need_more;
}

std::size_t FrameReader::next_frame_bytes() {
  if (large_ != nullptr) return large_bytes_;
  if (end_ - begin_ < kFrameSizeBytes) return 0;
  return static_cast<std::size_t>(std::max(0, byte_count_at_begin()));
}

FrameReader::Frame FrameReader::take_frame() {
  MR_CHECK(state() == State::frame);
  if (large_ != nullptr) {
    large_bytes_ = 0;
    return std::exchange(large_, nullptr);
  }
  const auto byte_count = static_cast<std::size_t>(byte_count_at_begin());
  auto frame = std::make_shared<codec::ByteBuffer>();
  if (byte_count > 0) {
    std::memcpy(frame->reserve(byte_count), buffer_.get() + begin_ + kFrameSizeBytes, byte_count);
    frame->commit(byte_count);
  }
  begin_ += kFrameSizeBytes + byte_count;
  return frame;
}

void FrameReader::compact() {
  if (begin_ == 0) return;
  std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
}

void FrameReader::start_large(std::size_t byte_count) {
  begin_ += kFrameSizeBytes;
  large_ = std::make_shared<codec::ByteBuffer>();
  large_bytes_ = byte_count;
  const std::size_t here = end_ - begin_;
  MR_CHECK(here < byte_count);
  std::memcpy(large_->reserve(std::max(here, std::min(byte_count, kLargeStepBytes))),
              buffer_.get() + begin_, here);
  large_->commit(here);
  begin_ = end_ = 0;
}

std::span<char> FrameReader::room() {
  if (large_ == nullptr && end_ - begin_ >= kFrameSizeBytes &&
      next_frame_bytes() + kFrameSizeBytes > kBufferBytes) {
    start_large(next_frame_bytes());
  }
  if (large_ != nullptr) {
    const std::size_t step = std::min(large_bytes_ - large_->size(), kLargeStepBytes);
    return {large_->reserve(step), step};
  }
  if (buffer_ == nullptr) buffer_ = std::make_unique_for_overwrite<char[]>(kBufferBytes);
  compact();
  return {buffer_.get() + end_, kBufferBytes - end_};
}

void FrameReader::commit(std::size_t byte_count) {
  if (large_ != nullptr) return large_->commit(byte_count);
  MR_CHECK(byte_count <= kBufferBytes - end_);
  end_ += byte_count;
}

}  // namespace millrace::broker
