#include "codec/row_shape.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/arena.h"
#include "base/random.h"
#include "codec/json_twin.h"
#include "codec/row_decoder.h"

namespace millrace::codec {
namespace {

RowLayout make_layout() {
  RowLayout layout;
  for (const auto& [name, type] :
       {std::pair{"event_id", FieldType::string}, std::pair{"at", FieldType::timestamp},
        std::pair{"price", FieldType::decimal}, std::pair{"amount", FieldType::decimal},
        std::pair{"volume", FieldType::int64}, std::pair{"is_odd", FieldType::boolean},
        std::pair{"note", FieldType::any}, std::pair{"tags", FieldType::list}}) {
    Field field;
    field.name = name;
    field.type = type;
    layout.fields.push_back(field);
  }
  layout.fields[2].decimal_precision = 10;
  layout.fields[3].decimal_scale = 30;
  return layout;
}

// A text with what a padded parser may read behind it, and not a byte more.
class PaddedText {
 public:
  explicit PaddedText(std::string_view text)
      : bytes_(std::make_unique<char[]>(text.size() + RowShape::kPaddingBytes)),
        text_bytes_(text.size()) {
    std::copy(text.begin(), text.end(), bytes_.get());
    // What must not be taken for a part of the text.
    for (std::size_t i = 0; i < RowShape::kPaddingBytes; ++i) {
      bytes_[text.size() + i] = "1\"}"[i % 3];
    }
  }
  [[nodiscard]] std::string_view text() const { return {bytes_.get(), text_bytes_}; }
  [[nodiscard]] std::size_t readable_bytes() const { return text_bytes_ + RowShape::kPaddingBytes; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t text_bytes_;
};

class RowShapeTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!RowShape::is_supported()) GTEST_SKIP() << "this build has no fast way";
    for (const auto& field : layout_.fields) fields_.emplace_back(field);
  }
  void learn(std::string_view text) {
    shape_.learn(text, fields_, [this](std::string_view name) {
      const auto slot = layout_.find(name);
      return slot ? static_cast<std::uint8_t>(*slot) : kNoField;
    });
  }
  RowShape::Match decode(std::string_view text) {
    texts_.push_back(std::make_unique<PaddedText>(text));
    return shape_.decode(texts_.back()->text(), fields_, row_.data());
  }

  RowLayout layout_ = make_layout();
  std::vector<FieldPlan> fields_;
  std::vector<Value> row_ = std::vector<Value>(layout_.fields.size());
  RowShape shape_;
  std::vector<std::unique_ptr<PaddedText>> texts_;
};

