#include "task/cause.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "codec/record_batch.h"
#include "task/outputs.h"

namespace millrace::task {
namespace {

TEST(CauseWriter, headers_say_the_offset_whatever_the_one_before_was) {
  CauseWriter causes("topic-9", 19, "pipe@9");
  for (const std::int64_t offset : {0,
                                    1,
                                    2,
                                    9,
                                    10,
                                    11,
                                    18,
                                    19,
                                    20,
                                    20,
                                    99,
                                    100,
                                    98,
                                    999,
                                    1000,
                                    5,
                                    6,
                                    1'234'567'899,
                                    1'234'567'900,
                                    0}) {
    const auto& cause = causes.at(Offset(offset), WallTime(7));
    const std::string source = "topic-9/19/" + std::to_string(offset);
    EXPECT_EQ(cause.source, source);
    EXPECT_EQ(cause.pipeline, "pipe@9");
    EXPECT_EQ(cause.time, WallTime(7));
    const std::array<codec::HeaderToAppend, 2> headers{
        {{"millrace-source", source}, {"millrace-pipeline", "pipe@9"}}};
    std::string encoded;
    codec::encode_headers(headers, encoded);
    EXPECT_EQ(cause.headers, encoded);
  }
}

TEST(Outputs, a_record_with_encoded_headers_and_a_tail_is_the_same_record) {
  const std::vector<OutputTopic> topics{{"a", 1, codec::Compression::none}};
  const std::array<codec::HeaderToAppend, 3> headers{
      {{"first", "value"}, {"", std::nullopt}, {std::string_view("long"), std::string_view("")}}};
  std::string encoded;
  codec::encode_headers(headers, encoded);
  const std::string long_value(300, 'v');
  Outputs plain(topics);
  Outputs fast(topics);
  const auto append = [&](WallTime time, std::optional<std::string_view> key,
                          std::optional<std::string_view> value, std::string_view tail) {
    const auto whole = std::string(value.value_or("")) + std::string(tail);
    plain.append(
        0, 0, {time, key, value ? std::optional<std::string_view>(whole) : std::nullopt, headers});
    fast.append(0, 0, {time, key, value, {}, encoded, tail});
  };
  append(WallTime(5), "k", "value", "");
  append(WallTime(4), std::nullopt, long_value, long_value);
  append(WallTime(900'000), "", "", "tail");
  append(WallTime(6), "k", std::nullopt, "");
  EXPECT_EQ(plain.pending_bytes(), fast.pending_bytes());
  EXPECT_EQ(plain.take()[0].bytes, fast.take()[0].bytes);
}

}  // namespace
}  // namespace millrace::task
