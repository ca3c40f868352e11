#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "codec/byte_buffer.h"

namespace millrace::kafka_wire {

// Bytes to be sent: own ones, and between them views of foreign ones (record batches), so that
// batches are not copied. The views must live until the bytes are sent. `clear` keeps the memory.
// Single-threaded.
class WireBytes {
 public:
  // Shorter foreign bytes are copied: a piece of its own costs more than its bytes.
  static constexpr std::size_t kCopiedBytesMax = 256;

  [[nodiscard]] std::size_t byte_count() const { return own_.size() + foreign_byte_count_; }
  void clear();

  // Room for `byte_count` bytes at the end; valid until the next call of anything here.
  char* extend(std::size_t byte_count) {
    char* const at = own_.reserve(byte_count);
    own_.commit(byte_count);
    return at;
  }
  void append(std::string_view bytes) {
    if (!bytes.empty()) std::memcpy(extend(bytes.size()), bytes.data(), bytes.size());
  }
  void append_foreign(std::string_view bytes);

  // Every piece in the order in which it is sent.
  template <class Each>
  void for_each_piece(Each&& each) const {
    std::size_t sent = 0;
    for (const Foreign& foreign : foreign_) {
      if (foreign.position > sent) each(own_.view().substr(sent, foreign.position - sent));
      each(foreign.bytes);
      sent = foreign.position;
    }
    if (own_.size() > sent) each(own_.view().substr(sent));
  }
  [[nodiscard]] std::string joined() const;

  // For encoders: the own bytes so far, to fill in a length that is known later.
  [[nodiscard]] std::size_t own_byte_count() const { return own_.size(); }
  [[nodiscard]] std::size_t foreign_byte_count() const { return foreign_byte_count_; }
  void store_u32(std::size_t position, std::uint32_t value) {
    MR_CHECK(position + sizeof value <= own_.size());
    store_big(own_.data() + position, value);
  }
  // Puts `bytes` in front of the own bytes from `position` on, which may not have foreign ones.
  void insert(std::size_t position, std::string_view bytes);

 private:
  struct Foreign {
    std::size_t position;  // own bytes in front of it
    std::string_view bytes;
  };

  codec::ByteBuffer own_;
  std::vector<Foreign> foreign_;
  std::size_t foreign_byte_count_ = 0;
};

}  // namespace millrace::kafka_wire
