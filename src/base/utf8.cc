#include "base/utf8.h"

#include "base/bytes.h"
#include "base/check.h"

namespace millrace {
namespace {

bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}
char32_t payload(char byte) {
  return static_cast<unsigned char>(byte) & 0x3f;
}

}  // namespace

std::optional<char32_t> take_code_point(std::string_view& text) {
  if (text.empty()) return std::nullopt;
  const auto lead = static_cast<unsigned char>(text[0]);
  char32_t code_point = lead;
  std::size_t size = 1;
  char32_t lowest = 0;  // below it the form is overlong
  if (lead >= 0x80) {
    if ((lead & 0xe0) == 0xc0) {
      size = 2;
      lowest = 0x80;
      code_point = lead & 0x1f;
    } else if ((lead & 0xf0) == 0xe0) {
      size = 3;
      lowest = 0x800;
      code_point = lead & 0x0f;
    } else if ((lead & 0xf8) == 0xf0) {
      size = 4;
      lowest = 0x10000;
      code_point = lead & 0x07;
    } else {
      return std::nullopt;
    }
    if (text.size() < size) return std::nullopt;
    for (std::size_t i = 1; i < size; ++i) {
      if (!is_continuation(text[i])) return std::nullopt;
      code_point = (code_point << 6) | payload(text[i]);
    }
    const bool is_surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
    if (code_point < lowest || is_surrogate || code_point > 0x10ffff) return std::nullopt;
  }
  text.remove_prefix(size);
  return code_point;
}

bool is_valid_utf8(std::string_view text) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080ULL;
  while (!text.empty()) {
    if (text.size() >= 8 && (load_little<std::uint64_t>(text.data()) & kHighBits) == 0) {
      text.remove_prefix(8);
    } else if (static_cast<unsigned char>(text[0]) < 0x80) {
      text.remove_prefix(1);
    } else if (!take_code_point(text)) {
      return false;
    }
  }
  return true;
}

void append_code_point(std::string& out, char32_t code_point) {
  MR_CHECK(code_point <= 0x10ffff && (code_point < 0xd800 || code_point > 0xdfff));
  const auto tail = [&](int shift) {
    out.push_back(static_cast<char>(0x80 | ((code_point >> shift) & 0x3f)));
  };
  if (code_point < 0x80) {
    out.push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    out.push_back(static_cast<char>(0xc0 | (code_point >> 6)));
    tail(0);
  } else if (code_point < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | (code_point >> 12)));
    tail(6);
    tail(0);
  } else {
    out.push_back(static_cast<char>(0xf0 | (code_point >> 18)));
    tail(12);
    tail(6);
    tail(0);
  }
}

std::size_t count_code_points(std::string_view text) {
  std::size_t count = 0;
  for (const char byte : text) count += is_continuation(byte) ? 0 : 1;
  return count;
}

}  // namespace millrace
