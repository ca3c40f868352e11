#include "ops/batches_body.h"

#include <gtest/gtest.h>

#include "codec/record_batch.h"

namespace millrace::ops {
namespace {

std::string batch_of(const std::string& value) {
  codec::RecordBatchBuilder builder;
  builder.append(WallTime(7), "k", value, {});
  std::string bytes;
  builder.finish(bytes);
  return bytes;
}

TEST(BatchesBody, what_was_put_in_comes_out) {
  const auto first = batch_of("one");
  const auto second = batch_of(std::string(100'000, 'x'));
  std::string body;
  append_body_batch(body, {3, WallTime(1'340'285'400'017), first});
  append_body_batch(body, {0, WallTime(-1), second});
  const auto parsed = parse_batches_body(body);
  ASSERT_TRUE(parsed.is_ok()) << parsed.status().to_string();
  ASSERT_EQ(parsed->size(), 2U);
  EXPECT_EQ((*parsed)[0].partition, 3);
  EXPECT_EQ((*parsed)[0].append_time.value, 1'340'285'400'017);
  EXPECT_EQ((*parsed)[0].bytes, first);
  EXPECT_EQ((*parsed)[1].partition, 0);
  EXPECT_EQ((*parsed)[1].append_time.value, -1);
  EXPECT_EQ((*parsed)[1].bytes, second);
}

TEST(BatchesBody, an_empty_body_has_no_batches) {
  const auto parsed = parse_batches_body("");
  ASSERT_TRUE(parsed.is_ok());
  EXPECT_TRUE(parsed->empty());
}

TEST(BatchesBody, a_cut_body_is_invalid_wherever_it_is_cut) {
  std::string body;
  append_body_batch(body, {1, WallTime(5), batch_of("value")});
  for (std::size_t bytes = 1; bytes < body.size(); ++bytes) {
    const auto parsed = parse_batches_body(std::string_view(body).substr(0, bytes));
    ASSERT_FALSE(parsed.is_ok()) << bytes;
    ASSERT_EQ(parsed.status().code(), StatusCode::invalid) << bytes;
  }
}

TEST(BatchesBody, a_partition_number_beyond_all_bounds_is_invalid) {
  std::string body;
  append_body_batch(body, {1, WallTime(5), batch_of("value")});
  body[3] = '\x7f';
  EXPECT_FALSE(parse_batches_body(body).is_ok());
}

}  // namespace
}  // namespace millrace::ops
