#include "codec/batch_stamp.h"

#include <gtest/gtest.h>

namespace millrace::codec {
namespace {

// The builder writes the same batch when it is told the producer from the start.
TEST(BatchStamp, gives_the_batch_that_its_producer_would_have_built) {
  for (const auto compression : {Compression::none, Compression::lz4}) {
    for (const bool is_transactional : {false, true}) {
      const auto build = [&](bool has_producer) {
        RecordBatchBuilder builder(compression);
        for (int i = 0; i < 50; ++i) builder.append(WallTime(1'000 + i), "key", "value", {});
        if (has_producer) {
          builder.set_producer(ProducerId(0x1234'5678'9abc), ProducerEpoch(-7), 0x7fff'fff0);
          builder.set_transactional(is_transactional);
        }
        std::string bytes;
        builder.finish(bytes);
        return bytes;
      };
      const auto plain = build(false);
      const auto stamped = stamp_producer(
          plain, {ProducerId(0x1234'5678'9abc), ProducerEpoch(-7), 0x7fff'fff0, is_transactional});
      const auto joined =
          std::string(stamped.header.data(), stamped.header.size()) + std::string(stamped.body);
      EXPECT_EQ(joined, build(true));
      EXPECT_EQ(stamped.body.data(), plain.data() + kBatchHeaderBytes);
    }
  }
}

TEST(BatchStamp, takes_the_transactional_bit_away_again) {
  RecordBatchBuilder builder;
  builder.append(WallTime(1), std::nullopt, "v", {});
  builder.set_producer(ProducerId(1), ProducerEpoch(0), 0);
  builder.set_transactional(true);
  std::string bytes;
  builder.finish(bytes);
  const auto stamped = stamp_producer(bytes, {kNoProducerId, kNoProducerEpoch, -1, false});
  const auto joined =
      std::string(stamped.header.data(), stamped.header.size()) + std::string(stamped.body);
  const auto header = parse_batch_header(joined);
  ASSERT_TRUE(header.is_ok());
  EXPECT_FALSE(header->is_transactional);
  EXPECT_EQ(header->producer_id, kNoProducerId);
  EXPECT_TRUE(verify_batch_crc(joined, *header).is_ok());
}

}  // namespace
}  // namespace millrace::codec
