// How fast records become files: decode, sort into folders, encode, compress. Bytes are of JSON in.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "codec/record_batch.h"
#include "lake/range_buffer.h"

namespace millrace::lake {
namespace {

constexpr std::size_t kRows = 200'000;
constexpr std::size_t kBatchRows = 500;

WriterConfig make_writer(FileFormat format, codec::Compression compression) {
  WriterConfig writer;
  writer.format = format;
  writer.compression = compression;
  writer.partition_by = {"year", "month", "day", "hour"};
  writer.layout.fields = {
      {"event_id", FieldType::string}, {"timestamp", FieldType::timestamp},
      {"ticker", FieldType::string},   {"price", FieldType::decimal, true, false, 18, 4},
      {"volume", FieldType::int64},    {"source", FieldType::string},
      {"sector", FieldType::string},   {"notional", FieldType::decimal, true, false, 38, 4}};
  writer.event_time_slot = 1;
  return writer;
}

struct Input {
  std::vector<log::FetchedBatch> batches;
  std::size_t json_bytes = 0;
};

Input make_input() {
  Input input;
  Random random(1);
  Offset next(0);
  std::size_t row = 0;
  while (row < kRows) {
    codec::RecordBatchBuilder builder(codec::Compression::lz4);
    for (std::size_t i = 0; i < kBatchRows; ++i, ++row) {
      char text[400];
      const auto cents = static_cast<unsigned>(20'000 + random.below(4000));
      const auto volume = static_cast<unsigned>(1 + random.below(500));
      const auto bytes = std::snprintf(
          text, sizeof text,
          R"({"event_id":"amzn-20120621-%08zu","timestamp":"2012-06-21T13:%02zu:%02zu.%06uZ",)"
          R"("ticker":"T%03u","price":"%u.%02u","volume":%u,"source":"lobster",)"
          R"("sector":"Technology","notional":"%u.%02u00"})",
          row, row / 3600 % 60, row / 60 % 60, static_cast<unsigned>(random.below(1'000'000)),
          static_cast<unsigned>(random.below(500)), cents / 100, cents % 100, volume,
          cents * volume / 100, cents * volume % 100);
      const std::string_view value(text, static_cast<std::size_t>(bytes));
      builder.append(WallTime(1000), "key", value, {});
      input.json_bytes += value.size();
    }
    std::string bytes;
    builder.finish(bytes);
    codec::set_base_offset(bytes, 0, next);
    const auto end = next + static_cast<std::int64_t>(kBatchRows);
    input.batches.push_back({SharedBytes(std::move(bytes)), next, end, WallTime(1000)});
    next = end;
  }
  return input;
}

void write_range(benchmark::State& state, FileFormat format, codec::Compression compression) {
  const auto input = make_input();
  const auto writer = std::make_shared<const WriterConfig>(make_writer(format, compression));
  RangeIdentity identity;
  identity.sink = "ticks";
  identity.folder = "lake/ticks";
  identity.source = {"output_topic", 0};
  std::size_t file_bytes = 0;
  std::size_t buffered_bytes = 0;
  for (auto _ : state) {
    RangeBuffer range(writer, identity, Offset(0), {});
    for (const auto& batch : input.batches) {
      MR_CHECK(range.add(batch).is_ok());
      buffered_bytes = std::max(buffered_bytes, range.buffered_bytes());
    }
    MR_CHECK(range.refused().empty());
    const auto files = range.finish();
    MR_CHECK(files.is_ok());
    file_bytes = 0;
    for (const auto& file : *files) file_bytes += file.bytes.size();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(input.json_bytes) * state.iterations());
  state.SetItemsProcessed(static_cast<std::int64_t>(kRows) * state.iterations());
  state.counters["json_mb"] = static_cast<double>(input.json_bytes) / 1e6;
  state.counters["file_mb"] = static_cast<double>(file_bytes) / 1e6;
  state.counters["buffer_mb"] = static_cast<double>(buffered_bytes) / 1e6;
}

BENCHMARK_CAPTURE(write_range, parquet_zstd, FileFormat::parquet, codec::Compression::zstd)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(write_range, parquet_gzip, FileFormat::parquet, codec::Compression::gzip)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(write_range, parquet_snappy, FileFormat::parquet, codec::Compression::snappy)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(write_range, parquet_none, FileFormat::parquet, codec::Compression::none)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(write_range, json_gzip, FileFormat::json_lines, codec::Compression::gzip)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(write_range, json_zstd, FileFormat::json_lines, codec::Compression::zstd)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(write_range, json_none, FileFormat::json_lines, codec::Compression::none)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace millrace::lake
