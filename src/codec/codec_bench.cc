// Nanoseconds per record of the codec's hot paths. Records are the ticks of the example pipeline:
// 142 bytes of JSON with 6 fields, 500 to a batch, with a key and two headers where headers are
// said.

#include <benchmark/benchmark.h>

#include <array>
#include <string>
#include <vector>

#include "codec/foreign_batch.h"
#include "codec/json.h"
#include "codec/record_batch.h"
#include "codec/row_decoder.h"

namespace millrace::codec {
namespace {

constexpr int kRecordsPerBatch = 500;
constexpr std::int64_t kBaseTimestamp = 1340285400017;

std::string tick(int i) {
  const auto id = std::to_string(100'000 + i).substr(1);
  const auto micros = std::to_string(1'000'000 + i * 1973 % 1'000'000).substr(1);
  return "{\"event_id\":\"amzn-20120621-" + id + "\",\"timestamp\":\"2012-06-21T13:30:00." +
         micros + "Z\",\"ticker\":\"AMZN\",\"price\":\"223." + std::to_string(10 + i % 90) +
         "\",\"volume\":" + std::to_string(100 + i % 300) + ",\"source\":\"lobster\"}";
}

const std::vector<std::string>& ticks() {
  static const auto all = [] {
    std::vector<std::string> texts;
    for (int i = 0; i < kRecordsPerBatch; ++i) texts.push_back(tick(i));
    return texts;
  }();
  return all;
}

RowLayout tick_layout() {
  const auto field = [](std::string name, FieldType type) {
    Field made;
    made.name = std::move(name);
    made.type = type;
    return made;
  };
  RowLayout layout;
  layout.fields = {field("event_id", FieldType::string), field("timestamp", FieldType::timestamp),
                   field("ticker", FieldType::string),   field("price", FieldType::decimal),
                   field("volume", FieldType::int64),    field("source", FieldType::string)};
  return layout;
}

void build_batch(RecordBatchBuilder& builder, bool has_headers, std::string& out) {
  const std::array<HeaderToAppend, 2> headers = {
      HeaderToAppend{"millrace-source", "input_topic/3/123456789"},
      HeaderToAppend{"millrace-pipeline", "ticks@1"}};
  const auto used =
      has_headers ? std::span<const HeaderToAppend>(headers) : std::span<const HeaderToAppend>();
  std::int64_t timestamp = kBaseTimestamp;
  for (const auto& text : ticks()) builder.append(WallTime(timestamp++), "AMZN", text, used);
  builder.finish(out);
}

void set_per_record(benchmark::State& state) {
  state.counters["per_record"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * kRecordsPerBatch,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void batch_build(benchmark::State& state) {
  RecordBatchBuilder builder;
  std::string out;
  for (auto _ : state) {
    out.clear();
    builder.set_compression(static_cast<Compression>(state.range(0)));
    build_batch(builder, state.range(1) != 0, out);
    benchmark::DoNotOptimize(out.data());
  }
  set_per_record(state);
}

void batch_read(benchmark::State& state) {
  RecordBatchBuilder builder(static_cast<Compression>(state.range(0)));
  std::string batch;
  build_batch(builder, state.range(1) != 0, batch);
  BatchReader reader;
  for (auto _ : state) {
    if (!reader.open(batch).is_ok()) state.SkipWithError("open");
    std::size_t bytes = 0;
    while (const RecordView* record = reader.next()) bytes += record->value->size();
    benchmark::DoNotOptimize(bytes);
  }
  set_per_record(state);
}

// Without opening: the cost of next() alone.
void batch_next(benchmark::State& state) {
  RecordBatchBuilder builder;
  std::string batch;
  build_batch(builder, state.range(0) != 0, batch);
  BatchReader reader;
  for (auto _ : state) {
    state.PauseTiming();
    if (!reader.open(batch).is_ok()) state.SkipWithError("open");
    state.ResumeTiming();
    std::size_t bytes = 0;
    while (const RecordView* record = reader.next()) bytes += record->value->size();
    benchmark::DoNotOptimize(bytes);
  }
  set_per_record(state);
}

void row_decode(benchmark::State& state) {
  const auto layout = tick_layout();
  RowDecoder decoder(layout, layout.fields.size());
  std::vector<Value> row(layout.fields.size());
  Arena arena;
  for (auto _ : state) {
    for (const auto& text : ticks()) {
      arena.reset();
      const auto outcome = decoder.decode(text, text.size(), arena, row);
      if (outcome.mismatches != 0 || !outcome.status.is_ok()) state.SkipWithError("decode");
      benchmark::DoNotOptimize(row.data());
    }
  }
  set_per_record(state);
}

void json_parse(benchmark::State& state) {
  JsonParser parser;
  Arena arena;
  for (auto _ : state) {
    for (const auto& text : ticks()) {
      arena.reset();
      if (!parser.parse(text, arena).is_ok()) state.SkipWithError("parse");
    }
  }
  set_per_record(state);
}

void json_append(benchmark::State& state) {
  JsonParser parser;
  Arena arena;
  const auto value = parser.parse(tick(7), arena);
  std::string out;
  for (auto _ : state) {
    for (int i = 0; i < kRecordsPerBatch; ++i) {
      out.clear();
      append_json(out, *value);
      benchmark::DoNotOptimize(out.data());
    }
  }
  set_per_record(state);
}

// What the door adds to a batch that comes over the network: every record is looked at.
void foreign_batch(benchmark::State& state) {
  RecordBatchBuilder builder(static_cast<Compression>(state.range(0)));
  std::string batch;
  build_batch(builder, state.range(1) != 0, batch);
  BatchReader reader;
  for (auto _ : state) {
    const auto bytes = check_foreign_batch(batch, {}, reader);
    if (!bytes.is_ok()) state.SkipWithError("check");
    benchmark::DoNotOptimize(*bytes);
  }
  set_per_record(state);
}

BENCHMARK(row_decode);
BENCHMARK(json_parse);
BENCHMARK(json_append);
BENCHMARK(batch_next)->Arg(0)->Arg(1)->ArgName("headers");
BENCHMARK(batch_read)->ArgsProduct({{0, 1, 2, 3, 4}, {0, 1}})->ArgNames({"codec", "headers"});
BENCHMARK(foreign_batch)->ArgsProduct({{0, 3}, {0, 1}})->ArgNames({"codec", "headers"});
BENCHMARK(batch_build)->ArgsProduct({{0, 1, 2, 3, 4}, {0, 1}})->ArgNames({"codec", "headers"});

}  // namespace
}  // namespace millrace::codec

BENCHMARK_MAIN();
