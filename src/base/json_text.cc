#include "base/json_text.h"

#include <cstdint>

#include "base/bytes.h"
#include "base/utf8.h"

namespace millrace {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr char32_t kReplacementCharacter = 0xfffd;

// The characters that RFC 8259 section 7 wants escaped.
constexpr bool needs_escape(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
}

// The position of the first character that needs an escape; the text's size if there is none. Eight
// bytes at a time: `x - 1` borrows into the top bit of a byte that was 0 (and `x - 0x20` into that
// of one below 0x20), and `& ~x` leaves out those whose top bit was set before. A borrow may also
// reach the bytes above a hit, so only the lowest hit counts.
std::size_t find_escape(std::string_view text, std::size_t from) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kTops = kOnes * 0x80;
  for (; from + 8 <= text.size(); from += 8) {
    const auto word = load_little<std::uint64_t>(text.data() + from);
    const auto quotes = word ^ (kOnes * '"');
    const auto backslashes = word ^ (kOnes * '\\');
    const auto hits = (((word - kOnes * 0x20) & ~word) | ((quotes - kOnes) & ~quotes) |
                       ((backslashes - kOnes) & ~backslashes)) &
                      kTops;
    if (hits != 0) return from + static_cast<std::size_t>(__builtin_ctzll(hits)) / 8;
  }
  while (from < text.size() && !needs_escape(text[from])) ++from;
  return from;
}

void append_escape(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kHexDigits[static_cast<unsigned char>(c) >> 4];
      out += kHexDigits[c & 0xf];
  }
}

// The text between the quotes.
void append_escaped(std::string& out, std::string_view text) {
  std::size_t copied = 0;
  while (true) {
    const auto escape = find_escape(text, copied);
    out.append(text, copied, escape - copied);
    if (escape == text.size()) return;
    append_escape(out, text[escape]);
    copied = escape + 1;
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text);
  out += '"';
}

void append_json_string_lossy(std::string& out, std::string_view bytes) {
  out += '"';
  while (true) {
    std::string_view rest = bytes;
    while (take_code_point(rest)) {
    }
    append_escaped(out, bytes.substr(0, bytes.size() - rest.size()));
    if (rest.empty()) break;
    append_code_point(out, kReplacementCharacter);
    bytes = rest.substr(1);
  }
  out += '"';
}

}  // namespace millrace
