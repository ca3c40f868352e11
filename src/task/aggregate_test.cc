#include "task/aggregate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "codec/json.h"

namespace millrace::task {
namespace {

constexpr int kDigits = 4;

EventPosition position(std::int64_t time, std::int64_t offset = 0, std::int32_t partition = 0) {
  return {EventTime(time), Offset(offset), partition};
}

std::string json(const Value& value) {
  std::string out;
  codec::append_json(out, value);
  return out;
}

Value number(const std::string& text) {
  const auto decimal = Decimal::parse(text);
  EXPECT_TRUE(decimal.has_value()) << text;
  return Value::decimal(*decimal);
}

// The result of adding everything in order, as JSON.
std::string result_of(AggregateKind kind, const std::vector<Value>& values, int digits = kDigits) {
  Aggregate aggregate(kind);
  for (std::size_t i = 0; i < values.size(); ++i) {
    aggregate.add(values[i], position(static_cast<std::int64_t>(i)));
  }
  return json(aggregate.result(digits));
}

TEST(Aggregate, of_nothing_is_null_except_count_and_sum) {
  EXPECT_EQ(result_of(AggregateKind::count, {}), "0");
  EXPECT_EQ(result_of(AggregateKind::sum, {}), "0");
  for (const auto kind : {AggregateKind::min, AggregateKind::max, AggregateKind::avg,
                          AggregateKind::first, AggregateKind::last}) {
    EXPECT_EQ(result_of(kind, {}), "null");
    EXPECT_EQ(result_of(kind, {Value::null(), Value(), Value::error("x")}), "null");
  }
}

TEST(Aggregate, whole_numbers_stay_whole_and_decimals_keep_their_digits) {
  EXPECT_EQ(result_of(AggregateKind::sum, {Value::int64(2), Value::int64(3)}), "5");
  EXPECT_EQ(result_of(AggregateKind::sum, {number("1.50"), Value::int64(3)}), "\"4.50\"");
  EXPECT_EQ(result_of(AggregateKind::sum, {number("1.5"), number("-1.50")}), "\"0.00\"");
  EXPECT_EQ(result_of(AggregateKind::sum,
                      {Value::int64(INT64_MAX), Value::int64(INT64_MAX), Value::int64(2)}),
            "\"18446744073709551616\"");
}

TEST(Aggregate, averages_are_rounded_half_to_even) {
  EXPECT_EQ(result_of(AggregateKind::avg, {Value::int64(1), Value::int64(2)}), "\"1.5000\"");
  EXPECT_EQ(result_of(AggregateKind::avg, {number("0.0001"), number("0.0002")}), "\"0.0002\"");
  EXPECT_EQ(result_of(AggregateKind::avg, {number("0.0002"), number("0.0003")}), "\"0.0002\"");
  EXPECT_EQ(result_of(AggregateKind::avg, {number("-0.0003"), number("-0.0004")}), "\"-0.0004\"");
  EXPECT_EQ(result_of(AggregateKind::avg, {Value::int64(1), Value::int64(2)}, 0), "\"2\"");
  EXPECT_EQ(result_of(AggregateKind::avg, {Value::null(), Value::int64(3)}), "\"3.0000\"");
}

TEST(Aggregate, equal_numbers_keep_the_larger_scale_whichever_came_first) {
  for (const auto kind : {AggregateKind::min, AggregateKind::max}) {
    EXPECT_EQ(result_of(kind, {number("1.5"), number("1.50")}), "\"1.50\"");
    EXPECT_EQ(result_of(kind, {number("1.50"), number("1.5")}), "\"1.50\"");
    EXPECT_EQ(result_of(kind, {number("2.0"), Value::int64(2)}), "\"2.0\"");
    EXPECT_EQ(result_of(kind, {Value::int64(2), number("2.0")}), "\"2.0\"");
  }
}

TEST(Aggregate, min_and_max_compare_text_booleans_and_times) {
  const std::vector<Value> words{Value::string("b"), Value::string("a"), Value::string("B")};
  EXPECT_EQ(result_of(AggregateKind::min, words), "\"B\"");
  EXPECT_EQ(result_of(AggregateKind::max, words), "\"b\"");
  const std::vector<Value> truths{Value::boolean(true), Value::boolean(false)};
  EXPECT_EQ(result_of(AggregateKind::min, truths), "false");
  EXPECT_EQ(result_of(AggregateKind::max, truths), "true");
  const std::vector<Value> times{Value::timestamp(-1, 500'000'000), Value::timestamp(0, 1)};
  EXPECT_EQ(result_of(AggregateKind::min, times), "\"1969-12-31T23:59:59.500Z\"");
  EXPECT_EQ(result_of(AggregateKind::max, times), "\"1970-01-01T00:00:00.000000001Z\"");
}

TEST(Aggregate, first_and_last_go_by_event_time_then_offset_then_partition) {
  Aggregate first(AggregateKind::first);
  Aggregate last(AggregateKind::last);
  const std::vector<std::pair<EventPosition, std::int64_t>> events{
      {position(5, 2, 1), 521}, {position(5, 1, 1), 511}, {position(5, 2, 0), 520},
      {position(9, 0, 0), 900}, {position(9, 0, 3), 903}, {position(5, 1, 0), 510},
  };
  for (const auto& [where, value] : events) {
    first.add(Value::int64(value), where);
    last.add(Value::int64(value), where);
  }
  EXPECT_EQ(json(first.result(0)), "510");
  EXPECT_EQ(json(last.result(0)), "903");
}

TEST(Aggregate, a_sum_beyond_38_digits_is_null_and_stays_so) {
  const auto huge = number("99999999999999999999999999999999999999");
  EXPECT_EQ(result_of(AggregateKind::sum, {huge, Value::int64(1)}), "null");
  EXPECT_EQ(result_of(AggregateKind::avg, {huge, Value::int64(1)}), "null");
  EXPECT_EQ(result_of(AggregateKind::sum, {huge, Value::int64(1), Value::int64(-1)}), "null");
  Aggregate lost(AggregateKind::sum);
  lost.add(huge, position(0));
  lost.add(huge, position(0));
  Aggregate fine(AggregateKind::sum);
  fine.add(Value::int64(1), position(0));
  fine.merge(lost);
  EXPECT_EQ(json(fine.result(0)), "null");
  EXPECT_EQ(result_of(AggregateKind::count, {huge, huge}), "2");
}

// --- against exact twins ---

// A number as the twin sees it: an integer over 10^scale.
struct TwinNumber {
  __int128 unscaled = 0;
  int scale = 0;
  bool is_integer = false;
  EventPosition where;

