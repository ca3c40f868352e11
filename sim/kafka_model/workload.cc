#include "sim/kafka_model/workload.h"

#include <cstdio>

#include "base/check.h"
#include "base/time_text.h"
#include "codec/record_batch.h"

namespace millrace::kafka_model {
namespace {

constexpr const char* kPipeline = R"yaml(
pipeline: p
source: { topic: in, key: k, event_time: t, out_of_orderness: 2s, partitions: PARTITIONS }
validate: { schema: s.json, rules: [{ name: small, expr: x < 95 }] }
dedup: { id: id, ttl: 1h }
windows:
  - { name: by_key, key: k, tumbling: 10s, allowed_lateness: 1h, emit_to: by_key_out,
      aggregates: { n: count(), total: sum(x) } }
  - { name: by_kind, key: kind, tumbling: 10s, allowed_lateness: 1h, emit_to: by_kind_out,
      aggregates: { n: count(), total: sum(x) } }
sinks:
  - { topic: out }
  - { lake: out_lake, format: json, compression: none, partition_by: [],
      roll: { size: 64KiB, interval: 2s } }
dead_letters: { topic: dlq }
)yaml";
constexpr const char* kSchema = R"({
  "type": "object", "required": ["id", "t", "k", "kind", "x"],
  "properties": {"id": {"type": "string"}, "t": {"type": "string", "format": "date-time"},
                 "k": {"type": "string"}, "kind": {"type": "string"}, "x": {"type": "integer"}}})";

}  // namespace

std::unique_ptr<pipeline::Pipeline> make_plan(std::int32_t partition_count) {
  pipeline::BuildOptions options;
  options.file_name = "p.yaml";
  options.text = kPipeline;
  const std::string count_here = "PARTITIONS";
  options.text.replace(options.text.find(count_here), count_here.size(),
                       std::to_string(partition_count));
  options.files["s.json"] = kSchema;
  options.default_partition_count = 2;
  options.hash_secret = 7;
  auto outcome = pipeline::build_pipeline(options);
  for (const auto& error : outcome.errors) {
    std::fprintf(stderr, "%s\n", pipeline::to_string(error).c_str());
  }
  MR_CHECK(outcome.pipeline != nullptr);
  return std::move(outcome.pipeline);
}

std::string Workload::next_batch(std::int32_t& partition) {
  partition =
      static_cast<std::int32_t>(random_.below(static_cast<std::uint64_t>(partition_count_)));
  codec::RecordBatchBuilder builder;
  for (auto left = 1 + random_.below(6); left > 0; --left) {
    now_us_ += static_cast<std::int64_t>(random_.below(300'000));
    Event event;
    event.id = "e" + std::to_string(events_.size());
    event.partition = partition;
    event.key = std::to_string(partition) + static_cast<char>('a' + random_.below(2));
    event.kind = std::string(1, static_cast<char>('A' + random_.below(3)));
    event.time_us = now_us_ - static_cast<std::int64_t>(random_.below(1'500'000));
    event.x = static_cast<std::int64_t>(random_.below(100));
    if (!events_.empty() && random_.one_in(12)) {
      const auto& old = events_[random_.below(events_.size())];
      if (old.partition == partition) {
        event = old;
        event.is_repeat = true;
      }
    }
    const auto text = R"({"id":")" + event.id + R"(","t":")" +
                      format_event_time(EventTime(event.time_us)) + R"(","k":")" + event.key +
                      R"(","kind":")" + event.kind + R"(","x":)" + std::to_string(event.x) + "}";
    builder.append(WallTime(0), event.key, text, {});
    events_.push_back(std::move(event));
  }
  std::string bytes;
  builder.finish(bytes);
  return bytes;
}

}  // namespace millrace::kafka_model
