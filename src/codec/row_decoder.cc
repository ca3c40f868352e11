#include "codec/row_decoder.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "codec/json_reader.h"
#include "codec/row_field.h"
#include "codec/row_shape.h"

namespace millrace::codec {
namespace {

constexpr std::size_t kBuckets = 256;
// A topic has few kinds of events: as many shapes are kept.
constexpr std::size_t kShapesMax = 4;
// So many texts in a row without any of the shapes make room for another one, so that a broken text
// now and then replaces nothing.
constexpr int kMissesPerReplacement = 16;

// Field names differ in length, first or last character almost always; the rest is compared anyway.
std::size_t bucket_of(std::string_view name) {
  if (name.empty()) return 0;
  const auto first = static_cast<unsigned char>(name.front());
  const auto last = static_cast<unsigned char>(name.back());
  return (name.size() * 31 + first * 7u + last) % kBuckets;
}

}  // namespace

struct RowDecoder::Impl {
  std::uint8_t find(std::string_view key, std::size_t expected) const;
  bool decode(std::string_view text, Arena& arena, std::span<Value> row, Outcome& outcome);
  bool read_member(std::span<Value> row, Outcome& outcome);
  bool decode_by_shape(std::string_view text, std::span<Value> row);
  void learn_shape(std::string_view text);

  std::vector<FieldPlan> fields;
  std::array<std::uint8_t, kBuckets> buckets;  // the first field of each
  JsonReader reader;
  std::array<RowShape, kShapesMax> shapes;
  std::array<std::uint8_t, kShapesMax> shape_order{0, 1, 2, 3};  // the last used one first
  std::size_t shape_count = 0;
  int misses = 0;  // since a text had one of the shapes

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

// Whether the text has one of the shapes.
bool RowDecoder::Impl::decode_by_shape(std::string_view text, std::span<Value> row) {
  for (std::size_t i = 0; i < shape_count; ++i) {
    const auto match = shapes[shape_order[i]].decode(text, fields, row.data());
    if (match == RowShape::Match::decoded) {
      misses = 0;
      if (i > 0) std::rotate(&shape_order[0], &shape_order[i], &shape_order[i] + 1);
      return true;
    }
    std::fill_n(row.begin(), fields.size(), Value());
    // The shape is known; there is only no fast way for what is in it.
    if (match == RowShape::Match::other_value) return false;
  }
  ++misses;
  return false;
}

void RowDecoder::Impl::learn_shape(std::string_view text) {
  const bool is_full = shape_count == kShapesMax;
  if (is_full && misses < kMissesPerReplacement) return;
  if (!is_full) ++shape_count;
  misses = 0;
  std::rotate(&shape_order[0], &shape_order[shape_count - 1], &shape_order[shape_count - 1] + 1);
  shapes[shape_order[0]].learn(text, fields,
                               [this](std::string_view name) { return find(name, kRowFieldsMax); });
}

RowDecoder::RowDecoder(const RowLayout& layout, std::size_t field_count)
    : impl_(std::make_unique<Impl>()) {
  MR_CHECK(field_count <= layout.fields.size());
  MR_CHECK(field_count <= kRowFieldsMax);
  impl_->buckets.fill(kNoField);
  for (std::size_t i = 0; i < field_count; ++i) {
    const Field& field = layout.fields[i];
    MR_CHECK(impl_->find(field.name, kRowFieldsMax) == kNoField);  // names are unique
    auto& bucket = impl_->buckets[bucket_of(field.name)];
    impl_->fields.emplace_back(field).next_in_bucket = bucket;
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
  const bool is_padded = readable_bytes - text.size() >= RowShape::kPaddingBytes;
  if (is_padded && impl_->decode_by_shape(text, row)) return outcome;
  if (!impl_->decode(text, arena, row, outcome)) {
    outcome.status = impl_->reader.status();
  } else if (is_padded && impl_->misses > 0 && outcome.mismatches == 0 &&
             outcome.unknown_count == 0) {
    impl_->learn_shape(text);
  }
  return outcome;
}

}  // namespace millrace::codec