  [[nodiscard]] __int128 at_scale(int wanted) const {
    __int128 value = unscaled;
    for (int i = scale; i < wanted; ++i) value *= 10;
    return value;
  }
};

constexpr int kScaleMax = 6;

std::string text_of(__int128 unscaled, int scale) {
  const bool is_negative = unscaled < 0;
  std::string digits;
  for (auto rest = is_negative ? -unscaled : unscaled;
       rest > 0 || digits.size() <= std::size_t(scale); rest /= 10) {
    digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
  }
  if (scale > 0) digits.insert(digits.end() - scale, '.');
  return (is_negative ? "-" : "") + digits;
}

std::string quoted(__int128 unscaled, int scale) {
  return "\"" + text_of(unscaled, scale) + "\"";
}

std::string twin_number(const TwinNumber& value) {
  return value.is_integer ? text_of(value.unscaled, 0) : quoted(value.unscaled, value.scale);
}

std::string twin_average(const std::vector<TwinNumber>& values) {
  __int128 sum = 0;
  for (const auto& value : values) sum += value.at_scale(kScaleMax);
  // sum / 10^6 / n, to 4 digits: sum * 10^4 / (10^6 * n), half to even.
  const __int128 top = sum * 10'000;
  const __int128 bottom = static_cast<__int128>(1'000'000) * static_cast<int>(values.size());
  __int128 quotient = top / bottom;
  __int128 rest = top % bottom;
  const bool is_negative = top < 0;
  if (rest < 0) rest = -rest;
  const bool is_up = rest * 2 > bottom || (rest * 2 == bottom && quotient % 2 != 0);
  if (is_up) quotient += is_negative ? -1 : 1;
  return quoted(quotient, 4);
}

std::string twin_result(AggregateKind kind, const std::vector<TwinNumber>& values) {
  const int scale =
      std::max_element(values.begin(), values.end(), [](const auto& a, const auto& b) {
        return a.scale < b.scale;
      })->scale;
  const bool is_integer =
      std::all_of(values.begin(), values.end(), [](const auto& v) { return v.is_integer; });
  const auto is_smaller = [](const TwinNumber& a, const TwinNumber& b) {
    return a.at_scale(kScaleMax) < b.at_scale(kScaleMax);
  };
  switch (kind) {
    case AggregateKind::count:
      return std::to_string(values.size());
    case AggregateKind::avg:
      return twin_average(values);
    case AggregateKind::sum: {
      __int128 sum = 0;
      for (const auto& value : values) sum += value.at_scale(scale);
      return is_integer ? text_of(sum, 0) : quoted(sum, scale);
    }
    case AggregateKind::min:
    case AggregateKind::max: {
      auto best = kind == AggregateKind::min
                      ? *std::min_element(values.begin(), values.end(), is_smaller)
                      : *std::max_element(values.begin(), values.end(), is_smaller);
      for (const auto& value : values) {
        if (value.at_scale(kScaleMax) != best.at_scale(kScaleMax)) continue;
        if (value.is_integer || (!best.is_integer && best.scale >= value.scale)) continue;
        best = value;
      }
      return twin_number(best);
    }
    default: {
      auto best = values.front();
      for (const auto& value : values) {
        const bool is_better =
            kind == AggregateKind::first ? value.where < best.where : value.where > best.where;
        if (is_better) best = value;
      }
      return twin_number(best);
    }
  }
}

TwinNumber random_number(Random& random, std::int64_t offset) {
  TwinNumber value;
  value.is_integer = random.one_in(3);
  value.scale = value.is_integer ? 0 : static_cast<int>(random.below(kScaleMax + 1));
  const std::uint64_t bound = random.one_in(3) ? 5 : 2'000'000;
  value.unscaled =
      static_cast<std::int64_t>(random.below(2 * bound + 1)) - static_cast<std::int64_t>(bound);
  if (random.one_in(2)) {  // 3 and 3.00 are one number
    for (int i = 0; i < value.scale; ++i) value.unscaled *= 10;
  }
  value.where = position(static_cast<std::int64_t>(random.below(4)), offset,
                         static_cast<std::int32_t>(random.below(3)));
  return value;
}

Value value_of(const TwinNumber& value) {
  if (value.is_integer) return Value::int64(static_cast<std::int64_t>(value.unscaled));
  return Value::decimal(Decimal(value.unscaled, value.scale));
}

Aggregate through_bytes(const Aggregate& aggregate, AggregateKind kind) {
  std::string bytes;
  Encoder to(bytes);
  aggregate.encode(to);
  Decoder from(bytes);
  Aggregate out(kind);
  EXPECT_TRUE(out.decode(from));
  EXPECT_TRUE(from.finish("aggregate").is_ok());
  return out;
}

// Deals the values to partial results, merges those in any order, some of them through bytes.
std::string merged_result(AggregateKind kind, std::vector<TwinNumber> values, Random& random) {
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random.below(i)]);
  std::vector<Aggregate> parts(1 + random.below(5), Aggregate(kind));
  for (const auto& value : values) {
    parts[random.below(parts.size())].add(value_of(value), value.where);
  }
  while (parts.size() > 1) {
    const auto from = random.below(parts.size());
    auto part = through_bytes(parts[from], kind);
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(from));
    parts[random.below(parts.size())].merge(part);
  }
  return json(parts.front().result(kDigits));
}

