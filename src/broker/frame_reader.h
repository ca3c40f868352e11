#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "codec/byte_buffer.h"

namespace millrace::broker {

// Takes a stream of bytes apart into frames ({int32 byte count, bytes}). Small frames are read many
// at a time; a large one straight into its own memory, which grows with the bytes that come, so
// that a byte count alone costs nothing. Single-threaded.
class FrameReader {
 public:
  using Frame = std::shared_ptr<const codec::ByteBuffer>;

  explicit FrameReader(std::size_t frame_bytes_max) : frame_bytes_max_(frame_bytes_max) {}

  // Of frames whose byte count has not been looked at yet.
  void set_frame_bytes_max(std::size_t frame_bytes_max) { frame_bytes_max_ = frame_bytes_max; }

  enum class State : unsigned char {
    need_more,
    frame,       // take_frame() gives it
    impossible,  // a byte count that is negative or above the bound; nothing can follow it
  };
  [[nodiscard]] State state();
  // Of the next frame, once its byte count is there, else 0.
  [[nodiscard]] std::size_t next_frame_bytes();
  [[nodiscard]] Frame take_frame();
  // Whether part of a frame is here.
  [[nodiscard]] bool has_begun() const { return large_ != nullptr || end_ > begin_; }

  // Where to put the next bytes: never empty unless a frame is ready. Then commit().
  [[nodiscard]] std::span<char> room();
  void commit(std::size_t byte_count);

 private:
  [[nodiscard]] std::int32_t byte_count_at_begin() const;
  void start_large(std::size_t byte_count);
  void compact();

  std::size_t frame_bytes_max_;
  std::unique_ptr<char[]> buffer_;  // [begin_, end_) is received and not yet taken
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::shared_ptr<codec::ByteBuffer> large_;  // being filled
  std::size_t large_bytes_ = 0;               // when it is full
};

}  // namespace millrace::broker
