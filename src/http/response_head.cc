#include "http/response_head.h"

#include <array>
#include <charconv>

namespace millrace::http {
namespace {

void append_number(std::string& out, std::size_t number) {
  std::array<char, 20> digits;
  const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  MR_CHECK(result.ec == std::errc());
  out.append(digits.data(), result.ptr);
}

// Values may hold foreign text (a topic's name in a Location): a line break in one must not start a
// field or a response of its own.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  for (const char c : value) out.push_back(c == '\r' || c == '\n' || c == '\0' ? ' ' : c);
  out.append("\r\n");
}

bool is_token(std::string_view name) {
  constexpr std::string_view kSeparators = "\"(),/:;<=>?@[\\]{} \t";
  for (const char c : name) {
    if (c <= 0x20 || c >= 0x7f || kSeparators.find(c) != std::string_view::npos) return false;
  }
  return !name.empty();
}

}  // namespace

bool may_have_body(int status) {
  return status >= 200 && status != 204 && status != 304;
}

std::string response_head(const Response& response, ResponseFraming framing) {
  MR_CHECK(response.status >= 100 && response.status <= 599);
  std::string out;
  out.reserve(192);
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<std::size_t>(response.status));
  out.push_back(' ');
  out.append(reason_phrase(response.status)).append("\r\n");
  if (may_have_body(response.status)) {
    if (!response.content_type.empty()) append_field(out, "Content-Type", response.content_type);
    out.append("Content-Length: ");
    append_number(out, response.body.size());
    out.append("\r\n");
  }
  if (!framing.keep_alive) {
    out.append("Connection: close\r\n");
  } else if (framing.is_http_1_0) {
    out.append("Connection: keep-alive\r\n");
  }
  for (std::size_t i = 0; i < response.headers.size(); ++i) {
    const std::string_view name = response.headers.name(i);
    MR_CHECK(is_token(name));
    const bool is_ours =
        equal_ignoring_case(name, "Content-Length") || equal_ignoring_case(name, "Connection") ||
        equal_ignoring_case(name, "Transfer-Encoding") || equal_ignoring_case(name, "Content-Type");
    if (!is_ours) append_field(out, name, response.headers.value(i));
  }
  out.append("\r\n");
  return out;
}

}  // namespace millrace::http
