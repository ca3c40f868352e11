#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/status.h"
#include "kafka_wire/api_table.h"
#include "kafka_wire/wire_bytes.h"
#include "kafka_wire/wire_types.h"

// How messages are described, and the two functions that read and write all of them.
//
// A message is a plain struct. Its static `visit` names the members in the order in which they
// travel, each with the versions that have it; that one description drives decoding, encoding and
// whatever else walks over messages. Types say the rest:
//
//   bool, int8..int64, enums    fixed width, big-endian
//   double                      float64: its bits, big-endian
//   std::string                 string: a length of 16 bits, or compact
//   Blob                        bytes: a length of 32 bits, or compact
//   Uuid, Records
//   std::vector<T>              array
//   std::optional<T>            nullable, in the versions said
//   a struct with `visit`       its fields, then in flexible versions its tagged fields
//
// Members that a version does not have are left out by `encode` (even if they are set) and have
// their default after `decode`.

namespace millrace::kafka_wire {

struct Versions {
  std::int16_t first = 0;
  std::int16_t last = 32767;

  [[nodiscard]] constexpr bool contains(std::int16_t version) const {
    return version >= first && version <= last;
  }
};
inline constexpr Versions kAlways{};
inline constexpr Versions kNever{1, 0};
constexpr Versions since(std::int16_t first) {
  return {first};
}
constexpr Versions until(std::int16_t last) {
  return {0, last};
}
constexpr Versions between(std::int16_t first, std::int16_t last) {
  return {first, last};
}

// Kafka's "bytes" type; a type of its own because its length is written differently from a
// string's.
struct Blob {
  std::string bytes;
  bool operator==(const Blob&) const = default;
};

// A member's name and pointer, within a `visit(auto& v)`.
#define MR_FIELD(name) #name, &std::remove_cvref_t<decltype(v)>::Object::name

struct MessageInfo {
  std::string_view name;  // "Fetch"
  std::string_view kind;  // "request"
  std::int16_t min_version;
  std::int16_t max_version;
  std::int16_t first_flexible;
  std::int16_t api_key = -1;  // -1: embedded in another message
};
consteval MessageInfo request_of(ApiKey key) {
  const ApiInfo api = known_api(key);
  return {api.name,      "request",          api.min_known,
          api.max_known, api.first_flexible, static_cast<std::int16_t>(key)};
}
consteval MessageInfo response_of(ApiKey key) {
  const ApiInfo api = known_api(key);
  return {api.name,      "response",         api.min_known,
          api.max_known, api.first_flexible, static_cast<std::int16_t>(key)};
}

template <class T>
struct FieldCounter {
  using Object = T;
  int tagged_count = 0;

  constexpr void field(auto&&...) {}
  constexpr void tagged(auto&&...) { ++tagged_count; }
};
// A struct with a description.
template <class T>
concept Described = std::is_class_v<T> && requires(FieldCounter<T>& counter) { T::visit(counter); };
// A struct that stands for itself: kInfo says its name and versions.
template <class T>
concept Message = Described<T> && requires {
  { T::kInfo } -> std::convertible_to<MessageInfo>;
};

template <class T>
struct EqualVisitor {
  using Object = T;
  const T& a;
  const T& b;
  bool are_equal = true;

  template <class Field>
  void field(const char*, Field T::* member, Versions = kAlways, Versions = kAlways) {
    are_equal = are_equal && a.*member == b.*member;
  }
  template <class Field>
  void tagged(int, const char* name, Field T::* member, Versions = kAlways) {
    field(name, member);
  }
};
template <Described T>
bool operator==(const T& a, const T& b) {
  EqualVisitor<T> visitor{a, b};
  T::visit(visitor);
  return visitor.are_equal;
}

// Fills `message` from `body`, exactly one (bytes behind a request's are ignored); strings are
// copied, Records are views into it. `unsupported` when the codec lacks the version, `invalid` when
// the bytes are not such a message, with API, version, field and position in it; `message` is then
// unspecified but valid. What it allocates is proportional to the bytes: an array is refused unless
// the bytes left can hold its elements. A reused message keeps its memory.
template <Message M>
Status decode(std::string_view body, std::int16_t version, M& message);

// Appends the body. The codec must have the version, and a count beyond 31 bits must not be in it:
// these are checked. A null that this version cannot say is written as empty; of a string longer
// than 32767 bytes, which only a sentence can be, the first of them are written.
template <Message M>
void encode(const M& message, std::int16_t version, WireBytes& out);

// For small messages that are kept, such as those of the consumer protocol.
template <Message M>
std::string encoded(const M& message, std::int16_t version) {
  WireBytes out;
  encode(message, version, out);
  return out.joined();
}

}  // namespace millrace::kafka_wire
