#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace millrace::http {

// Header fields in the order they were added, in two allocations. Names compare case-insensitively
// (RFC 9110 5.1); one name may occur several times. Views are valid until the next add().
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string_view, std::string_view>> fields);

  void add(std::string_view name, std::string_view value);
  // The first field of that name.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  [[nodiscard]] std::size_t size() const { return fields_.size(); }
  [[nodiscard]] std::string_view name(std::size_t index) const;
  [[nodiscard]] std::string_view value(std::size_t index) const;

 private:
  struct Field {
    std::uint32_t name_at, name_bytes, value_at, value_bytes;
  };
  std::string text_;
  std::vector<Field> fields_;
};

// Decoded `name=value` pairs in the order they were sent.
class Query {
 public:
  void add(std::string name, std::string value);
  // The first value of that name; "" for a name without "=".
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  // A decimal number within [min, max]; `fallback` when absent, `invalid` naming the parameter and
  // the range otherwise.
  [[nodiscard]] Result<std::int64_t> number_or(std::string_view name, std::int64_t fallback,
                                               std::int64_t min, std::int64_t max) const;
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& pairs() const {
    return pairs_;
  }

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;
};

// What a handler gets. It stays valid as long as a copy of its Responder lives; the handler may
// move the body out.
struct Request {
  std::string method;                 // as sent: "GET"
  std::string target;                 // as sent: "/topics/a%20b/batches?partition=0"
  std::string path;                   // undecoded, without the query: "/topics/a%20b/batches"
  std::vector<std::string> segments;  // decoded: {"topics", "a b", "batches"}; {} for "/"
  Query query;
  Headers headers;
  std::string body;
  std::vector<std::pair<std::string, std::string>> parameters;  // filled by the Router

  // The value of `{name}` in the matched route. The route must have that name.
  [[nodiscard]] const std::string& parameter(std::string_view name) const;
};

// Content-Length, Connection and Content-Type are written from the other fields and ignored in
// `headers`. Line breaks within header values become spaces.
struct Response {
  int status = 200;
  std::string content_type = "application/json";  // "" writes none
  Headers headers = {};
  std::string body = {};
};

// "Not Found" for 404; "" for a status without a registered phrase.
std::string_view reason_phrase(int status);

// Whether `a` and `b` are equal when ASCII letters lose their case.
bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace millrace::http
