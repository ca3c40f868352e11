#pragma once

// For tests of replays and traces only: a runtime with two kinds of windows over a real log, fed
// with random events of every kind.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time_text.h"
#include "runtime/runtime.h"
#include "runtime/runtime_for_tests.h"
#include "sys/real_clock.h"

namespace millrace::ops {

using pipeline::PlainRecord;

class ReplayedWorld {
 public:
  static constexpr std::int32_t kPartitions = 2;

  std::size_t dedup_open_ids_max = task::Dedup::kOpenIdsMax;  // from the next start on

  explicit ReplayedWorld(std::uint64_t seed, std::int64_t checkpoint_interval_ms = 1'000'000'000)
      : storage_(clock_), random_(seed), checkpoint_interval_ms_(checkpoint_interval_ms) {}
  ~ReplayedWorld() { runtime_.reset(); }

  // `version` also changes what is computed; `on_duplicate` is dead_letter or drop.
  static std::string text(int version, const std::string& on_duplicate = "dead_letter") {
    return "pipeline: p\nversion: " + std::to_string(version) + R"yaml(
source: { topic: in, key: k, event_time: t, out_of_orderness: 2s, partitions: 2 }
validate: { schema: s.json, rules: [{ name: small, expr: x < 90, message: x must be small }] }
dedup: { id: id, ttl: 60s, on_duplicate: )yaml" +
           on_duplicate + R"yaml( }
enrich:
  tables: { names: { file: names.csv, key: k } }
  fields: { name: "names[k].name", third: "300 / (x - 7)", v: ")yaml" +
           std::to_string(version) + R"yaml(" }
windows:
  - { name: w, key: k, tumbling: 5s, allowed_lateness: 5s, emit_to: results,
      aggregates: { n: count(), total: sum(x) } }
  - { name: g, key: group, sliding: { size: 10s, every: 5s }, allowed_lateness: 5s, emit_to: groups,
      aggregates: { n: count(), total: sum(x), last_name: last(name) } }
sinks: [{ topic: out }, { feature_group: f, from: w, record_id: k, event_time: window_end }]
dead_letters: { topic: dlq }
)yaml";
  }
  static constexpr const char* kSchema = R"({
    "type": "object", "required": ["id", "t", "k", "x"],
    "properties": {"id": {"type": "string"}, "t": {"type": "string", "format": "date-time"},
                   "k": {"type": "string"}, "group": {"type": "string"},
                   "x": {"type": "integer"}}})";

  void start(const std::string& pipeline_text = text(1)) {
    runtime::RuntimeOptions options;
    options.parallelism = 1;
    options.owner = "owner";
    options.checkpoint_interval_ms = checkpoint_interval_ms_;
    options.dedup_open_ids_max = dedup_open_ids_max;
    options.on_failure = [](const Status& status) { ADD_FAILURE() << status.to_string(); };
    runtime_ = std::make_unique<runtime::Runtime>(storage_.log(), storage_.objects(), clock_,
                                                  std::move(options));
    std::vector<std::unique_ptr<pipeline::Pipeline>> plans;
    plans.push_back(pipeline::build_or_fail(pipeline::options_for(
        pipeline_text, {{"s.json", kSchema}, {"names.csv", "k,name\na,Anna\nb,Bert\n"}})));
    const auto status = runtime_->start(std::move(plans));
    ASSERT_TRUE(status.is_ok()) << status.to_string();
  }
  void stop() {
    const auto status = runtime_->stop();
    ASSERT_TRUE(status.is_ok()) << status.to_string();
    runtime_.reset();
  }
  void crash() {
    runtime_.reset();
    storage_.crash();
  }
  void drain() { ASSERT_TRUE(runtime_->drain(runner()).is_ok()); }

  // Good, late, repeated, faulty and unreadable events in batches of up to 12.
  void feed(int batches) {
    for (int i = 0; i < batches; ++i) {
      const auto partition = static_cast<std::int32_t>(random_.below(kPartitions));
      std::vector<PlainRecord> records;
      for (std::uint64_t n = 0; n <= random_.below(12); ++n) records.push_back(event(partition));
      storage_.append({"in", partition}, records);
    }
  }
  PlainRecord event(std::int32_t partition) {
    ++number_;
    const auto seconds =
        number_ / 6 + static_cast<int>(random_.below(6)) - (random_.one_in(15) ? 40 : 0);
    const std::string key(1, static_cast<char>((partition == 0 ? 'a' : 'd') + random_.below(3)));
    std::string json = R"({"id":")" + id_of(random_.below(3000)) + R"(","t":")" +
                       time_text(seconds) + R"(","k":")" + key + R"(","group":")" +
                       std::string(1, static_cast<char>('p' + random_.below(3))) + R"(","x":)" +
                       std::to_string(random_.below(100)) + "}";
    if (random_.one_in(30)) json.resize(json.size() / 2);
    if (random_.one_in(30)) json.insert(1, R"("v":1,)");
    return pipeline::record_of(random_.one_in(40) ? "elsewhere" : key, json);
  }
  static std::string id_of(std::uint64_t n) { return "id-" + std::to_string(n); }
  static std::string time_text(int seconds) {
    return format_event_time(EventTime((1'699'990'000 + seconds) * 1'000'000LL));
  }

  [[nodiscard]] runtime::PipelineRunner& runner() { return *runtime_->pipelines().front(); }
  [[nodiscard]] runtime::Runtime& runtime() { return *runtime_; }
  [[nodiscard]] runtime::Storage& storage() { return storage_; }
  [[nodiscard]] const Clock& clock() const { return clock_; }
  [[nodiscard]] const runtime::TaskRunner& task(std::size_t stage, std::size_t partition) {
    return *runner().stages()[stage].tasks[partition];
  }

 private:
  sys::RealClock clock_;
  runtime::Storage storage_;
  Random random_;
  int number_ = 0;
  std::int64_t checkpoint_interval_ms_;
  std::unique_ptr<runtime::Runtime> runtime_;
};

}  // namespace millrace::ops
