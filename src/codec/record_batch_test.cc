#include "codec/record_batch.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/random.h"

namespace millrace::codec {
namespace {

// Batches as kafka-python 3.0.12 builds them: transactional, producer id 4242, epoch 3, base
// sequence 17, base timestamp 1340285400017, and four records {timestamp delta, key, value,
// headers}:
//   {0, "AMZN", the tick with event_id 1, source: "nasdaq", empty: null}
//   {70000, null, the tick with event_id 2, none}
//   {-2, "MSFT", null, none}
//   {1, "", "", "": ""}
constexpr std::string_view kNoneHex =  // 336 bytes
    "00000000000000000000014400000000027935d15e001000000003000001380f3c33d1000001380f3d454100"
    "0000000000109200030000001100000004920200000008414d5a4ed2017b226576656e745f6964223a223122"
    "2c227469636b6572223a22414d5a4e222c227072696365223a223232332e3832222c22766f6c756d65223a31"
    "30302c2270726963655f63757272656e6379223a22555344222c2265786368616e6765223a224e4153444151"
    "227d040c736f757263650c6e61736461710a656d70747901e40100e0c5080201d2017b226576656e745f6964"
    "223a2232222c227469636b6572223a22414d5a4e222c227072696365223a223232332e3832222c22766f6c75"
    "6d65223a3130302c2270726963655f63757272656e6379223a22555344222c2265786368616e6765223a224e"
    "4153444151227d0014000304084d5346540100100002060000020000";

constexpr std::string_view kGzipHex =  // 238 bytes
    "0000000000000000000000e2000000000216a5f76b001100000003000001380f3c33d1000001380f3d454100"
    "00000000001092000300000011000000041f8b0800d4a0036b02ff9bc4c4c0c0c0e1e81be57789b15a29b52c"
    "35af243e3345c94ac9504947a92433393bb508c801c903f9054599c9a940ae9191b19e851150a02c3fa73417"
    "2862686000958d4f2e2d2a4acd4bae042a0b0d7601aa49ad48ce48cc4b07e9f3730c76710c54aa65e129ce2f"
    "2d4a4ee5c94b2c4e492ce44acd2d28a9647cc2c8f0e0280713239a438c68e81006110666160edf60b7104606"
    "0106263606066070000058e1aec613010000";

constexpr std::string_view kSnappyHex =  // 268 bytes
    "0000000000000000000001000000000002a5d39716001200000003000001380f3c33d1000001380f3d454100"
    "000000000010920003000000110000000482534e41505059000000000100000001000000bb9302f095920200"
    "000008414d5a4ed2017b226576656e745f6964223a2231222c227469636b6572223a22414d5a4e222c227072"
    "696365223a223232332e3832222c22766f6c756d65223a3130302c2270726963655f63757272656e6379223a"
    "22555344222c2265786368616e6765223a224e4153444151227d040c736f757263650c6e61736461710a656d"
    "70747901e40100e0c5080201d2017b2e89000032fe89006a8900500014000304084d53465401001000020600"
    "00020000";

constexpr std::string_view kLz4Hex =  // 262 bytes
    "0000000000000000000000fa00000000028cf9d672001300000003000001380f3c33d1000001380f3d454100"
    "000000000010920003000000110000000404224d186840130100000000000036b2000000f017920200000008"
    "414d5a4ed2017b226576656e745f6964223a2231222c227469636b6572223a222000f310222c227072696365"
    "223a223232332e3832222c22766f6c756d65223a3130301e00f00a5f63757272656e6379223a22555344222c"
    "2265786368616e673800fb174e4153444151227d040c736f757263650c6e61736461710a656d70747901e401"
    "00e0c508020189000068000f890045f0060014000304084d534654010010000206000002000000000000";

constexpr std::string_view kZstdHex =  // 243 bytes
    "0000000000000000000000e700000000027e8c9b39001400000003000001380f3c33d1000001380f3d454100"
    "000000000010920003000000110000000428b52ffd601300650500a409920200000008414d5a4ed2017b2265"
    "76656e745f6964223a2231222c227469636b6572223a22222c227072696365223a223232332e3832222c2276"
    "6f6c756d65223a3130305f63757272656e6379223a22555344222c2265786368616e674e4153444151227d04"
    "0c736f757263650c6e61736461710a656d70747901e40100e0c5080201320014000304084d53465401001000"
    "020600000200000500089330c3f46b2b3b0e2ab387a5c8";

constexpr std::int64_t kBaseTimestamp = 1340285400017;

std::string tick(std::string_view id) {
  return "{\"event_id\":\"" + std::string(id) +
         "\",\"ticker\":\"AMZN\",\"price\":\"223.82\",\"volume\":100,"
         "\"price_currency\":\"USD\",\"exchange\":\"NASDAQ\"}";
}

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

// A record with everything owned, for comparing.
struct OwnedRecord {
  std::int64_t offset = 0;
  std::int64_t timestamp = 0;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  bool operator==(const OwnedRecord&) const = default;
};

std::optional<std::string> owned(std::optional<std::string_view> view) {
  return view ? std::optional<std::string>(*view) : std::nullopt;
}

Result<std::vector<OwnedRecord>> read_all(std::string_view bytes) {
  BatchReader reader;
  MR_RETURN_IF_ERROR(reader.open(bytes));
  std::vector<OwnedRecord> records;
  while (const RecordView* record = reader.next()) {
    OwnedRecord copy{record->offset.value,
                     record->timestamp.value,
                     owned(record->key),
                     owned(record->value),
                     {}};
    for (const auto& header : record->headers) {
      copy.headers.emplace_back(header.key, owned(header.value));
    }
    records.push_back(std::move(copy));
  }
  MR_RETURN_IF_ERROR(reader.status());
  return records;
}

std::vector<OwnedRecord> golden_records() {
  return {{0, kBaseTimestamp, "AMZN", tick("1"), {{"source", "nasdaq"}, {"empty", std::nullopt}}},
          {1, kBaseTimestamp + 70000, std::nullopt, tick("2"), {}},
          {2, kBaseTimestamp - 2, "MSFT", std::nullopt, {}},
          {3, kBaseTimestamp + 1, "", "", {{"", ""}}}};
}

void append_all(RecordBatchBuilder& builder, const std::vector<OwnedRecord>& records) {
  for (const auto& record : records) {
    std::vector<HeaderToAppend> headers;
    for (const auto& [key, value] : record.headers) headers.push_back({key, value});
    builder.append(WallTime(record.timestamp), record.key, record.value, headers);
  }
}

// Makes a changed batch's CRC right again, so that what is behind the CRC check is tested.
void fix_crc(std::string& batch) {
  store_big(batch.data() + 17, crc32c(std::string_view(batch).substr(21)));
}

// A batch with the given bytes as its records.
std::string batch_of(std::string_view body, std::int32_t record_count,
                     std::int32_t last_offset_delta) {
  auto batch = from_hex(kNoneHex).substr(0, kBatchHeaderBytes) + std::string(body);
  store_big(batch.data() + 8, static_cast<std::int32_t>(batch.size() - 12));
  store_big(batch.data() + 23, last_offset_delta);
  store_big(batch.data() + 57, record_count);
  fix_crc(batch);
  return batch;
}

TEST(RecordBatch, batches_of_a_kafka_client_are_read) {
  for (const auto hex : {kNoneHex, kGzipHex, kSnappyHex, kLz4Hex, kZstdHex}) {
    const auto bytes = from_hex(hex);
    const auto records = read_all(bytes);
    ASSERT_TRUE(records.is_ok()) << records.status().to_string();
    EXPECT_EQ(*records, golden_records());
  }
}

TEST(RecordBatch, spans_fewer_offsets_than_an_int_counts) {
  constexpr auto kMax = std::numeric_limits<std::int32_t>::max();
  EXPECT_TRUE(parse_batch_header(batch_of("", 0, kMax - 1)).is_ok());
  EXPECT_EQ(parse_batch_header(batch_of("", 0, kMax)).status().code(), StatusCode::corrupt);
}

TEST(RecordBatch, header_of_a_kafka_client_is_read) {
  const auto header = parse_batch_header(from_hex(kLz4Hex));
  ASSERT_TRUE(header.is_ok());
  EXPECT_EQ(header->batch_bytes, 262);
  EXPECT_EQ(header->compression, Compression::lz4);
  EXPECT_TRUE(header->is_transactional);
  EXPECT_FALSE(header->is_control);
  EXPECT_FALSE(header->is_log_append_time);
  EXPECT_EQ(header->last_offset().value, 3);
  EXPECT_EQ(header->next_offset().value, 4);
  EXPECT_EQ(header->base_timestamp.value, kBaseTimestamp);
  EXPECT_EQ(header->max_timestamp.value, kBaseTimestamp + 70000);
  EXPECT_EQ(header->producer_id.value, 4242);
  EXPECT_EQ(header->producer_epoch.value, 3);
  EXPECT_EQ(header->base_sequence, 17);
  EXPECT_EQ(header->record_count, 4);
}

TEST(RecordBatch, builder_writes_the_bytes_of_a_kafka_client) {
  RecordBatchBuilder builder;
  append_all(builder, golden_records());
  builder.set_producer(ProducerId(4242), ProducerEpoch(3), 17);
  builder.set_transactional(true);
  EXPECT_EQ(builder.record_count(), 4);
  std::string out = "before";
  builder.finish(out);
  EXPECT_TRUE(builder.empty());
  // kafka-python leaves the leader epoch 0, which the CRC does not cover; we write -1 as Java does.
  EXPECT_EQ(load_big<std::int32_t>(out.data() + 6 + 12), -1);
  set_base_offset(out, 6, Offset(0));
  EXPECT_EQ(out, "before" + from_hex(kNoneHex));
}

TEST(RecordBatch, builder_starts_over_after_finish) {
  RecordBatchBuilder builder;
  append_all(builder, golden_records());
  builder.set_producer(ProducerId(4242), ProducerEpoch(3), 17);
  builder.set_transactional(true);
  builder.set_control(true);
  std::string ignored;
  builder.finish(ignored);
  builder.append(WallTime(5), "k", "v", {});
  std::string out;
  builder.finish(out);
  const auto header = parse_batch_header(out);
  ASSERT_TRUE(header.is_ok());
  EXPECT_EQ(header->producer_id, kNoProducerId);
  EXPECT_EQ(header->producer_epoch, kNoProducerEpoch);
  EXPECT_EQ(header->base_sequence, -1);
  EXPECT_FALSE(header->is_transactional);
  EXPECT_FALSE(header->is_control);
  EXPECT_EQ(header->record_count, 1);
  EXPECT_EQ(header->max_timestamp.value, 5);
}

TEST(RecordBatch, base_offset_is_set_without_touching_the_crc) {
  auto bytes = from_hex(kZstdHex);
  set_base_offset(bytes, 0, Offset(1'000'000'000'000));
  const auto records = read_all(bytes);
  ASSERT_TRUE(records.is_ok());
  EXPECT_EQ(records->back().offset, 1'000'000'000'003);
}

TEST(RecordBatch, what_compression_would_enlarge_is_stored_plain) {
  RecordBatchBuilder builder(Compression::lz4);
  builder.append(WallTime(0), std::nullopt, "x", {});
  std::string out;
  builder.finish(out);
  const auto header = parse_batch_header(out);
  ASSERT_TRUE(header.is_ok());
  EXPECT_EQ(header->compression, Compression::none);
  EXPECT_EQ(out.size(), kBatchHeaderBytes + 8);
}

TEST(RecordBatch, offset_gaps_and_control_records_survive) {
  RecordBatchBuilder builder;
  builder.set_control(true);
  builder.append(WallTime(9), std::string_view("\0\0\0\1", 4), std::string_view("\0\0", 2), {});
  builder.set_next_offset_delta(7);
  builder.append(WallTime(9), "k", std::nullopt, {});
  std::string out;
  builder.finish(out);
  const auto header = parse_batch_header(out);
  ASSERT_TRUE(header.is_ok());
  EXPECT_TRUE(header->is_control);
  EXPECT_EQ(header->last_offset_delta, 7);
  EXPECT_EQ(header->record_count, 2);
  set_base_offset(out, 0, Offset(100));
  const auto records = read_all(out);
  ASSERT_TRUE(records.is_ok()) << records.status().to_string();
  EXPECT_EQ(records->at(0).offset, 100);
  EXPECT_EQ(records->at(0).key, std::string("\0\0\0\1", 4));
  EXPECT_EQ(records->at(1).offset, 107);
}

TEST(RecordBatch, log_append_time_is_every_records_timestamp) {
  auto bytes = from_hex(kNoneHex);
  bytes[22] = static_cast<char>(bytes[22] | 8);
  fix_crc(bytes);
  const auto records = read_all(bytes);
  ASSERT_TRUE(records.is_ok());
  for (const auto& record : *records) EXPECT_EQ(record.timestamp, kBaseTimestamp + 70000);
}

TEST(RecordBatch, extreme_timestamps_come_back) {
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  RecordBatchBuilder builder;
  for (const auto timestamp : {kMin, kMax, std::int64_t{-1}}) {
    builder.append(WallTime(timestamp), std::nullopt, std::nullopt, {});
  }
  std::string out;
  builder.finish(out);
  const auto records = read_all(out);
  ASSERT_TRUE(records.is_ok());
  EXPECT_EQ(records->at(0).timestamp, kMin);
  EXPECT_EQ(records->at(1).timestamp, kMax);
  EXPECT_EQ(records->at(2).timestamp, -1);
}

TEST(RecordBatch, bytes_behind_the_batch_are_ignored_but_readable) {
  const auto bytes = from_hex(kNoneHex) + std::string(10, 'x');
  BatchReader reader;
  ASSERT_TRUE(reader.open(bytes).is_ok());
  const auto* record = reader.next();
  ASSERT_NE(record, nullptr);
  const char* const at = record->value->data();
  EXPECT_EQ(reader.readable_bytes_from(at),
            static_cast<std::size_t>(bytes.data() + bytes.size() - at));
  const auto packed = from_hex(kSnappyHex);
  ASSERT_TRUE(reader.open(packed).is_ok());
  while (const auto* next = reader.next()) {
    if (!next->value) continue;
    EXPECT_GE(reader.readable_bytes_from(next->value->data()),
              next->value->size() + BatchReader::kPaddingBytes);
  }
  EXPECT_TRUE(reader.status().is_ok());
}

TEST(RecordBatch, wrong_headers_are_refused) {
  const auto code_after = [](auto&& change) {
    auto bytes = from_hex(kNoneHex);
    change(bytes);
    fix_crc(bytes);
    return read_all(bytes).status().code();
  };
  EXPECT_EQ(code_after([](std::string&) {}), StatusCode::ok);
  EXPECT_EQ(code_after([](std::string& b) { b[16] = 1; }), StatusCode::unsupported);
  EXPECT_EQ(code_after([](std::string& b) { b[16] = 3; }), StatusCode::corrupt);
  EXPECT_EQ(code_after([](std::string& b) { b[22] = 5; }), StatusCode::unsupported);
  for (const std::int32_t length : {-1, 0, 48, 49, 323, 325, 0x7fffffff}) {
    EXPECT_EQ(code_after([&](std::string& b) { store_big(b.data() + 8, length); }),
              StatusCode::corrupt)
        << length;
  }
  for (const std::int32_t count : {-1, 3, 5, 0x7fffffff}) {
    EXPECT_EQ(code_after([&](std::string& b) { store_big(b.data() + 57, count); }),
              StatusCode::corrupt)
        << count;
  }
  for (const std::int32_t delta : {-1, 2}) {
    EXPECT_EQ(code_after([&](std::string& b) { store_big(b.data() + 23, delta); }),
              StatusCode::corrupt)
        << delta;
  }
  for (const std::int64_t offset : {std::int64_t{-1}, std::numeric_limits<std::int64_t>::max() - 2,
                                    std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_EQ(code_after([&](std::string& b) { store_big(b.data(), offset); }), StatusCode::corrupt)
        << offset;
  }
  auto bytes = from_hex(kNoneHex);
  bytes[30] ^= 1;
  EXPECT_EQ(read_all(bytes).status().code(), StatusCode::corrupt) << "CRC";
}

TEST(RecordBatch, counts_and_offsets_are_checked_to_the_last_one) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  auto bytes = from_hex(kLz4Hex);
  store_big(bytes.data() + 57, std::int32_t{5});  // of four offsets
  EXPECT_EQ(parse_batch_header(bytes).status().code(), StatusCode::corrupt);
  bytes = from_hex(kLz4Hex);
  store_big(bytes.data(), kMax - 4);
  EXPECT_EQ(parse_batch_header(bytes)->next_offset().value, kMax);
  store_big(bytes.data(), kMax - 3);
  EXPECT_EQ(parse_batch_header(bytes).status().code(), StatusCode::corrupt);
}

TEST(RecordBatch, compressed_counts_that_lie_are_refused) {
  for (const std::int32_t count : {3, 5, 1000}) {
    auto bytes = from_hex(kLz4Hex);
    store_big(bytes.data() + 23, std::int32_t{5000});
    store_big(bytes.data() + 57, count);
    fix_crc(bytes);
    EXPECT_EQ(read_all(bytes).status().code(), StatusCode::corrupt) << count;
  }
}

TEST(RecordBatch, batch_that_compaction_emptied_is_read) {
  const auto bytes = batch_of("", 0, 9);
  const auto records = read_all(bytes);
  ASSERT_TRUE(records.is_ok()) << records.status().to_string();
  EXPECT_TRUE(records->empty());
}

TEST(RecordBatch, malformed_records_are_corrupt) {
  using namespace std::string_view_literals;
  const auto status_of = [](std::string_view body) {
    return read_all(batch_of(body, 1, 3)).status();
  };
  // length 6, attributes, timestamp delta 0, offset delta 0, null key, null value, no headers
  EXPECT_TRUE(status_of("\x0c\x00\x00\x00\x01\x01\x00"sv).is_ok());
  // The same with an offset delta of three and a padded but legal varint.
  EXPECT_TRUE(status_of("\x0e\x00\x00\x86\x00\x01\x01\x00"sv).is_ok());
  const std::vector<std::pair<std::string_view, std::string_view>> cases = {
      {"\x0a\x00\x00\x00\x01\x01\x00"sv, "its length is impossible"},
      {"\x0e\x00\x00\x00\x01\x01\x00"sv, "its length is impossible"},
      {"\x01\x00\x00\x00\x01\x01\x00"sv, "its length is impossible"},
      {"\xff\xff\xff\xff\x1f\x00\x00\x00\x00"sv, "its length is not a varint"},
      {"\x80\x80\x80\x80\x80\x00\x00\x00"sv, "its length is not a varint"},
      {"\x16\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"sv, "its timestamp delta is not a varint"},
      {"\x0c\x00\x80\x80\x80\x80\x80"sv, "its timestamp delta is not a varint"},
      {"\x0c\x00\x00\x01\x01\x01\x00"sv, "its offset delta does not grow or exceeds the header's"},
      {"\x0c\x00\x00\x08\x01\x01\x00"sv, "its offset delta does not grow or exceeds the header's"},
      {"\x0c\x00\x00\x00\x03\x01\x00"sv, "its key is malformed"},
      {"\x0c\x00\x00\x00\x06\x01\x00"sv, "its key is malformed"},
      {"\x0c\x00\x00\x00\x01\x05\x00"sv, "its value is malformed"},
      {"\x0c\x00\x00\x00\x01\x04\x00"sv, "its value is malformed"},
      {"\x0c\x00\x00\x00\x01\x01\x01"sv, "its header count is impossible"},
      {"\x0c\x00\x00\x00\x01\x01\x02"sv, "its header count is impossible"},
      {"\x10\x00\x00\x00\x01\x01\x02\x01\x00"sv, "a header's key is malformed"},
      {"\x10\x00\x00\x00\x01\x01\x02\x00\x03"sv, "a header's value is malformed"},
      {"\x12\x00\x00\x00\x01\x01\x02\x00\x00\x00"sv, "bytes are left over after its headers"},
      {"\x0e\x00\x00\x00\x01\x01\x00\x00"sv, "bytes are left over after its headers"},
      {"\x0c\x00\x00\x00\x01\x01\x00\x00"sv, "bytes are left over after the last record"},
  };
  for (const auto& [body, message] : cases) {
    const auto status = status_of(body);
    EXPECT_EQ(status.code(), StatusCode::corrupt) << message;
    EXPECT_TRUE(status.message().ends_with(message)) << status.message() << " / " << message;
  }
}

TEST(RecordBatch, repeated_offset_delta_is_corrupt) {
  const std::string record("\x0c\x00\x00\x02\x01\x01\x00", 7);
  EXPECT_EQ(read_all(batch_of(record + record, 2, 3)).status().code(), StatusCode::corrupt);
}

TEST(RecordBatch, random_batches_come_back_in_every_compression) {
  constexpr std::uint64_t kSeed = 1;
  SCOPED_TRACE(kSeed);
  Random random(kSeed);
  const auto text = [&](std::uint64_t most) {
    return std::string(random.below(most), static_cast<char>('a' + random.below(26)));
  };
  RecordBatchBuilder builder;
  for (int round = 0; round < 200; ++round) {
    std::vector<OwnedRecord> records(1 + random.below(40));
    std::int64_t offset = 0;
    for (auto& record : records) {
      record.offset = offset++;
      record.timestamp = kBaseTimestamp + static_cast<std::int64_t>(random.below(1u << 30));
      if (!random.one_in(4)) record.key = text(70);
      if (!random.one_in(4)) record.value = text(random.one_in(20) ? 40'000 : 200);
      for (auto left = random.below(3); left > 0; --left) {
        record.headers.emplace_back(text(10), std::nullopt);
        if (random.one_in(2)) record.headers.back().second = text(100);
      }
    }
    builder.set_compression(static_cast<Compression>(random.below(5)));
    append_all(builder, records);
    std::string out;
    builder.finish(out);
    const auto back = read_all(out);
    ASSERT_TRUE(back.is_ok()) << back.status().to_string();
    ASSERT_EQ(*back, records);
  }
}

TEST(RecordBatch, mutated_batches_never_crash) {
  constexpr std::uint64_t kSeed = 2;
  SCOPED_TRACE(kSeed);
  Random random(kSeed);
  for (const auto hex : {kNoneHex, kGzipHex, kSnappyHex, kLz4Hex, kZstdHex}) {
    const auto golden = from_hex(hex);
    for (int round = 0; round < 4000; ++round) {
      auto bytes = golden;
      for (auto left = 1 + random.below(3); left > 0; --left) {
        bytes[random.below(bytes.size())] = static_cast<char>(random.next());
      }
      fix_crc(bytes);
      // Exactly as many bytes as there are, so that reading beyond them is seen by the sanitizer.
      const std::vector<char> exact(bytes.begin(), bytes.end());
      (void)read_all({exact.data(), exact.size()}).is_ok();
    }
    for (std::size_t bytes = 0; bytes < golden.size(); ++bytes) {
      EXPECT_FALSE(read_all(std::string_view(golden).substr(0, bytes)).is_ok());
    }
  }
}

}  // namespace
}  // namespace millrace::codec
