#include "http/message.h"

#include <algorithm>
#include <charconv>

namespace millrace::http {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(),
                    [&](char left, char right) { return lower(left) == lower(right); });
}

Headers::Headers(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  for (const auto& [name, value] : fields) add(name, value);
}

void Headers::add(std::string_view name, std::string_view value) {
  MR_CHECK(text_.size() + name.size() + value.size() <= UINT32_MAX);
  Field field;
  field.name_at = static_cast<std::uint32_t>(text_.size());
  field.name_bytes = static_cast<std::uint32_t>(name.size());
  field.value_at = field.name_at + field.name_bytes;
  field.value_bytes = static_cast<std::uint32_t>(value.size());
  text_.append(name).append(value);
  fields_.push_back(field);
}

std::optional<std::string_view> Headers::find(std::string_view wanted) const {
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if (equal_ignoring_case(name(i), wanted)) return value(i);
  }
  return std::nullopt;
}

std::string_view Headers::name(std::size_t index) const {
  MR_CHECK(index < fields_.size());
  return std::string_view(text_).substr(fields_[index].name_at, fields_[index].name_bytes);
}

std::string_view Headers::value(std::size_t index) const {
  MR_CHECK(index < fields_.size());
  return std::string_view(text_).substr(fields_[index].value_at, fields_[index].value_bytes);
}

void Query::add(std::string name, std::string value) {
  pairs_.emplace_back(std::move(name), std::move(value));
}

std::optional<std::string_view> Query::find(std::string_view name) const {
  for (const auto& [key, value] : pairs_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

Result<std::int64_t> Query::number_or(std::string_view name, std::int64_t fallback,
                                      std::int64_t min, std::int64_t max) const {
  const auto text = find(name);
  if (!text) return fallback;
  std::int64_t number = 0;
  const char* end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, number);
  if (error != std::errc() || stop != end || number < min || number > max) {
    return invalid_error("query parameter " + std::string(name) + "=" + std::string(*text) +
                         " must be a whole number from " + std::to_string(min) + " to " +
                         std::to_string(max));
  }
  return number;
}

const std::string& Request::parameter(std::string_view name) const {
  const auto found = std::find_if(parameters.begin(), parameters.end(),
                                  [&](const auto& entry) { return entry.first == name; });
  MR_CHECK(found != parameters.end());
  return found->second;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    default:
      return "";
  }
}

}  // namespace millrace::http
