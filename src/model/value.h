#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/decimal.h"

namespace millrace {

enum class ValueKind : std::uint8_t {
  absent,  // the field does not exist (differs from null)
  null,
  boolean,
  int64,
  uint64,
  float64,  // only CEL's double type; never produced by decoding JSON
  decimal,  // every JSON number with a fraction or an exponent, and strings a schema calls decimal
  string,
  bytes,
  timestamp,  // seconds + nanoseconds since 1970 UTC
  duration,   // seconds + nanoseconds, same sign
  list,
  map,
  type,   // CEL's type values
  error,  // an evaluation error travelling through an expression; its message
};

struct MapEntry;

// A dynamically typed value: 24 bytes, trivially copyable. Strings, lists and maps are views into
// an Arena or into the record's bytes; a Value never owns anything and must not outlive what it
// views.
class Value {
 public:
  constexpr Value() = default;  // absent

  static Value null() { return Value(ValueKind::null); }
  static Value boolean(bool v) { return word(ValueKind::boolean, v ? 1 : 0); }
  static Value int64(std::int64_t v) {
    return word(ValueKind::int64, static_cast<std::uint64_t>(v));
  }
  static Value uint64(std::uint64_t v) { return word(ValueKind::uint64, v); }
  static Value float64(double v) {
    return word(ValueKind::float64, __builtin_bit_cast(std::uint64_t, v));
  }
  // A double that also knows the decimal it was written as (`0.01` in an expression), so that it
  // can meet decimals exactly: unscaled / 10^scale. Elsewhere it is a float64 like any other.
  static Value float64_written(double v, std::int64_t unscaled, int scale) {
    Value out = float64(v);
    out.scale_ = static_cast<std::uint8_t>(scale + 1);
    out.high_ = static_cast<std::uint64_t>(unscaled);
    return out;
  }
  static Value decimal(const Decimal& v) {
    Value out(ValueKind::decimal);
    out.scale_ = static_cast<std::uint8_t>(v.scale());
    out.low_ = static_cast<std::uint64_t>(v.unscaled());
    out.high_ = static_cast<std::uint64_t>(v.unscaled() >> 64);
    return out;
  }
  static Value string(std::string_view v) { return view(ValueKind::string, v.data(), v.size()); }
  static Value bytes(std::string_view v) { return view(ValueKind::bytes, v.data(), v.size()); }
  static Value timestamp(std::int64_t seconds, std::int32_t nanos) {
    return time(ValueKind::timestamp, seconds, nanos);
  }
  static Value timestamp_micros(std::int64_t micros);
  static Value duration(std::int64_t seconds, std::int32_t nanos) {
    return time(ValueKind::duration, seconds, nanos);
  }
  static Value list(std::span<const Value> v) { return view(ValueKind::list, v.data(), v.size()); }
  // Entries in insertion order, keys unique.
  static Value map(std::span<const MapEntry> v);
  static Value type(std::string_view name) {
    return view(ValueKind::type, name.data(), name.size());
  }
  static Value error(std::string_view message) {
    return view(ValueKind::error, message.data(), message.size());
  }

  [[nodiscard]] ValueKind kind() const { return kind_; }
  [[nodiscard]] bool is_absent() const { return kind_ == ValueKind::absent; }
  [[nodiscard]] bool is_null() const { return kind_ == ValueKind::null; }
  [[nodiscard]] bool is_error() const { return kind_ == ValueKind::error; }

  // Each accessor requires the matching kind.
  [[nodiscard]] bool as_boolean() const { return low_ != 0; }
  [[nodiscard]] std::int64_t as_int64() const { return static_cast<std::int64_t>(low_); }
  [[nodiscard]] std::uint64_t as_uint64() const { return low_; }
  [[nodiscard]] double as_float64() const { return __builtin_bit_cast(double, low_); }
  // float64 only: whether it knows the decimal it was written as, and that decimal.
  [[nodiscard]] bool has_written_decimal() const { return scale_ != 0; }
  [[nodiscard]] Decimal written_decimal() const {
    return {static_cast<std::int64_t>(high_), scale_ - 1};
  }
  [[nodiscard]] Decimal as_decimal() const {
    return {static_cast<__int128>((static_cast<unsigned __int128>(high_) << 64) | low_), scale_};
  }
  // string, bytes, type and error.
  [[nodiscard]] std::string_view as_string() const {
    return {reinterpret_cast<const char*>(low_), high_};
  }
  // timestamp and duration.
  [[nodiscard]] std::int64_t seconds() const { return static_cast<std::int64_t>(low_); }
  [[nodiscard]] std::int32_t nanos() const { return static_cast<std::int32_t>(high_); }
  // Timestamp as event time; nanoseconds are cut (floor).
  [[nodiscard]] std::int64_t as_micros() const { return seconds() * 1'000'000 + nanos() / 1000; }
  [[nodiscard]] std::span<const Value> as_list() const {
    return {reinterpret_cast<const Value*>(low_), high_};
  }
  [[nodiscard]] std::span<const MapEntry> as_map() const;

 private:
  constexpr explicit Value(ValueKind kind) : kind_(kind) {}
  static Value word(ValueKind kind, std::uint64_t low) {
    Value out(kind);
    out.low_ = low;
    return out;
  }
  static Value view(ValueKind kind, const void* data, std::size_t size) {
    Value out(kind);
    out.low_ = reinterpret_cast<std::uint64_t>(data);
    out.high_ = size;
    return out;
  }
  static Value time(ValueKind kind, std::int64_t seconds, std::int32_t nanos) {
    Value out(kind);
    out.low_ = static_cast<std::uint64_t>(seconds);
    out.high_ = static_cast<std::uint64_t>(nanos);
    return out;
  }

  ValueKind kind_ = ValueKind::absent;
  std::uint8_t scale_ = 0;
  std::uint64_t low_ = 0;
  std::uint64_t high_ = 0;
};

struct MapEntry {
  Value key;  // string, boolean, int64 or uint64
  Value value;
};

inline Value Value::timestamp_micros(std::int64_t micros) {
  std::int64_t seconds = micros / 1'000'000;
  std::int64_t rest = micros % 1'000'000;
  if (rest < 0) {
    --seconds;
    rest += 1'000'000;
  }
  return timestamp(seconds, static_cast<std::int32_t>(rest * 1000));
}

inline Value Value::map(std::span<const MapEntry> v) {
  return view(ValueKind::map, v.data(), v.size());
}

inline std::span<const MapEntry> Value::as_map() const {
  return {reinterpret_cast<const MapEntry*>(low_), high_};
}

static_assert(sizeof(Value) == 24);

}  // namespace millrace
