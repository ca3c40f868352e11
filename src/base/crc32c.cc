#include "base/crc32c.h"

#include <array>

#include "base/bytes.h"

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

namespace millrace {
namespace {

constexpr std::uint32_t kReflectedPolynomial = 0x82f63b78;

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? kReflectedPolynomial : 0);
    table[byte] = crc;
  }
  return table;
}

constexpr auto kTable = make_table();

#if defined(__SSE4_2__)
// The instruction takes a word per cycle but answers after three, so three blocks are worked on at
// once and their states put together: a state moves over a block's bytes as over as many zeros,
// which is linear in its bits (Mark Adler's crc32c.c has the idea).
constexpr std::size_t kBlockBytes = 1024;

// [k][b]: the state with byte k = b and zeros else, after kBlockBytes zeros.
constexpr std::array<std::array<std::uint32_t, 256>, 4> make_shift_table() {
  std::array<std::uint32_t, 32> bits{};
  for (std::size_t bit = 0; bit < bits.size(); ++bit) {
    std::uint32_t state = 1u << bit;
    for (std::size_t i = 0; i < kBlockBytes; ++i) state = kTable[state & 0xff] ^ (state >> 8);
    bits[bit] = state;
  }
  std::array<std::array<std::uint32_t, 256>, 4> table{};
  for (std::size_t k = 0; k < 4; ++k) {
    for (std::size_t b = 1; b < 256; ++b) {
      const std::size_t low = static_cast<std::size_t>(__builtin_ctzll(b));
      table[k][b] = table[k][b & (b - 1)] ^ bits[8 * k + low];
    }
  }
  return table;
}
constexpr auto kShiftTable = make_shift_table();

std::uint64_t shifted(std::uint64_t state) {
  return kShiftTable[0][state & 0xff] ^ kShiftTable[1][(state >> 8) & 0xff] ^
         kShiftTable[2][(state >> 16) & 0xff] ^ kShiftTable[3][(state >> 24) & 0xff];
}
#endif

}  // namespace

std::uint32_t crc32c_plain(std::string_view bytes, std::uint32_t crc) {
  crc = ~crc;
  for (const char byte : bytes) {
    crc = kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xff] ^ (crc >> 8);
  }
  return ~crc;
}

#if defined(__SSE4_2__)
std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc) {
  std::uint64_t state = static_cast<std::uint32_t>(~crc);
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 3 * kBlockBytes; at += 3 * kBlockBytes, left -= 3 * kBlockBytes) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t i = 0; i < kBlockBytes; i += 8) {
      state = _mm_crc32_u64(state, load_little<std::uint64_t>(at + i));
      second = _mm_crc32_u64(second, load_little<std::uint64_t>(at + kBlockBytes + i));
      third = _mm_crc32_u64(third, load_little<std::uint64_t>(at + 2 * kBlockBytes + i));
    }
    state = shifted(shifted(state) ^ second) ^ third;
  }
  for (; left >= 8; at += 8, left -= 8) {
    state = _mm_crc32_u64(state, load_little<std::uint64_t>(at));
  }
  auto narrow = static_cast<std::uint32_t>(state);
  for (; left > 0; ++at, --left) narrow = _mm_crc32_u8(narrow, static_cast<unsigned char>(*at));
  return ~narrow;
}
#else
std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc) {
  return crc32c_plain(bytes, crc);
}
#endif

}  // namespace millrace
