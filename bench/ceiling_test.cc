#include "bench/ceiling.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "bench/plain_batch.h"
#include "bench/tick_event.h"
#include "sys/temporary_folder.h"

namespace millrace::bench {
namespace {

TickOptions small(std::uint64_t seed) {
  TickOptions options;
  options.seed = seed;
  options.event_count = 20'000;
  options.events_per_second = 20;  // 1 000 s: windows also close before the end
  options.ticker_count = 20;
  options.bad_one_in = options.duplicate_one_in = options.late_one_in = 20;
  return options;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The records of all batches in the log, after checking length and CRC of every entry.
std::vector<std::string> log_values(const std::string& log) {
  std::vector<std::string> values;
  PlainBatchReader reader;
  for (std::size_t at = 0; at < log.size();) {
    std::uint32_t bytes = 0;
    std::uint32_t crc = 0;
    std::memcpy(&bytes, log.data() + at, 4);
    std::memcpy(&crc, log.data() + at + 4, 4);
    auto payload = std::string_view(log).substr(at + 8, bytes);
    EXPECT_EQ(payload.size(), bytes);
    EXPECT_EQ(crc32c(payload), crc);
    payload.remove_prefix(payload.find(';') + 1);
    while (!payload.empty() && reader.open(payload)) {
      while (const auto record = reader.next()) values.emplace_back(record->value);
      payload.remove_prefix(reader.batch_bytes());
    }
    EXPECT_TRUE(payload.empty());
    at += 8 + bytes;
  }
  return values;
}

TEST(Ceiling, computes_what_the_generator_expects) {
  const sys::TemporaryFolder folder;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    for (const bool is_lz4 : {true, false}) {
      auto options = small(seed);
      options.is_lz4 = is_lz4;
      const auto input = generate_ticks(options);
      const auto result =
          run_ceiling(input, {.folder = folder.path(), .is_lz4 = is_lz4, .is_synced = false});
      EXPECT_EQ(result.tallies, input.expected) << "seed " << seed;
      EXPECT_GT(result.tallies.late_count, 0);
      EXPECT_GT(result.tallies.duplicate_count, 0);
    }
  }
}

TEST(Ceiling, every_event_leaves_exactly_one_trace_in_its_log) {
  const auto input = generate_ticks(small(7));
  const sys::TemporaryFolder folder;
  const auto result = run_ceiling(input, {.folder = folder.path(), .keeps_log = true});
  const auto log = read_file(folder.path() + "/ceiling.wal");
  EXPECT_EQ(result.log_bytes, static_cast<std::int64_t>(log.size()));
  EXPECT_GT(result.sync_count, 0);
  std::int64_t enriched = 0;
  std::int64_t results = 0;
  std::map<std::string, std::int64_t> dead_letters;
  for (const auto& value : log_values(log)) {
    if (value.find("\"notional\"") != std::string::npos) {
      ++enriched;
    } else if (value.find("\"window_start\"") != std::string::npos) {
      ++results;
    } else {
      const auto begin = value.find("\"error_type\":\"") + 14;
      ++dead_letters[value.substr(begin, value.find('"', begin) - begin)];
    }
  }
  const auto& expected = input.expected;
  EXPECT_EQ(enriched, expected.event_count - expected.bad_count - expected.duplicate_count);
  EXPECT_EQ(results, result.result_count);
  // Each window leaves when it fires and when it closes; at the end some do both at once.
  EXPECT_GE(results, expected.windows.window_count);
  EXPECT_EQ(dead_letters["DUPLICATE"], expected.duplicate_count);
  EXPECT_EQ(dead_letters["LATE_EVENT"], expected.late_count);
  EXPECT_EQ(dead_letters["SCHEMA_INVALID"] + dead_letters["BUSINESS_RULE_VIOLATION"],
            expected.bad_count);
}

TEST(TickGenerator, the_same_seed_gives_the_same_bytes_and_another_one_others) {
  const auto bytes = [](std::uint64_t seed) {
    std::string all;
    for (const auto& batch : generate_ticks(small(seed)).batches) all += batch.bytes;
    return all;
  };
  EXPECT_EQ(bytes(3), bytes(3));
  EXPECT_NE(bytes(3), bytes(4));
}

TEST(TickGenerator, shares_and_sizes_are_as_announced) {
  TickOptions options;
  options.event_count = 50'000;
  const auto input = generate_ticks(options);
  EXPECT_NEAR(static_cast<double>(input.expected.bad_count), 500, 100);
  EXPECT_NEAR(static_cast<double>(input.expected.duplicate_count), 495, 100);
  EXPECT_NEAR(static_cast<double>(input.expected.late_count), 490, 100);
  EXPECT_NEAR(static_cast<double>(input.json_bytes) / 50'000, 141, 2);
  std::set<std::int32_t> partitions;
  std::map<std::int32_t, std::int64_t> next_offset;
  std::int64_t records = 0;
  for (const auto& batch : input.batches) {
    EXPECT_EQ(batch.base_offset, next_offset[batch.partition]);
    next_offset[batch.partition] += batch.record_count;
    partitions.insert(batch.partition);
    records += batch.record_count;
  }
  EXPECT_EQ(partitions.size(), 8u);
  EXPECT_EQ(records, 50'000);
}

TEST(PlainBatch, damage_is_noticed) {
  PlainBatchWriter writer(true);
  for (int i = 0; i < 1'000; ++i) writer.append("key", "value " + std::to_string(i));
  std::string batch;
  writer.finish(40, 1'000, batch);
  PlainBatchReader reader;
  ASSERT_TRUE(reader.open(batch));
  EXPECT_EQ(reader.timestamp_ms(), 1'000);
  for (int i = 0; i < 1'000; ++i) {
    const auto record = reader.next();
    ASSERT_TRUE(record.has_value());
    EXPECT_EQ(record->offset, 40 + i);
    EXPECT_EQ(record->value, "value " + std::to_string(i));
  }
  EXPECT_FALSE(reader.next().has_value());
  EXPECT_FALSE(reader.open(std::string_view(batch).substr(0, batch.size() - 1)));
  for (std::size_t i = 17; i < batch.size(); ++i) {  // from the CRC to the end
    batch[i] = static_cast<char>(batch[i] ^ 1);
    EXPECT_FALSE(reader.open(batch)) << "byte " << i;
    batch[i] = static_cast<char>(batch[i] ^ 1);
  }
}

// Packed field by field from https://kafka.apache.org/documentation/#recordbatch with a script, the
// CRC-32C computed bit by bit.
TEST(PlainBatch, a_record_with_headers_has_the_bytes_that_kafka_documents) {
  PlainBatchWriter writer(false);
  const PlainHeaders headers{{"a", "1"}, {"b", ""}};
  writer.append("k", "v", &headers);
  std::string batch;
  writer.finish(5, 258, batch);
  std::string hex;
  for (const char byte : batch) {
    for (const int shift : {4, 0}) {
      hex += "0123456789abcdef"[static_cast<unsigned char>(byte) >> shift & 15];
    }
  }
  EXPECT_EQ(hex,
            "000000000000000500000041000000000241efb22000000000000000000000000001020000000000"
            "000102ffffffffffffffffffffffffffff000000011e000000026b02760402610231026200");
}

TEST(TickEvent, prices_and_times_are_read_exactly_or_not_at_all) {
  std::int64_t value = 0;
  EXPECT_TRUE(parse_price("223.82", value) && value == 2'238'200);
  EXPECT_TRUE(parse_price("-0.0001", value) && value == -1);
  EXPECT_TRUE(parse_price("7", value) && value == 70'000);
  for (const auto* bad : {"", "1.23456", "1..2", "1e3", "1234567890123456"}) {
    EXPECT_FALSE(parse_price(bad, value)) << bad;
  }
  EXPECT_TRUE(parse_time_ms("1970-01-01T00:00:00.001Z", value) && value == 1);
  EXPECT_TRUE(parse_time_ms("2026-01-13T09:00:00.017Z", value) && value == 1'768'294'800'017);
  EXPECT_FALSE(parse_time_ms("2026-01-13 09:00:00.017Z", value));
  EXPECT_FALSE(parse_time_ms("2026-01-13T09:00:00Z", value));
  std::string text;
  append_time(text, 1'768'294'800'017);
  append_decimal(text, -12'345);
  append_decimal(text, 7);
  EXPECT_EQ(text, "2026-01-13T09:00:00Z-1.23450.0007");
}

}  // namespace
}  // namespace millrace::bench
