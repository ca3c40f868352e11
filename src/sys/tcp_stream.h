#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "base/time.h"
#include "sys/byte_stream.h"

namespace millrace::sys {

struct TcpAddress {
  std::string host;  // a name, or an address without brackets
  std::uint16_t port = 0;

  auto operator<=>(const TcpAddress&) const = default;
  [[nodiscard]] std::string to_string() const { return host + ":" + std::to_string(port); }
};

// Connects, without Nagle's delay, to the first of the host's addresses that accepts.
// `disconnected` names the address. The resolver's own time-outs are not bound by the deadline.
// `clock` outlives the stream.
Result<std::unique_ptr<ByteStream>> connect_tcp(const TcpAddress& to, const Clock& clock,
                                                MonotonicTime deadline);

}  // namespace millrace::sys
