#include "task/explain.h"

#include <gmock/gmock.h>

#include "base/time_text.h"
#include "codec/json.h"
#include "pipeline/pipeline_twin.h"
#include "task/window.h"

// What is said of single records, against what a source task with a history makes of them.

namespace millrace::pipeline {
namespace {

constexpr WallTime kNow{1'700'000'000'000};
constexpr std::int32_t kPartition = 1;

constexpr const char* kPipeline = R"yaml(
pipeline: p
source: { topic: in, key: k, event_time: t, out_of_orderness: 2s, partitions: 2 }
validate:
  schema: s.json
  rules:
    - { name: small, expr: x < 90, message: x must be small }
    - { name: odd, expr: "100 / (x - 3) != 7" }
dedup: { id: id, ttl: 60s, on_duplicate: DUPLICATES }
enrich:
  tables: { names: { file: names.csv, key: k } }
  fields: { name: "names[k].name", third: "300 / (x - 7)", at: processing_time }
windows:
  - { name: w, key: k, tumbling: 5s, allowed_lateness: 5s, emit_to: results,
      aggregates: { n: count() } }
  - { name: g, key: "group", sliding: { size: 20s, every: 5s }, allowed_lateness: 5s,
      emit_to: groups, aggregates: { n: count() } }
sinks: [{ topic: out }]
dead_letters: { topic: dlq }
)yaml";
constexpr const char* kSchema = R"({
  "type": "object", "required": ["id", "k", "x"],
  "properties": {"id": {"type": ["string", "null"]}, "t": {"type": "string", "format": "date-time"},
                 "k": {"type": "string"}, "group": {"type": "string"}, "x": {"type": "integer"}}})";

std::unique_ptr<Pipeline> make_plan(const std::string& on_duplicate) {
  std::string text = kPipeline;
  text.replace(text.find("DUPLICATES"), 10, on_duplicate);
  return build_or_fail(
      options_for(text, {{"s.json", kSchema}, {"names.csv", "k,name\na,Anna\nb,Bert\n"}}));
}

