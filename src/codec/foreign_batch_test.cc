#include "codec/foreign_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/random.h"

namespace millrace::codec {
namespace {

using testing::HasSubstr;

// Positions in the header, from docs/formats/record_batch.md.
constexpr std::size_t kCrcAt = 17;
constexpr std::size_t kAttributesAt = 21;
constexpr std::size_t kLastOffsetDeltaAt = 23;
constexpr std::size_t kRecordCountAt = 57;

std::string batch_of(const std::vector<std::string>& values,
                     Compression compression = Compression::none) {
  RecordBatchBuilder builder(compression);
  for (const auto& value : values) builder.append(WallTime(7), "key", value, {});
  std::string bytes;
  builder.finish(bytes);
  return bytes;
}

void fix_crc(std::string& batch) {
  store_big(batch.data() + kCrcAt, crc32c(std::string_view(batch).substr(kAttributesAt)));
}

void store_int32(std::string& batch, std::size_t at, std::int32_t value) {
  store_big(batch.data() + at, static_cast<std::uint32_t>(value));
  fix_crc(batch);
}

Status check(const std::string& batch, const ForeignBatchLimits& limits = {}) {
  BatchReader reader;
  auto checked = check_foreign_batch(batch, limits, reader);
  return checked.is_ok() ? ok_status() : std::move(checked).take_status();
}

TEST(ForeignBatch, a_right_batch_passes_in_every_compression) {
  for (const auto compression : {Compression::none, Compression::gzip, Compression::snappy,
                                 Compression::lz4, Compression::zstd}) {
    const auto batch = batch_of({"one", std::string(10'000, 'x')}, compression);
    BatchReader reader;
    const auto checked = check_foreign_batch(batch, {}, reader);
    ASSERT_TRUE(checked.is_ok()) << checked.status().to_string();
    EXPECT_EQ(*checked, 3U + 3U + 3U + 10'000U);  // both keys and both values
  }
}

TEST(ForeignBatch, batches_that_only_the_log_may_write_are_refused) {
  struct Case {
    std::uint16_t attributes;
    StatusCode code;
    const char* message;
  };
  for (const auto& [attributes, code, message] :
       {Case{1 << 3, StatusCode::invalid, "CreateTime"},
        Case{1 << 4, StatusCode::unsupported, "transactions"},
        Case{1 << 5, StatusCode::invalid, "control batch"}}) {
    auto batch = batch_of({"value"});
    store_big(batch.data() + kAttributesAt, attributes);
    fix_crc(batch);
    const auto status = check(batch);
    EXPECT_EQ(status.code(), code);
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
}

TEST(ForeignBatch, counts_must_be_those_of_the_records) {
  auto more = batch_of({"one"});
  store_int32(more, kLastOffsetDeltaAt, 1);
  EXPECT_THAT(std::string(check(more).message()), HasSubstr("spans 2 offsets"));
  store_int32(more, kRecordCountAt, 2);
  EXPECT_EQ(check(more).code(), StatusCode::invalid);
  auto fewer = batch_of({"one", "two"});
  store_int32(fewer, kLastOffsetDeltaAt, 0);
  store_int32(fewer, kRecordCountAt, 1);
  EXPECT_THAT(std::string(check(fewer).message()), HasSubstr("left over"));
  auto none = batch_of({"one"});
  store_int32(none, kRecordCountAt, 0);
  EXPECT_THAT(std::string(check(none).message()), HasSubstr("no records"));
}

TEST(ForeignBatch, a_bomb_is_refused_at_the_limit) {
  const auto bomb = batch_of({std::string(3'000'000, 'x')}, Compression::zstd);
  ASSERT_LT(bomb.size(), 3'000U);
  ForeignBatchLimits limits;
  limits.record_bytes_max = 4'000'000;
  EXPECT_TRUE(check(bomb, limits).is_ok());
  limits.plain_bytes_max = 1'000'000;
  const auto status = check(bomb, limits);
  EXPECT_EQ(status.code(), StatusCode::invalid);
  EXPECT_THAT(std::string(status.message()), HasSubstr("limit of 1000000 bytes"));
}

TEST(ForeignBatch, a_record_may_have_the_limits_and_no_more) {
  ForeignBatchLimits limits;
  limits.record_bytes_max = 100;
  limits.headers_max = 2;
  EXPECT_TRUE(check(batch_of({std::string(97, 'x')}), limits).is_ok());
  EXPECT_THAT(std::string(check(batch_of({"fine", std::string(98, 'x')}), limits).message()),
              HasSubstr("record 1 of a batch has 101 bytes"));
  const std::vector<HeaderToAppend> headers{{"a", "1"}, {"b", std::nullopt}, {"c", ""}};
  for (const std::size_t count : {2U, 3U}) {
    RecordBatchBuilder builder;
    builder.append(WallTime(7), std::nullopt, std::nullopt, std::span(headers).first(count));
    std::string batch;
    builder.finish(batch);
    EXPECT_EQ(check(batch, limits).is_ok(), count == 2);
  }
}

// Whatever passes can be read to its end, so that no task is ever stopped by it.
TEST(ForeignBatch, a_mutated_batch_is_refused_or_readable) {
  for (std::uint64_t seed = 1; seed <= 3'000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const auto compression = random.one_in(2) ? Compression::none : Compression::lz4;
    auto batch = batch_of({"one", "two", std::string(random.below(400), 'z')}, compression);
    for (std::uint64_t i = 0; i <= random.below(3); ++i) {
      batch[kAttributesAt + random.below(batch.size() - kAttributesAt)] =
          static_cast<char>(random.below(256));
    }
    fix_crc(batch);
    const auto status = check(batch);
    if (!status.is_ok()) {
      ASSERT_TRUE(status.code() == StatusCode::invalid || status.code() == StatusCode::unsupported)
          << status.to_string();
      continue;
    }
    BatchReader reader;
    ASSERT_TRUE(reader.open(batch).is_ok());
    std::int32_t count = 0;
    while (reader.next() != nullptr) ++count;
    ASSERT_TRUE(reader.status().is_ok());
    ASSERT_EQ(count, reader.header().last_offset_delta + 1);
  }
}

}  // namespace
}  // namespace millrace::codec