TEST_F(RowShapeTest, a_text_that_differs_in_values_only_is_decoded) {
  learn(R"({"event_id":"a","at":"2012-06-21T13:30:00Z", "price":"1.5","amount":2,"volume":3,)"
        R"("is_odd":true,"note":null})");
  ASSERT_TRUE(shape_.is_learned());
  EXPECT_EQ(decode(R"({"event_id":"an id that is longer than any one block of 32 bytes","at":)"
                   R"("2013-01-02T03:04:05.6Z", "price":"-223.82","amount":0.25,"volume":-7,)"
                   R"("is_odd":false,"note":null})"),
            RowShape::Match::decoded);
  EXPECT_EQ(row_[0].as_string(), "an id that is longer than any one block of 32 bytes");
  EXPECT_EQ(row_[1].as_micros(), 1'357'095'845'600'000);
  EXPECT_EQ(row_[2].as_decimal(), Decimal(-22'382, 2));
  EXPECT_EQ(row_[3].as_decimal(), Decimal(25, 2));
  EXPECT_EQ(row_[4].as_int64(), -7);
  EXPECT_FALSE(row_[5].as_boolean());
  EXPECT_TRUE(row_[6].is_null());
}

TEST_F(RowShapeTest, whatever_is_not_plain_is_left_to_the_general_way) {
  learn(R"({"event_id":"a","volume":3})");
  EXPECT_EQ(decode(R"({"event_id":"","volume":0})"), RowShape::Match::decoded);
  EXPECT_EQ(decode(R"({"event_id":"a","volume":999999999999999999})"), RowShape::Match::decoded);
  EXPECT_EQ(decode(R"({"event_id":"a","volume":1000000000000000000})"),
            RowShape::Match::other_value);
  EXPECT_EQ(decode(R"({"event_id":"a\n","volume":0})"), RowShape::Match::other_value);
  EXPECT_EQ(decode("{\"event_id\":\"\xc3\xa9\",\"volume\":0}"), RowShape::Match::other_value);
  EXPECT_EQ(decode("{\"event_id\":\"\n\",\"volume\":0}"), RowShape::Match::other_value);
  EXPECT_EQ(decode(R"({"event_id":"a","volume":01})"), RowShape::Match::other_value);
  EXPECT_EQ(decode(R"({"event_id":"a","volume":-})"), RowShape::Match::other_value);
  EXPECT_EQ(decode(R"({"event_id":"a","volume":1.0})"), RowShape::Match::other_shape);
  EXPECT_EQ(decode(R"({"event_id":"a","volume":1e3})"), RowShape::Match::other_shape);
  EXPECT_EQ(decode(R"({"event_id":"a","volume":1}})"), RowShape::Match::other_shape);
  EXPECT_EQ(decode(R"({"event_id":"a", "volume":1})"), RowShape::Match::other_shape);
  EXPECT_EQ(decode(R"({"event_id":"a","volume":1)"), RowShape::Match::other_shape);
  EXPECT_EQ(decode(R"({"event_id":"a)"), RowShape::Match::other_value);
  EXPECT_EQ(decode(""), RowShape::Match::other_shape);
}

TEST_F(RowShapeTest, a_text_with_lists_or_escaped_names_has_no_shape) {
  learn(R"({"event_id":"a","tags":[]})");
  EXPECT_FALSE(shape_.is_learned());
  learn(R"({"\u0065vent_id":"a"})");
  EXPECT_FALSE(shape_.is_learned());
  learn(R"({"note":{"a":1}})");
  EXPECT_FALSE(shape_.is_learned());
  learn(" { } ");
  EXPECT_TRUE(shape_.is_learned());
  EXPECT_EQ(decode(" { } "), RowShape::Match::decoded);
  EXPECT_EQ(decode("{}"), RowShape::Match::other_shape);
}

TEST_F(RowShapeTest, literals_longer_than_a_block_are_compared_whole) {
  const std::string white(100, ' ');
  learn("{" + white + "\"volume\":1}");
  EXPECT_EQ(decode("{" + white + "\"volume\":22}"), RowShape::Match::decoded);
  EXPECT_EQ(row_[4].as_int64(), 22);
  EXPECT_EQ(decode("{\n" + white.substr(1) + "\"volume\":22}"), RowShape::Match::other_shape);
  EXPECT_EQ(decode("{" + white), RowShape::Match::other_shape);
}

// Texts as producers write them: a few forms, each with values that are mostly plain.
class Producers {
 public:
  explicit Producers(std::uint64_t seed) : random_(seed) {}

  std::string next() {
    if (random_.one_in(40)) form_ = random_.below(5);
    const auto form = random_.one_in(20) ? random_.below(5) : form_;
    std::string text;
    for (const auto slot : kOrders[form]) {
      text += text.empty() ? "{" : form == 3 ? ", " : ",";
      text += "\"" + names_[slot] + (form == 3 ? "\" : " : "\":") + value(slot);
    }
    return text + "}";
  }
  bool one_in(std::uint64_t n) { return random_.one_in(n); }

 private:
  std::string pick(const std::vector<std::string>& choices) {
    return choices[random_.below(choices.size())];
  }
  std::string digits(std::uint64_t count_max) {
    std::string out;
    for (auto left = 1 + random_.below(count_max); left > 0; --left) {
      out += static_cast<char>('0' + random_.below(10));
    }
    return out;
  }
  std::string odd_value() {
    return pick({"null",
                 "\"\"",
                 "\"\\u0041\"",
                 "\"\xc3\xa9\"",
                 "\"\xff\"",
                 "\"\t\"",
                 "1e2",
                 "-0",
                 "00",
                 "1.",
                 "-",
                 "1.50",
                 "\"1.5e1\"",
                 "\"+1\"",
                 "\"007.50\"",
                 "\".5\"",
                 "\"5.\"",
                 "\"-\"",
                 "[]",
                 "[1]",
                 "{}",
                 "tru",
                 "true",
                 "123456789012345678",
                 "1234567890123456789",
                 "\"123456789012345678.9\"",
                 "\"2012-06-30T23:59:60Z\"",
                 "\"2012-06-21t13:30:00Z\"",
                 "\"2012-06-21T24:00:00Z\"",
                 "\"yesterday\""});
  }
  std::string value(std::size_t slot) {
    if (random_.one_in(15)) return odd_value();
    switch (slot) {
      case 1:
        return "\"2012-06-2" + std::to_string(random_.below(3)) + "T1" +
               std::to_string(random_.below(10)) + ":30:5" + std::to_string(random_.below(10)) +
               (random_.one_in(2) ? "." + digits(9) : "") + "Z\"";
      case 2:
        return "\"" + std::string(random_.one_in(2) ? "-" : "") + digits(6) + "." + digits(5) +
               "\"";
      case 3:
        return std::to_string(random_.below(1000)) + "." + digits(20);
      case 4:
        return std::to_string(static_cast<std::int64_t>(random_.next()) >> random_.below(64));
      case 5:
        return pick({"true", "false"});
      default:
        return "\"" + std::string(random_.below(70), 'x') + "\"";
    }
  }

  static inline const std::vector<std::vector<std::size_t>> kOrders{
      {0, 1, 2, 3, 4, 5, 6}, {0, 4, 2}, {6, 5, 4, 3, 2, 1, 0}, {0, 1, 2}, {1}};
  std::vector<std::string> names_{"event_id", "at", "price", "amount", "volume", "is_odd", "note"};
  Random random_;
  std::size_t form_ = 0;
};

TEST(RowShape, a_padded_decoder_gives_what_an_unpadded_one_gives) {
  constexpr std::uint64_t kSeed = 143;
  SCOPED_TRACE(kSeed);
  const auto layout = make_layout();
  const auto field_count = layout.fields.size();
  RowDecoder padded(layout, field_count);
  RowDecoder plain(layout, field_count);
  Producers producers(kSeed);
  JsonGenerator breaker(kSeed);
  int good_count = 0;
  for (int round = 0; round < 30'000; ++round) {
    auto bytes = producers.next();
    if (producers.one_in(10)) breaker.break_it(bytes);
    const PaddedText text(bytes);
    Arena arena;
    std::vector<Value> row(field_count, Value::string("old"));
    std::vector<Value> plain_row(field_count);
    const auto outcome = padded.decode(text.text(), text.readable_bytes(), arena, row);
    const auto expected = plain.decode(text.text(), text.text().size(), arena, plain_row);
    ASSERT_EQ(outcome.status.to_string(), expected.status.to_string()) << bytes;
    if (!expected.status.is_ok()) continue;
    ++good_count;
    ASSERT_EQ(outcome.mismatches, expected.mismatches) << bytes;
    ASSERT_EQ(outcome.unknown_count, expected.unknown_count) << bytes;
    for (std::size_t i = 0; i < field_count; ++i) {
      ASSERT_TRUE(are_equal(row[i], plain_row[i])) << bytes << " field " << i;
    }
  }
  EXPECT_GT(good_count, 10'000);
}

}  // namespace
}  // namespace millrace::codec
