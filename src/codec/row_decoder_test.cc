#include "codec/row_decoder.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/time_text.h"
#include "codec/json_twin.h"

namespace millrace::codec {
namespace {

Field make_field(std::string name, FieldType type) {
  Field field;
  field.name = std::move(name);
  field.type = type;
  return field;
}

RowLayout make_layout() {
  RowLayout layout;
  layout.fields = {make_field("event_id", FieldType::string),
                   make_field("timestamp", FieldType::timestamp),
                   make_field("ticker", FieldType::string),
                   make_field("price", FieldType::decimal),
                   make_field("volume", FieldType::int64),
                   make_field("is_odd_lot", FieldType::boolean),
                   make_field("tags", FieldType::list),
                   make_field("origin", FieldType::map),
                   make_field("note", FieldType::any),
                   make_field("sector", FieldType::string)};  // computed, not decoded
  layout.fields[3].decimal_precision = 10;
  layout.fields[3].decimal_scale = 4;
  return layout;
}
constexpr std::size_t kDecodedFields = 9;
enum Slot { event_id, timestamp, ticker, price, volume, is_odd_lot, tags, origin, note };

class RowDecoderTest : public testing::Test {
 protected:
  RowDecoder::Outcome decode(std::string_view text) {
    return decoder_.decode(text, text.size(), arena_, row_);
  }
  std::string error_of(std::string_view text) { return std::string(decode(text).status.message()); }
  // Decodes {"name": json} and gives whether it fits.
  bool fits(Slot slot, std::string_view json) {
    const auto text =
        arena_.copy("{\"" + layout_.fields[slot].name + "\":" + std::string(json) + "}");
    const auto outcome = decode(text);
    EXPECT_TRUE(outcome.status.is_ok()) << outcome.status.to_string();
    EXPECT_TRUE(outcome.mismatches == 0 || outcome.mismatches == std::uint64_t{1} << slot);
    EXPECT_TRUE(outcome.mismatches == 0 || row_[slot].is_absent());
    return outcome.mismatches == 0;
  }

