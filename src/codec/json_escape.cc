#include "codec/json_escape.h"

#include <cstdint>

namespace millrace::codec {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Four hex digits; -1 if they are not.
int hex_quad(const char* at, const char* end) {
  if (end - at < 4) return -1;
  int unit = 0;
  for (int i = 0; i < 4; ++i) {
    const int digit = hex_digit(at[i]);
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

char simple_escape(char c) {
  switch (c) {
    case '"':
      return '"';
    case '\\':
      return '\\';
    case '/':
      return '/';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return '\0';
  }
}

char* write_utf8(char* to, std::uint32_t code_point) {
  const auto put = [&](std::uint32_t byte) { *to++ = static_cast<char>(byte); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xc0 | (code_point >> 6));
    put(0x80 | (code_point & 0x3f));
  } else if (code_point < 0x10000) {
    put(0xe0 | (code_point >> 12));
    put(0x80 | ((code_point >> 6) & 0x3f));
    put(0x80 | (code_point & 0x3f));
  } else {
    put(0xf0 | (code_point >> 18));
    put(0x80 | ((code_point >> 12) & 0x3f));
    put(0x80 | ((code_point >> 6) & 0x3f));
    put(0x80 | (code_point & 0x3f));
  }
  return to;
}

// One \uXXXX or a surrogate pair of two; `at` stands behind the first 'u'. False for what is not
// hex and for half a pair, which no UTF-8 text can hold.
bool read_unicode_escape(const char*& at, const char* end, std::uint32_t& code_point) {
  const int first = hex_quad(at, end);
  if (first < 0 || (first >= 0xdc00 && first <= 0xdfff)) return false;
  at += 4;
  code_point = static_cast<std::uint32_t>(first);
  if (first < 0xd800 || first > 0xdbff) return true;
  if (end - at < 6 || at[0] != '\\' || at[1] != 'u') return false;
  const int second = hex_quad(at + 2, end);
  if (second < 0xdc00 || second > 0xdfff) return false;
  at += 6;
  code_point =
      0x10000 + ((code_point - 0xd800) << 10) + static_cast<std::uint32_t>(second - 0xdc00);
  return true;
}

}  // namespace

Unescaped unescape_json(const char* from, const char* end, char* to) {
  const char* const start = to;
  while (from < end) {
    if (*from != '\\') {
      *to++ = *from++;
      continue;
    }
    const char* const backslash = from++;
    if (from == end) return {0, backslash, "the escape is cut off"};
    const char kind = *from++;
    if (kind == 'u') {
      std::uint32_t code_point = 0;
      if (!read_unicode_escape(from, end, code_point)) {
        return {0, backslash, "\\u needs four hex digits, and a surrogate its other half"};
      }
      to = write_utf8(to, code_point);
    } else {
      const char plain = simple_escape(kind);
      if (plain == '\0') return {0, backslash, "there is no such escape"};
      *to++ = plain;
    }
  }
  return {static_cast<std::size_t>(to - start), nullptr, nullptr};
}

}  // namespace millrace::codec
