#include "codec/row_field.h"

#include <limits>

#include "base/check.h"
#include "base/time_text.h"

namespace millrace::codec {
namespace {

__int128 limit_at(const FieldPlan& field, int scale) {
  const int digits = field.precision - field.scale + scale;
  return power_of_ten(digits < 0 ? 0 : digits);
}

bool fit_decimal(const FieldPlan& field, const Value& value, Value& slot) {
  if (value.kind() == ValueKind::string) {
    if (!field.is_text_allowed) return false;
    const auto parsed = Decimal::parse(value.as_string());
    return parsed && fit_decimal(field, *parsed, slot);
  }
  if (!field.is_number_allowed) return false;
  if (value.kind() == ValueKind::int64) {
    return fit_decimal(field, Decimal::from_int(value.as_int64()), slot);
  }
  return value.kind() == ValueKind::decimal && fit_decimal(field, value.as_decimal(), slot);
}

bool fit_int64(const Value& value, Value& slot) {
  if (value.kind() == ValueKind::decimal) {
    const auto whole = value.as_decimal().to_int();
    if (whole) slot = Value::int64(*whole);
    return whole.has_value();
  }
  slot = value;
  return value.kind() == ValueKind::int64;
}

bool fit_timestamp(const Value& value, Value& slot) {
  if (value.kind() != ValueKind::string) return false;
  const auto instant = parse_instant(value.as_string());
  if (!instant) return false;
  slot = Value::timestamp(instant->seconds, instant->nanos);
  return true;
}

bool fit_kind(const Value& value, ValueKind kind, Value& slot) {
  slot = value;
  return value.kind() == kind;
}

}  // namespace

FieldPlan::FieldPlan(const Field& field)
    : name(field.name),
      type(field.type),
      precision(field.decimal_precision),
      scale(field.decimal_scale),
      is_text_allowed(field.is_text_allowed),
      is_number_allowed(field.is_number_allowed) {
  constexpr auto kLargest = std::numeric_limits<std::int64_t>::max();
  for (int s = 0; s <= kShortScaleMax && s <= scale; ++s) {
    const auto limit = limit_at(*this, s);
    short_limits[static_cast<std::size_t>(s)] =
        limit > kLargest ? kLargest : static_cast<std::int64_t>(limit);
  }
}

// Exactly `precision` digits, `scale` of them behind the point, hold the number.
bool fit_decimal(const FieldPlan& field, Decimal decimal, Value& slot) {
  if (decimal.scale() > field.scale) [[unlikely]] {
    const auto rounded = decimal.round_half_even(field.scale);
    if (!rounded || *rounded != decimal) return false;
    decimal = *rounded;
  }
  const auto limit = limit_at(field, decimal.scale());
  if (decimal.unscaled() >= limit || decimal.unscaled() <= -limit) return false;
  slot = Value::decimal(decimal);
  return true;
}

bool fit(const FieldPlan& field, const Value& value, Value& slot) {
  if (value.is_null()) {
    slot = value;
    return true;
  }
  switch (field.type) {
    case FieldType::boolean:
      return fit_kind(value, ValueKind::boolean, slot);
    case FieldType::int64:
      return fit_int64(value, slot);
    case FieldType::decimal:
      return fit_decimal(field, value, slot);
    case FieldType::string:
      return fit_kind(value, ValueKind::string, slot);
    case FieldType::timestamp:
      return fit_timestamp(value, slot);
    case FieldType::list:
      return fit_kind(value, ValueKind::list, slot);
    case FieldType::map:
      return fit_kind(value, ValueKind::map, slot);
    case FieldType::any:
      slot = value;
      return true;
  }
  MR_CHECK(false);
}

}  // namespace millrace::codec
