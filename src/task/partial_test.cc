#include "task/partial.h"

#include <gtest/gtest.h>

#include <string>

#include "codec/json.h"

namespace millrace::task {
namespace {

Window window() {
  Window window;
  window.name = "w";
  window.length_us = window.every_us = 100;
  window.aggregates.push_back({"n", AggregateKind::count, 4, std::nullopt});
  window.aggregates.push_back({"total", AggregateKind::sum, 4, std::nullopt});
  return window;
}

KeyState state() {
  KeyState state;
  state.key = "eu";
  state.aggregates.emplace_back(AggregateKind::count);
  state.aggregates.emplace_back(AggregateKind::sum);
  state.aggregates[0].add(Value::boolean(true), {});
  state.aggregates[1].add(Value::decimal(Decimal(1999, 2)), {});
  return state;
}

// 1, pane start zigzag(300), "eu", count {nothing, 1}, sum {decimal, 1, scale 2, 1999}.
std::string golden_partial() {
  return std::string("\x01\xd8\x04\x02") + "eu" + std::string("\0\x02", 2) +
         "\x02\x02\x02\xcf\x07" + std::string(14, '\0');
}

TEST(Partial, has_the_bytes_of_its_format) {
  std::string bytes;
  encode_partial(300, state(), bytes);
  EXPECT_EQ(bytes, golden_partial());

  bytes.clear();
  encode_upstream_watermark({3, EventTime(-1)}, bytes);
  EXPECT_EQ(bytes, "\x02\x06\x01");
}

TEST(Partial, reads_what_was_written) {
  const auto read = decode_repartition_record(golden_partial(), window());
  ASSERT_TRUE(read.is_ok()) << read.status().to_string();
  const auto& partial = std::get<PartialView>(*read);
  EXPECT_EQ(partial.pane_start_us, 300);
  EXPECT_EQ(partial.state.key, "eu");
  EXPECT_EQ(partial.state.aggregates[0].result(0).as_int64(), 1);
  EXPECT_EQ(partial.state.aggregates[1].result(0).as_decimal().to_string(), "19.99");

  const auto watermark = decode_repartition_record("\x02\x06\x01", window());
  ASSERT_TRUE(watermark.is_ok());
  EXPECT_EQ(std::get<UpstreamWatermark>(*watermark).upstream_partition, 3);
  EXPECT_EQ(std::get<UpstreamWatermark>(*watermark).watermark, EventTime(-1));
}

TEST(Partial, refuses_cut_long_and_unknown_records) {
  const auto good = golden_partial();
  const auto code = [](std::string_view bytes) {
    const auto read = decode_repartition_record(bytes, window());
    return read.is_ok() ? StatusCode::ok : read.status().code();
  };
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_EQ(code(good.substr(0, length)), StatusCode::corrupt) << length;
  }
  EXPECT_EQ(code(good + "x"), StatusCode::corrupt);
  EXPECT_EQ(code("\x01\xda\x04" + good.substr(3)), StatusCode::corrupt);  // no pane starts at 301
  EXPECT_EQ(code("\x03" + good.substr(1)), StatusCode::corrupt);
  EXPECT_EQ(code("\x02\x06"), StatusCode::corrupt);
  EXPECT_EQ(code("\x02\x06\x01\x01"), StatusCode::corrupt);
}

}  // namespace
}  // namespace millrace::task
