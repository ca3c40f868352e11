#include "codec/row_decoder.h"

#include <array>

#include "base/check.h"
#include "base/time_text.h"
#include "codec/json_reader.h"

namespace millrace::codec {
namespace {

constexpr std::size_t kFieldsMax = 64;
constexpr std::size_t kBuckets = 256;
constexpr std::uint8_t kNoField = 0xff;
static_assert(kFieldsMax < kNoField);

// What a decoded field is checked against.
struct FieldPlan {
  std::string_view name;  // in the layout
  FieldType type = FieldType::any;
  int precision = 0;
  int scale = 0;
  bool is_text_allowed = true;
  bool is_number_allowed = true;
  std::uint8_t next_in_bucket = kNoField;
};

// Field names differ in length, first or last character almost always; the rest is compared anyway.
std::size_t bucket_of(std::string_view name) {
  if (name.empty()) return 0;
  const auto first = static_cast<unsigned char>(name.front());
  const auto last = static_cast<unsigned char>(name.back());
  return (name.size() * 31 + first * 7u + last) % kBuckets;
}

// Exactly `precision` digits, `scale` of them behind the point, hold the number. A number written
// with more digits behind the point than that fits if they are zeros, and loses them.
bool fit_decimal(const FieldPlan& field, Decimal decimal, Value& slot) {
  if (decimal.scale() > field.scale) [[unlikely]] {
    const auto rounded = decimal.round_half_even(field.scale);
    if (!rounded || *rounded != decimal) return false;
    decimal = *rounded;
  }
  const int digits = field.precision - field.scale + decimal.scale();
  const auto limit = power_of_ten(digits < 0 ? 0 : digits);
  if (decimal.unscaled() >= limit || decimal.unscaled() <= -limit) return false;
  slot = Value::decimal(decimal);
  return true;
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

// Puts a JSON value into a field's slot; false when its type or range is not the field's.
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

}  // namespace

struct RowDecoder::Impl {
  std::uint8_t find(std::string_view key, std::size_t expected) const;
  bool decode(std::string_view text, Arena& arena, std::span<Value> row, Outcome& outcome);
  bool read_member(std::span<Value> row, Outcome& outcome);

  std::vector<FieldPlan> fields;
  std::array<std::uint8_t, kBuckets> buckets;  // the first field of each
  JsonReader reader;

  // Of the object being decoded.
  const char* object = nullptr;
  std::uint64_t seen = 0;    // bit i: field i has been there
  std::size_t expected = 0;  // the field after the last one; members mostly come in layout order
  std::vector<std::string_view> unknown_keys;
};

std::uint8_t RowDecoder::Impl::find(std::string_view key, std::size_t expected_field) const {
  if (expected_field < fields.size() && fields[expected_field].name == key) [[likely]] {
    return static_cast<std::uint8_t>(expected_field);
  }
  std::uint8_t index = buckets[bucket_of(key)];
  while (index != kNoField && fields[index].name != key) index = fields[index].next_in_bucket;
  return index;
}

// Key, colon and value; the current token is the key's.
inline bool RowDecoder::Impl::read_member(std::span<Value> row, Outcome& outcome) {
  if (reader.token() != '"') return reader.fail("a key in quotes is expected");
  std::string_view key;
  if (!reader.read_string(key)) return false;
  if (reader.token() != ':') return reader.fail("':' is expected");
  reader.advance();
  Value value;
  if (!reader.read_value(value, 1)) return false;
  const std::uint8_t index = find(key, expected);
  if (index == kNoField) {
    unknown_keys.push_back(key);
    return true;
  }
  const std::uint64_t bit = std::uint64_t{1} << index;
  if ((seen & bit) != 0) return reader.fail_duplicate(object, key);
  seen |= bit;
  expected = index + 1u;
  if (!fit(fields[index], value, row[index])) {
    row[index] = Value();
    outcome.mismatches |= bit;
  }
  return true;
}

bool RowDecoder::Impl::decode(std::string_view text, Arena& arena, std::span<Value> row,
                              Outcome& outcome) {
  seen = 0;
  expected = 0;
  unknown_keys.clear();
  if (!reader.open(text, arena)) return false;
  if (reader.token() != '{') return reader.fail("an object is expected");
  object = reader.position();
  reader.advance();
  bool is_open = reader.token() != '}';
  if (!is_open) reader.advance();
  while (is_open) {
    if (!read_member(row, outcome)) return false;
    const char separator = reader.token();
    if (separator != ',' && separator != '}') return reader.fail("',' or '}' is expected");
    reader.advance();
    is_open = separator == ',';
  }
  if (!reader.read_end()) return false;
  outcome.unknown_count = unknown_keys.size();
  if (const auto* key = find_duplicate(unknown_keys)) return reader.fail_duplicate(object, *key);
  return true;
}

RowDecoder::RowDecoder(const RowLayout& layout, std::size_t field_count)
    : impl_(std::make_unique<Impl>()) {
  MR_CHECK(field_count <= layout.fields.size());
  MR_CHECK(field_count <= kFieldsMax);
  impl_->buckets.fill(kNoField);
  for (std::size_t i = 0; i < field_count; ++i) {
    const Field& field = layout.fields[i];
    MR_CHECK(impl_->find(field.name, kFieldsMax) == kNoField);  // names are unique
    auto& bucket = impl_->buckets[bucket_of(field.name)];
    impl_->fields.push_back({field.name, field.type, field.decimal_precision, field.decimal_scale,
                             field.is_text_allowed, field.is_number_allowed, bucket});
    bucket = static_cast<std::uint8_t>(i);
  }
}

RowDecoder::~RowDecoder() = default;

RowDecoder::Outcome RowDecoder::decode(std::string_view text, std::size_t readable_bytes,
                                       Arena& arena, std::span<Value> row) {
  MR_CHECK(readable_bytes >= text.size());
  MR_CHECK(row.size() >= impl_->fields.size());
  std::fill_n(row.begin(), impl_->fields.size(), Value());
  Outcome outcome;
  if (!impl_->decode(text, arena, row, outcome)) outcome.status = impl_->reader.status();
  return outcome;
}

}  // namespace millrace::codec