  RowLayout layout_ = make_layout();
  RowDecoder decoder_{layout_, kDecodedFields};
  Arena arena_;
  std::vector<Value> row_ = std::vector<Value>(layout_.fields.size(), Value::string("old"));
};

TEST_F(RowDecoderTest, a_tick_fills_its_slots) {
  const std::string text =
      R"({"event_id":"amzn-20120621-00001","timestamp":"2012-06-21T13:30:00.017460Z",)"
      R"("ticker":"AMZN","price":"223.82","volume":1,"source":"lobster"})";
  const auto outcome = decode(text);
  ASSERT_TRUE(outcome.status.is_ok()) << outcome.status.to_string();
  EXPECT_EQ(outcome.mismatches, 0u);
  EXPECT_EQ(outcome.unknown_count, 1u);
  EXPECT_EQ(row_[event_id].as_string(), "amzn-20120621-00001");
  EXPECT_EQ(row_[timestamp].as_micros(), 1'340'285'400'017'460);
  EXPECT_EQ(row_[ticker].as_string(), "AMZN");
  EXPECT_EQ(row_[price].as_decimal(), Decimal(22382, 2));
  EXPECT_EQ(row_[volume].as_int64(), 1);
  EXPECT_TRUE(row_[is_odd_lot].is_absent());
  EXPECT_TRUE(row_[note].is_absent());
  EXPECT_EQ(row_[kDecodedFields].as_string(), "old") << "a computed slot is not touched";
  // A string without escapes is a view into the text.
  EXPECT_GE(row_[ticker].as_string().data(), text.data());
  EXPECT_LT(row_[ticker].as_string().data(), text.data() + text.size());
}

TEST_F(RowDecoderTest, order_white_space_and_escaped_keys_do_not_matter) {
  const auto outcome = decode(
      "\n{ \"volume\" : 7 , \"\\u0074icker\" :\t\"A\\u004dZN\", \"note\":{\"a\":[1,null]}} ");
  ASSERT_TRUE(outcome.status.is_ok()) << outcome.status.to_string();
  EXPECT_EQ(row_[volume].as_int64(), 7);
  EXPECT_EQ(row_[ticker].as_string(), "AMZN");
  EXPECT_EQ(row_[note].as_map()[0].value.as_list().size(), 2u);
  EXPECT_TRUE(decode("{}").status.is_ok());
  EXPECT_TRUE(row_[volume].is_absent());
}

TEST_F(RowDecoderTest, integers_are_whole_and_64_bits) {
  EXPECT_TRUE(fits(volume, "-9223372036854775808"));
  EXPECT_TRUE(fits(volume, "1.0"));
  EXPECT_EQ(row_[volume].kind(), ValueKind::int64);
  EXPECT_TRUE(fits(volume, "1e3"));
  EXPECT_EQ(row_[volume].as_int64(), 1000);
  EXPECT_FALSE(fits(volume, "9223372036854775808"));
  EXPECT_FALSE(fits(volume, "1.5"));
  EXPECT_FALSE(fits(volume, "\"1\""));
  EXPECT_FALSE(fits(volume, "true"));
}

TEST_F(RowDecoderTest, decimals_stay_within_precision_and_scale) {
  EXPECT_TRUE(fits(price, "999999.9999"));
  EXPECT_TRUE(fits(price, "-999999"));
  EXPECT_TRUE(fits(price, "\"1.50\""));
  EXPECT_EQ(row_[price].as_decimal().scale(), 2);
  EXPECT_TRUE(fits(price, "\"1.500000\""));
  EXPECT_EQ(row_[price].as_decimal().scale(), 4);
  EXPECT_EQ(row_[price].as_decimal(), Decimal(15, 1));
  EXPECT_FALSE(fits(price, "1000000"));
  EXPECT_FALSE(fits(price, "-1000000.0"));
  EXPECT_FALSE(fits(price, "0.00001"));
  EXPECT_FALSE(fits(price, "\"12x\""));
  EXPECT_FALSE(fits(price, "\"123456789012345678901234567890123456789\""));
  EXPECT_FALSE(fits(price, "[]"));
}

TEST_F(RowDecoderTest, a_field_says_whether_decimals_are_text_or_numbers) {
  layout_.fields[price].is_text_allowed = false;
  RowDecoder numbers(layout_, kDecodedFields);
  EXPECT_EQ(numbers.decode("{\"price\":\"1\"}", 13, arena_, row_).mismatches, 1u << price);
  EXPECT_EQ(numbers.decode("{\"price\":1}", 11, arena_, row_).mismatches, 0u);
  layout_.fields[price].is_text_allowed = true;
  layout_.fields[price].is_number_allowed = false;
  RowDecoder texts(layout_, kDecodedFields);
  EXPECT_EQ(texts.decode("{\"price\":\"1\"}", 13, arena_, row_).mismatches, 0u);
  EXPECT_EQ(texts.decode("{\"price\":1}", 11, arena_, row_).mismatches, 1u << price);
  EXPECT_EQ(texts.decode("{\"price\":1.5}", 13, arena_, row_).mismatches, 1u << price);
}

TEST_F(RowDecoderTest, other_types_are_taken_as_they_are_or_not_at_all) {
  EXPECT_TRUE(fits(is_odd_lot, "false"));
  EXPECT_FALSE(fits(is_odd_lot, "0"));
  EXPECT_TRUE(fits(tags, "[1,\"a\"]"));
  EXPECT_FALSE(fits(tags, "{}"));
  EXPECT_TRUE(fits(origin, "{\"a\":1}"));
  EXPECT_FALSE(fits(origin, "[]"));
  EXPECT_FALSE(fits(ticker, "1"));
  EXPECT_TRUE(fits(timestamp, "\"2012-06-21T13:30:00+02:00\""));
  EXPECT_EQ(row_[timestamp].seconds(), 1'340'278'200);
  EXPECT_FALSE(fits(timestamp, "\"yesterday\""));
  EXPECT_FALSE(fits(timestamp, "1340285400"));
  for (const auto json : {"1", "1.5", "\"a\"", "true", "[]", "{}"}) EXPECT_TRUE(fits(note, json));
}

TEST_F(RowDecoderTest, null_is_null_in_every_field) {
  for (const Slot slot :
       {event_id, timestamp, ticker, price, volume, is_odd_lot, tags, origin, note}) {
    EXPECT_TRUE(fits(slot, "null"));
    EXPECT_TRUE(row_[slot].is_null());
  }
}

TEST_F(RowDecoderTest, every_mismatch_of_a_record_is_reported) {
  const auto outcome = decode(R"({"event_id":1,"timestamp":"x","ticker":"ok","price":true})");
  ASSERT_TRUE(outcome.status.is_ok());
  EXPECT_EQ(outcome.mismatches, (1u << event_id) | (1u << timestamp) | (1u << price));
  EXPECT_EQ(row_[ticker].as_string(), "ok");
}

TEST_F(RowDecoderTest, unreadable_texts_name_the_byte) {
  EXPECT_EQ(error_of(""), "byte 0: a value is expected");
  EXPECT_EQ(error_of("[]"), "byte 0: an object is expected");
  EXPECT_EQ(error_of("{\"volume\":1"), "byte 11: ',' or '}' is expected");
  EXPECT_EQ(error_of("{\"volume\":1,}"), "byte 12: a key in quotes is expected");
  EXPECT_EQ(error_of("{\"volume\";1}"), "byte 9: ':' is expected");
  EXPECT_EQ(error_of("{\"volume\":1}{"), "byte 12: nothing may follow the document");
  EXPECT_EQ(error_of("{\"x\":[01]}"), "byte 6: a number must not begin with 0");
  EXPECT_EQ(error_of("{\"x\":\"\xff\"}"), "byte 6: this is not UTF-8");
  EXPECT_EQ(error_of("{}"), "") << "and the decoder goes on";
}

TEST_F(RowDecoderTest, duplicate_keys_are_refused) {
  EXPECT_EQ(error_of("{\"volume\":1,\"volume\":2}"),
            "byte 0: the object has the key \"volume\" twice");
  EXPECT_EQ(error_of("{\"volume\":1,\"v\\u006flume\":2}"),
            "byte 0: the object has the key \"volume\" twice");
  EXPECT_EQ(error_of(" {\"x\":1,\"volume\":1,\"x\":2}"),
            "byte 1: the object has the key \"x\" twice");
  EXPECT_EQ(error_of("{\"x\":{\"a\":1,\"a\":2}}"), "byte 5: the object has the key \"a\" twice");
  std::string many = "{";
  for (int i = 0; i < 1000; ++i) many += "\"k" + std::to_string(i) + "\":1,";
  EXPECT_EQ(error_of(many + "\"z\":1}"), "");
  EXPECT_EQ(error_of(many + "\"k500\":1}"), "byte 0: the object has the key \"k500\" twice");
}

TEST_F(RowDecoderTest, depth_counts_the_object_itself) {
  const auto nested = [](std::size_t depth) {
    return "{\"x\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_EQ(error_of(nested(63)), "");
  EXPECT_EQ(error_of(nested(64)), "byte 68: nested deeper than 64");
}

TEST(RowDecoder, sixty_four_fields_with_colliding_names_are_told_apart) {
  RowLayout layout;
  // Same length, same first and last character.
  for (int i = 0; i < 64; ++i) {
    layout.fields.push_back(make_field("f" + std::to_string(100 + i) + "x", FieldType::int64));
  }
  RowDecoder decoder(layout, 64);
  std::string text = "{";
  for (int i = 63; i >= 0; --i) {
    text += "\"" + layout.fields[static_cast<std::size_t>(i)].name + "\":" + std::to_string(i) +
            (i > 0 ? "," : "}");
  }
  Arena arena;
  std::vector<Value> row(64);
  const auto outcome = decoder.decode(text, text.size(), arena, row);
  ASSERT_TRUE(outcome.status.is_ok());
  for (int i = 0; i < 64; ++i) EXPECT_EQ(row[static_cast<std::size_t>(i)].as_int64(), i);
}

// The plain way: the document parsed by the slow twin, then one field after the other.
struct PlainRow {
  std::vector<Value> slots;
  std::uint64_t mismatches = 0;
  std::uint64_t unknown_count = 0;
};

bool is_within(const Field& field, const Decimal& number) {
  const auto short_form = number.normalized();
  if (short_form.scale() > field.decimal_scale) return false;
  auto digits = Decimal(short_form.unscaled(), 0).to_string();
  if (digits.starts_with('-')) digits.erase(0, 1);
  return short_form.is_zero() || static_cast<int>(digits.size()) - short_form.scale() <=
                                     field.decimal_precision - field.decimal_scale;
}

std::optional<Value> convert(const Field& field, const Value& value) {
  const auto if_kind = [&](ValueKind kind) {
    return value.kind() == kind ? std::optional<Value>(value) : std::nullopt;
  };
  if (value.is_null()) return value;
  switch (field.type) {
    case FieldType::boolean:
      return if_kind(ValueKind::boolean);
    case FieldType::string:
      return if_kind(ValueKind::string);
    case FieldType::list:
      return if_kind(ValueKind::list);
    case FieldType::map:
      return if_kind(ValueKind::map);
    case FieldType::any:
      return value;
    case FieldType::int64: {
      if (value.kind() != ValueKind::decimal) return if_kind(ValueKind::int64);
      const auto whole = value.as_decimal().to_int();
      return whole ? std::optional<Value>(Value::int64(*whole)) : std::nullopt;
    }
    case FieldType::timestamp: {
      if (value.kind() != ValueKind::string) return std::nullopt;
      const auto instant = parse_instant(value.as_string());
      if (!instant) return std::nullopt;
      return Value::timestamp(instant->seconds, instant->nanos);
    }
    case FieldType::decimal: {
      std::optional<Decimal> number;
      if (value.kind() == ValueKind::int64) number = Decimal::from_int(value.as_int64());
      if (value.kind() == ValueKind::decimal) number = value.as_decimal();
      if (value.kind() == ValueKind::string) number = Decimal::parse(value.as_string());
      if (!number || !is_within(field, *number)) return std::nullopt;
      if (number->scale() > field.decimal_scale) {
        number = number->round_half_even(field.decimal_scale);
      }
      return Value::decimal(*number);
    }
  }
  return std::nullopt;
}

std::optional<PlainRow> decode_plainly(std::string_view text, const RowLayout& layout,
                                       Arena& arena) {
  const auto document = JsonTwin::parse(text, arena);
  if (!document || document->kind() != ValueKind::map) return std::nullopt;
  PlainRow row;
  row.slots.resize(layout.fields.size());
  for (const auto& [key, value] : document->as_map()) {
    const auto index = layout.find(key.as_string());
    if (!index || *index >= kDecodedFields) {
      ++row.unknown_count;
      continue;
    }
    const auto slot = convert(layout.fields[*index], value);
    if (slot) row.slots[*index] = *slot;
    if (!slot) row.mismatches |= std::uint64_t{1} << *index;
  }
  return row;
}

TEST(RowDecoder, agrees_with_its_slow_twin_on_random_documents) {
  constexpr std::uint64_t kSeed = 142;
  SCOPED_TRACE(kSeed);
  const auto layout = make_layout();
  std::vector<std::string> keys;
  for (const auto& field : layout.fields) keys.push_back(field.name);
  JsonGenerator generator(kSeed);
  RowDecoder decoder(layout, kDecodedFields);
  std::vector<Value> row(layout.fields.size());
  int accepted = 0;
  int fitting_slots = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto text = generator.object(keys);
    if (generator.one_in(2)) generator.break_it(text);
    // Exactly as many bytes as there are, so that reading beyond them is seen by the sanitizer.
    const std::vector<char> exact(text.begin(), text.end());
    Arena arena;
    const auto outcome = decoder.decode({exact.data(), exact.size()}, exact.size(), arena, row);
    const auto plain = decode_plainly(text, layout, arena);
    ASSERT_EQ(outcome.status.is_ok(), plain.has_value()) << text << "\n"
                                                         << outcome.status.to_string();
    if (!plain) continue;
    ++accepted;
    ASSERT_EQ(outcome.mismatches, plain->mismatches) << text;
    ASSERT_EQ(outcome.unknown_count, plain->unknown_count) << text;
    for (std::size_t i = 0; i < kDecodedFields; ++i) {
      ASSERT_TRUE(are_equal(row[i], plain->slots[i])) << text << " field " << i;
      fitting_slots += row[i].is_absent() ? 0 : 1;
    }
  }
  EXPECT_GT(accepted, 2'000);
  EXPECT_GT(fitting_slots, 3'000);
}

}  // namespace
}  // namespace millrace::codec