TEST(Aggregate, agrees_with_exact_arithmetic_in_any_order_and_any_grouping) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    std::vector<TwinNumber> values;
    for (std::size_t i = 0; i <= random.below(12); ++i) {
      values.push_back(random_number(random, static_cast<std::int64_t>(i)));
    }
    for (const auto kind :
         {AggregateKind::count, AggregateKind::sum, AggregateKind::min, AggregateKind::max,
          AggregateKind::avg, AggregateKind::first, AggregateKind::last}) {
      const auto expected = twin_result(kind, values);
      for (int round = 0; round < 4; ++round) {
        ASSERT_EQ(merged_result(kind, values, random), expected)
            << "kind " << static_cast<int>(kind) << " of " << values.size();
      }
    }
  }
}

TEST(Aggregate, has_the_bytes_of_its_format) {
  // Held::decimal 2, count zigzag(2), scale 2, unscaled 399 little-endian.
  Aggregate sum(AggregateKind::sum);
  sum.add(number("1.50"), position(0));
  sum.add(number("2.49"), position(0));
  std::string bytes;
  Encoder to(bytes);
  sum.encode(to);
  const std::string expected = std::string("\x02\x04\x02\x8f\x01") + std::string(14, '\0');
  EXPECT_EQ(bytes, expected);

  // Held::text 3, count zigzag(1), scale, unscaled; event time 3, offset 7, partition 1; "hi".
  Aggregate last(AggregateKind::last);
  last.add(Value::string("hi"), position(3, 7, 1));
  bytes.clear();
  last.encode(to);
  EXPECT_EQ(bytes, "\x03\x02" + std::string(17, '\0') + "\x06\x0e\x02\x02hi");

  Aggregate nothing(AggregateKind::max);
  bytes.clear();
  nothing.encode(to);
  EXPECT_EQ(bytes, std::string("\0\0", 2));
}

