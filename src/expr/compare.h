#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/decimal.h"
#include "model/value.h"

namespace millrace::expr {

inline bool is_number(ValueKind kind) {
  return kind == ValueKind::int64 || kind == ValueKind::uint64 || kind == ValueKind::float64 ||
         kind == ValueKind::decimal;
}

enum class Order : std::uint8_t {
  less,
  equal,
  greater,
  unordered,     // one is NaN
  incomparable,  // kinds that have no order between them
};

// Numbers across kinds: exact between int, uint and decimal. Against a double, ints are compared as
// doubles (CEL's rule), decimals with the decimal the double was written as or its shortest text.
Order compare(const Value& a, const Value& b);

Order order_of_decimals(const Decimal& a, const Decimal& b);

// CEL's equality. `steps` pays for what large values cost; the result means nothing once it is
// below 0.
bool equal(const Value& a, const Value& b, std::int64_t& steps);

// The value of a map under `key`, or nullptr. Numbers match across kinds.
const Value* find_entry(std::span<const MapEntry> map, const Value& key);
const Value* find_entry(std::span<const MapEntry> map, std::string_view key);

// The decimal a number stands for in decimal arithmetic; nullopt for NaN, infinities and doubles
// beyond 38 digits.
std::optional<Decimal> to_decimal(const Value& number);

}  // namespace millrace::expr
