#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "base/status.h"
#include "base/time.h"

namespace millrace::sys {

// A connection's bytes in both directions, for callers who block. Deadlines are of the clock's
// monotonic time; one that has passed, and a peer that is gone, are `disconnected`, after which
// nothing but the destructor may be called. One thread at a time, `shut_down` apart.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  // All of the pieces, in their order.
  virtual Status write(std::span<const std::string_view> pieces, MonotonicTime deadline) = 0;
  // At least one byte and at most `bytes_max` (> 0); how many.
  virtual Result<std::size_t> read_some(char* to, std::size_t bytes_max,
                                        MonotonicTime deadline) = 0;
  // Whether the peer has neither closed it nor sent bytes that nobody has read.
  virtual bool is_quiet() = 0;
  // From any thread, while the object lives: what is under way fails soon, and all that follows.
  virtual void shut_down() = 0;
};

}  // namespace millrace::sys
