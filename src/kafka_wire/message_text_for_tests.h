#pragma once

#include <algorithm>
#include <cstdint>
#include <iomanip>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "kafka_wire/message.h"

// Tests only: a message as text, {field=value ...} by name, with what its version has; the form in
// which tools/kafka_golden.py writes what it encoded.

namespace millrace::kafka_wire {

inline std::string hex_text(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

inline std::string text_of(const std::string& value, std::int16_t) {
  return "\"" + value + "\"";
}
inline std::string text_of(const Blob& value, std::int16_t) {
  return "x'" + hex_text(value.bytes) + "'";
}
inline std::string text_of(const Records& value, std::int16_t) {
  return value.is_null() ? "null" : "x'" + hex_text(value.joined()) + "'";
}
inline std::string text_of(const Uuid& value, std::int16_t) {
  return hex_text({reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size()});
}
inline std::string text_of(bool value, std::int16_t) {
  return value ? "true" : "false";
}
inline std::string text_of(double value, std::int16_t) {
  std::ostringstream text;
  text << std::setprecision(17) << value;
  return text.str();
}
template <class Number>
  requires std::is_arithmetic_v<Number> || std::is_enum_v<Number>
std::string text_of(Number value, std::int16_t) {
  return std::to_string(static_cast<std::int64_t>(value));
}
template <Described T>
std::string text_of(const T& object, std::int16_t version);
template <class T>
std::string text_of(const std::vector<T>& values, std::int16_t version);
template <class T>
std::string text_of(const std::optional<T>& value, std::int16_t version) {
  return value ? text_of(*value, version) : "null";
}
template <class T>
std::string text_of(const std::vector<T>& values, std::int16_t version) {
  std::string text;
  for (const auto& value : values) text += (text.empty() ? "" : " ") + text_of(value, version);
  return "[" + text + "]";
}

template <class T>
struct TextVisitor {
  using Object = T;
  const T& object;
  std::int16_t version;
  std::vector<std::string> parts;

  template <class Field>
  void field(const char* name, Field T::* member, Versions versions = kAlways, Versions = kAlways) {
    if (!versions.contains(version)) return;
    parts.push_back(std::string(name) + "=" + text_of(object.*member, version));
  }
  template <class Field>
  void tagged(int, const char* name, Field T::* member, Versions versions = kAlways) {
    field(name, member, versions);
  }
};
template <Described T>
std::string text_of(const T& object, std::int16_t version) {
  TextVisitor<T> visitor{object, version, {}};
  T::visit(visitor);
  std::sort(visitor.parts.begin(), visitor.parts.end());
  std::string text;
  for (const auto& part : visitor.parts) text += (text.empty() ? "" : " ") + part;
  return "{" + text + "}";
}

}  // namespace millrace::kafka_wire