PlainRecord random_event(Random& random, int number) {
  const auto seconds = number / 5 + static_cast<int>(random.below(6)) -
                       (random.one_in(10) ? static_cast<int>(random.below(60)) : 0) +
                       (random.one_in(60) ? 100'000 : 0);
  const std::string key(1, static_cast<char>('a' + random.below(3)));
  const auto text = [](const std::string& value) { return "\"" + value + "\""; };
  std::string json = R"({"id":)";
  json += random.one_in(40) ? "null" : text("e" + std::to_string(random.below(500)));
  if (!random.one_in(40)) {
    json +=
        R"(,"t":)" + text(format_event_time(EventTime((1'699'990'000 + seconds) * 1'000'000LL)));
  }
  json += R"(,"k":)" + text(key);
  if (!random.one_in(20)) json += R"(,"group":)" + text(std::to_string(random.below(3)));
  json += R"(,"x":)" + (random.one_in(40) ? text("y") : std::to_string(random.below(110))) + "}";
  if (random.one_in(40)) json.resize(random.below(json.size()));
  if (random.one_in(40)) json.insert(1, R"("third":1,)");
  auto record = record_of(random.one_in(40) ? "other" : key, json);
  if (random.one_in(60)) record.value.reset();
  record.headers.emplace_back("h", "v");
  record.timestamp = WallTime(5);
  return record;
}

std::string member(const std::string& json, std::string_view name) {
  Arena arena;
  const auto value = codec::parse_json(json, arena);
  EXPECT_TRUE(value.is_ok());
  for (const auto& entry : value->as_map()) {
    if (entry.key.as_string() == name) return std::string(entry.value.as_string());
  }
  return "";
}

struct Real {
  std::vector<std::string> rows;
  std::vector<std::string> letters;  // of row stages
  std::vector<std::string> window_letters;
};

class ExplainTwin {
 public:
  explicit ExplainTwin(const Pipeline& plan)
      : plan_(plan),
        task_(task::make_source_task(plan.source, kPartition, own_tables(plan))),
        outputs_(plan.source.outputs),
        explainer_(plan.source, own_tables(plan),
                   {{"names", task::table_content_hash(plan.tables[0].content)}}) {
    EXPECT_TRUE(task_
                    ->apply_event(task::TableVersionEntry{"names", task::table_content_hash(
                                                                       plan.tables[0].content)},
                                  kNow, outputs_)
                    .is_ok());
  }

  void check(const PlainRecord& record) {
    const auto before = task_->report();
    const auto batch = batch_of(std::span(&record, 1), task_->next_offset());
    codec::BatchReader reader;
    ASSERT_TRUE(reader.open(batch).is_ok());
    const auto explained = explainer_.explain(*reader.next(), kPartition, kNow);
    ASSERT_TRUE(explained.is_ok()) << explained.status().to_string();
    ASSERT_TRUE(task_->apply(batch, kNow, outputs_).is_ok());
    const auto real = take();
    const auto after = task_->report();
    const bool is_dropped = after.counters.dropped_duplicates > before.counters.dropped_duplicates;
    if (is_dropped || (!real.letters.empty() && member(real.letters[0], "stage") == "dedup" &&
                       member(real.letters[0], "error_type") == "DUPLICATE")) {
      ++duplicates;
      ASSERT_TRUE(explained->id.has_value());
      EXPECT_TRUE(!explained->refusal || explained->refusal->stage == "enrich");
      return;
    }
    ASSERT_EQ(explained->refusal.has_value(), !real.letters.empty());
    if (explained->refusal) {
      ++refused[explained->refusal->stage];
      EXPECT_EQ(explained->refusal->error_type, member(real.letters[0], "error_type"));
      EXPECT_EQ(explained->refusal->stage, member(real.letters[0], "stage"));
      EXPECT_EQ(explained->refusal->message, member(real.letters[0], "error_message"));
      return;
    }
    ++passed;
    ASSERT_EQ(real.rows.size(), 1U);
    EXPECT_EQ(explained->enriched, real.rows[0]);
    for (const auto& field : explained->computed) {
      EXPECT_THAT(real.rows[0],
                  testing::HasSubstr("\"" + std::string(field.name) + "\":" + field.value));
    }
    for (const auto& rule : explained->rules) EXPECT_TRUE(rule.holds);
    check_windows(*explained, before, after);
  }

  int passed = 0;
  int duplicates = 0;
  std::map<std::string, int> refused;

 private:
  Real take() {
    Real real;
    for (const auto& batch : outputs_.take()) {
      for (const auto& record : records_in(batch.bytes)) {
        if (outputs_.topic(batch.output).topic == "out") real.rows.push_back(*record.value);
        if (outputs_.topic(batch.output).topic != "dlq") continue;
        const bool is_window = member(*record.value, "stage").starts_with("window ");
        (is_window ? real.window_letters : real.letters).push_back(*record.value);
      }
    }
    return real;
  }
  // Late by the rule itself: the watermark before has passed end + lateness (R15).
  void check_windows(const task::Explanation& explained, const task::TaskReport& before,
                     const task::TaskReport& after) {
    ASSERT_EQ(explained.windows.size(), plan_.source.windows.size());
    for (std::size_t w = 0; w < explained.windows.size(); ++w) {
      const auto& window = plan_.source.windows[w];
      const auto& was = before.counters.windows[w];
      const auto& is = after.counters.windows[w];
      EXPECT_EQ(is.failed - was.failed, explained.windows[w].error.empty() ? 0U : 1U);
      std::uint64_t late = 0;
      std::uint64_t counted = 0;
      for (const auto start : explained.windows[w].pane_starts_us) {
        const bool is_late =
            before.watermark != task::kNoWatermark &&
            start + window.length_us + window.allowed_lateness_us <= before.watermark.value;
        ++(is_late ? late : counted);
        EXPECT_LE(start, explained.event_time->value);
        EXPECT_GT(start + window.length_us, explained.event_time->value);
      }
      EXPECT_EQ(is.late - was.late, late);
      EXPECT_EQ(is.counted - was.counted, counted);
    }
  }

  const Pipeline& plan_;
  std::unique_ptr<task::Task> task_;
  task::Outputs outputs_;
  task::Explainer explainer_;
};

TEST(Explain, says_of_random_records_what_a_task_does_with_them) {
  for (const auto* on_duplicate : {"dead_letter", "drop"}) {
    const std::uint64_t seed = 20'240'611;
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const auto plan = make_plan(on_duplicate);
    ExplainTwin twin(*plan);
    for (int i = 0; i < 2500 && !testing::Test::HasFailure(); ++i) {
      const auto record = random_event(random, i);
      SCOPED_TRACE(record.value.value_or("(null)"));
      twin.check(record);
    }
    EXPECT_GT(twin.passed, 700);
    EXPECT_GT(twin.duplicates, 100);
    for (const auto* stage : {"decode", "schema", "key", "rules", "time", "dedup", "enrich"}) {
      EXPECT_GT(twin.refused[stage], 5) << stage;
    }
  }
}

TEST(Explain, names_rules_fields_and_panes) {
  const auto plan = make_plan("drop");
  task::Explainer explainer(plan->source, own_tables(*plan),
                            {{"names", task::table_content_hash(plan->tables[0].content)}});
  const auto record =
      record_of("a", R"({"id":"e1","t":"2023-11-14T22:13:07Z","k":"a","group":"g1","x":95})");
  const auto batch = batch_of(std::span(&record, 1), Offset(12));
  codec::BatchReader reader;
  ASSERT_TRUE(reader.open(batch).is_ok());
  const auto* view = reader.next();
  EXPECT_EQ(explainer.id_of(*view), "e1");
  const auto broken = explainer.explain(*view, kPartition, kNow);
  ASSERT_TRUE(broken.is_ok());
  EXPECT_EQ(broken->refusal->message, "x must be small");
  ASSERT_EQ(broken->rules.size(), 2U);
  EXPECT_FALSE(broken->rules[0].holds);
  EXPECT_EQ(broken->rules[0].expression, "x < 90");
  EXPECT_TRUE(broken->rules[1].holds);
  EXPECT_EQ(format_event_time(*broken->event_time), "2023-11-14T22:13:07Z");

  const auto good =
      record_of("a", R"({"id":"e1","t":"2023-11-14T22:13:07Z","k":"a","group":"g1","x":13})");
  const auto good_batch = batch_of(std::span(&good, 1), Offset(12));
  ASSERT_TRUE(reader.open(good_batch).is_ok());
  const auto passed = explainer.explain(*reader.next(), kPartition, kNow);
  ASSERT_TRUE(passed.is_ok());
  ASSERT_FALSE(passed->refusal.has_value());
  EXPECT_EQ(passed->computed[0].value, "\"Anna\"");
  EXPECT_EQ(passed->computed[1].value, "50");
  ASSERT_EQ(passed->windows.size(), 2U);
  EXPECT_EQ(passed->windows[0].key, "a");
  EXPECT_EQ(passed->windows[1].key, "g1");
  std::vector<std::string> starts;
  for (const auto start : passed->windows[1].pane_starts_us) {
    starts.push_back(format_event_time(EventTime(start)));
  }
  EXPECT_THAT(starts, testing::ElementsAre("2023-11-14T22:12:50Z", "2023-11-14T22:12:55Z",
                                           "2023-11-14T22:13:00Z", "2023-11-14T22:13:05Z"));
}

}  // namespace
}  // namespace millrace::pipeline