TEST(Aggregate, refuses_bytes_that_are_no_state) {
  Aggregate sum(AggregateKind::sum);
  sum.add(number("1.50"), position(0));
  std::string good;
  Encoder to(good);
  sum.encode(to);
  const auto is_taken = [](const std::string& bytes) {
    Decoder from(bytes);
    return Aggregate(AggregateKind::sum).decode(from);
  };
  ASSERT_TRUE(is_taken(good));
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(is_taken(good.substr(0, length))) << length;
  }
  auto bad = good;
  bad[0] = 7;  // no such kind of value
  EXPECT_FALSE(is_taken(bad));
  bad = good;
  bad[1] = 1;  // count -1
  EXPECT_FALSE(is_taken(bad));
  bad = good;
  bad[2] = 39;  // scale
  EXPECT_FALSE(is_taken(bad));
  bad = good;
  bad[18] = 0x7f;  // more than 38 digits
  EXPECT_FALSE(is_taken(bad));
}

TEST(Aggregate, adding_is_the_same_as_adding_plainly) {
  constexpr std::uint64_t kSeed = 77;
  Random random(kSeed);
  const std::vector<std::string> texts{"", "a", "b", "a text that is too long to be stored inside"};
  const auto huge = number("99999999999999999999999999999999999999");
  for (int round = 0; round < 3'000; ++round) {
    // Mostly one kind of value, as in a pipeline; sometimes whatever there is.
    const auto usual = random.below(4);
    const auto next = [&] {
      switch (random.one_in(10) ? random.below(10) : usual) {
        case 0:
          return Value::decimal({static_cast<__int128>(random.below(7)) - 3, 2});
        case 1:
          return Value::int64(static_cast<std::int64_t>(random.below(7)) - 3);
        case 2:
          return Value::string(texts[random.below(texts.size())]);
        case 3:
          return Value::decimal(
              {static_cast<__int128>(random.below(40)), static_cast<int>(random.below(3))});
        case 4:
          return Value::boolean(random.one_in(2));
        case 5:
          return Value::timestamp(static_cast<std::int64_t>(random.below(3)), 5);
        case 6:
          return random.one_in(20) ? huge : Value::decimal(huge.as_decimal().negated());
        case 7:
          return Value::int64(INT64_MAX);
        case 8:
          return Value::null();
        default:
          return Value();
      }
    };
    for (const auto kind :
         {AggregateKind::count, AggregateKind::sum, AggregateKind::avg, AggregateKind::min,
          AggregateKind::max, AggregateKind::first, AggregateKind::last}) {
      Aggregate fast(kind);
      Aggregate plain(kind);
      for (auto left = random.below(20); left > 0; --left) {
        const auto value = next();
        const auto where = position(static_cast<std::int64_t>(random.below(5)),
                                    static_cast<std::int64_t>(random.below(3)));
        fast.add(value, where);
        plain.add_plainly(value, where);
        std::string fast_bytes;
        std::string plain_bytes;
        Encoder fast_to(fast_bytes);
        Encoder plain_to(plain_bytes);
        fast.encode(fast_to);
        plain.encode(plain_to);
        ASSERT_EQ(fast_bytes, plain_bytes)
            << "seed " << kSeed << ", round " << round << ", kind " << static_cast<int>(kind);
      }
    }
  }
}

}  // namespace
}  // namespace millrace::task
