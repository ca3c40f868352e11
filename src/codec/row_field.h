#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "model/row.h"

// Private to row_decoder.cc and row_shape.cc.

namespace millrace::codec {

inline constexpr std::size_t kRowFieldsMax = 64;  // bits of RowDecoder's mismatches
inline constexpr std::uint8_t kNoField = 0xff;
static_assert(kRowFieldsMax < kNoField);

// What a decoded field is checked against.
struct FieldPlan {
  // Digits of a decimal that surely fit in an int64.
  static constexpr int kShortScaleMax = 18;

  explicit FieldPlan(const Field& field);

  std::string_view name;  // in the layout
  FieldType type = FieldType::any;
  int precision = 0;
  int scale = 0;
  bool is_text_allowed = true;
  bool is_number_allowed = true;
  std::uint8_t next_in_bucket = kNoField;
  // [s]: a decimal with s digits after its point is below this in units of 10^-s; INT64_MAX where
  // that is more.
  std::array<std::int64_t, kShortScaleMax + 1> short_limits{};
};

// Puts a decimal into a field's slot; false when it does not fit. A number written with more digits
// behind the point than the field has fits if they are zeros, and loses them.
bool fit_decimal(const FieldPlan& field, Decimal decimal, Value& slot);

// The same for unscaled / 10^scale with |unscaled| < 10^18 and scale <= kShortScaleMax.
inline bool fit_short_decimal(const FieldPlan& field, std::int64_t unscaled, int scale,
                              Value& slot) {
  if (scale > field.scale) [[unlikely]]
    return fit_decimal(field, Decimal(unscaled, scale), slot);
  const auto limit = field.short_limits[static_cast<std::size_t>(scale)];
  if (unscaled >= limit || unscaled <= -limit) return false;
  slot = Value::decimal(Decimal(unscaled, scale));
  return true;
}

// Puts a JSON value into a field's slot; false when its type or range is not the field's.
bool fit(const FieldPlan& field, const Value& value, Value& slot);

}  // namespace millrace::codec
