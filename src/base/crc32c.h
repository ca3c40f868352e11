#pragma once

#include <cstdint>
#include <string_view>

namespace millrace {

// CRC-32C (Castagnoli, RFC 3720 appendix B.4), the checksum of Kafka's record batch v2 and of every
// format of ours. `crc` continues an earlier call: crc32c(ab) == crc32c(b, crc32c(a)).
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0);

// The table-driven twin of the hardware path, for tests.
[[nodiscard]] std::uint32_t crc32c_plain(std::string_view bytes, std::uint32_t crc = 0);

}  // namespace millrace
