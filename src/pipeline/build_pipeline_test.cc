#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/pipeline_twin.h"

namespace millrace::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr const char* kSchema = R"({
  "type": "object", "required": ["id", "t", "k", "x"],
  "properties": {
    "id": {"type": "string"}, "t": {"type": "string", "format": "date-time"},
    "k": {"type": "string"}, "kind": {"type": "string"}, "n": {"type": "integer"},
    "x": {"type": ["string", "number"], "format": "decimal"}, "list": {"type": "array"}
  }})";
constexpr const char* kTable = "id,name\nA,first\n";

// Lines 1 to 3 of every pipeline here.
constexpr const char* kHead =
    "pipeline: p\n"
    "source: { topic: in, key: k, event_time: t }\n"
    "validate: { schema: s.json }\n";

std::map<std::string, std::string> files() {
  return {{"s.json", kSchema}, {"t.csv", kTable}};
}

std::vector<std::string> faults_of(const std::string& text) {
  std::vector<std::string> faults;
  const auto outcome = build_pipeline(options_for(text, files()));
  for (const auto& error : outcome.errors) faults.push_back(to_string(error));
  EXPECT_EQ(faults.empty(), outcome.pipeline != nullptr);
  return faults;
}
std::vector<std::string> faults_behind_head(const std::string& tail) {
  return faults_of(kHead + tail);
}

TEST(BuildPipeline, the_smallest_pipeline_has_no_faults) {
  EXPECT_THAT(faults_behind_head(""), IsEmpty());
}

TEST(BuildPipeline, a_misspelt_key_comes_with_line_and_suggestion) {
  EXPECT_THAT(faults_behind_head("windows:\n"
                                 "  - name: w\n"
                                 "    tumblin: 1m\n"
                                 "    aggregates: { n: count() }\n"
                                 "    emit_to: out\n"),
              testing::Contains(AllOf(HasSubstr("p.yaml:6:5: windows[0].tumblin: "),
                                      HasSubstr("did you mean `tumbling`?"))));
}

TEST(BuildPipeline, broken_yaml_is_a_fault_with_its_line) {
  EXPECT_THAT(faults_of("pipeline: p\nsource: {"), ElementsAre(HasSubstr("p.yaml:2:")));
  EXPECT_THAT(faults_of(""), testing::Not(IsEmpty()));
}

TEST(BuildPipeline, unknown_names_in_expressions_are_faults_at_their_line) {
  EXPECT_THAT(faults_of("pipeline: p\n"
                        "source: { topic: in, event_time: t }\n"
                        "validate:\n"
                        "  schema: s.json\n"
                        "  rules:\n"
                        "    - { name: r, expr: kindd == 'a' }\n"),
              ElementsAre(AllOf(HasSubstr("p.yaml:6:24: validate.rules[0].expr: "),
                                HasSubstr("unknown name 'kindd'; did you mean 'kind'?"))));
}

TEST(BuildPipeline, types_that_make_no_sense_are_faults) {
  EXPECT_THAT(
      faults_of(std::string("pipeline: p\nsource: { topic: in, event_time: t }\n"
                            "validate: { schema: s.json, rules: [{ name: r, expr: n + 1 }] }\n"
                            "dedup: { id: n }\n")),
      ElementsAre(HasSubstr("validate.rules[0].expr: a rule must be a boolean, but `n + 1` is "),
                  HasSubstr("dedup.id: the id must be a string, but `n` is ")));
  const auto window = [](const std::string& key, const std::string& call) {
    return faults_behind_head("windows: [{ name: w, key: " + key +
                              ", tumbling: 1m, aggregates: { a: \"" + call +
                              "\" }, emit_to: out }]\n");
  };
  EXPECT_THAT(window("k", "sum(x)"), IsEmpty());
  EXPECT_THAT(window("n", "count()"),
              ElementsAre(HasSubstr("windows[0].key: a window's key must be a string")));
  EXPECT_THAT(window("k", "sum(kind)"),
              ElementsAre(HasSubstr("windows[0].aggregates.a: the argument must be an integer or "
                                    "decimal, but `kind` is a string")));
  EXPECT_THAT(window("k", "max(list)"), ElementsAre(HasSubstr("windows[0].aggregates.a: ")));
  EXPECT_THAT(window("k", "sum(x > 1)"), ElementsAre(HasSubstr("windows[0].aggregates.a: ")));
}

TEST(BuildPipeline, aggregate_calls_are_checked) {
  const auto call = [](const std::string& text) {
    return faults_behind_head("windows: [{ name: w, key: k, tumbling: 1m, aggregates: { a: \"" +
                              text + "\" }, emit_to: out }]\n");
  };
  EXPECT_THAT(call("avg(x, 2)"), IsEmpty());
  EXPECT_THAT(call(" max( x ) "), IsEmpty());
  EXPECT_THAT(call("avg(max(x, 3.5))"), IsEmpty());
  EXPECT_THAT(call("avg(x, y)"), ElementsAre(HasSubstr("number of digits")));
  EXPECT_THAT(call("avg(x, 19)"), ElementsAre(HasSubstr("number of digits from 0 to 18")));
  EXPECT_THAT(call("median(x)"), ElementsAre(HasSubstr("median(x) is not an aggregate; write ")));
  EXPECT_THAT(call("sum(x"), ElementsAre(HasSubstr("is not an aggregate")));
  EXPECT_THAT(call("sum()"), ElementsAre(HasSubstr("sum() needs an argument")));
  EXPECT_THAT(call("count(x)"), ElementsAre(HasSubstr("count() takes no argument")));
}

TEST(BuildPipeline, durations_and_window_shapes_are_checked) {
  const auto window = [](const std::string& shape) {
    return faults_behind_head("windows: [{ name: w, key: k, " + shape +
                              ", aggregates: { a: count() }, emit_to: out }]\n");
  };
  EXPECT_THAT(window("tumbling: 1m"), IsEmpty());
  EXPECT_THAT(window("sliding: { size: 1h, every: 10m }"), IsEmpty());
  EXPECT_THAT(window("tumbling: 1 minute"), ElementsAre(HasSubstr("windows[0].tumbling: ")));
  EXPECT_THAT(window("tumbling: 0s"),
              ElementsAre(HasSubstr("a window's size must be a positive multiple of its step")));
  EXPECT_THAT(window("sliding: { size: 1h, every: 7m }"),
              ElementsAre(HasSubstr("a window's size must be a positive multiple of its step")));
  EXPECT_THAT(window("sliding: { size: 30d, every: 1s }"),
              ElementsAre(HasSubstr("an event would fall into more than 10000 windows")));
  EXPECT_THAT(window("tumbling: 36501d"),
              testing::Contains(HasSubstr("windows[0].tumbling: 36501d is longer than 36500d")));
  EXPECT_THAT(window("tumbling: 1m, out_of_orderness: 1s"),
              ElementsAre(HasSubstr("windows[0].out_of_orderness: is not supported yet")));
}

TEST(BuildPipeline, the_source_names_fields_of_the_schema) {
  const auto source = [](const std::string& fields) {
    return faults_of("pipeline: p\nsource: { topic: in, " + fields +
                     " }\nvalidate: { schema: s.json }\n");
  };
  EXPECT_THAT(
      source("event_time: time"),
      ElementsAre("p.yaml:2:34: source.event_time: the schema has no field time; it has: id, "
                  "t, k, kind, n, x, list"));
  EXPECT_THAT(source("event_time: k"),
              ElementsAre(HasSubstr("k must be a timestamp, the schema says string")));
  EXPECT_THAT(source("event_time: t, key: n"),
              ElementsAre(HasSubstr("n must be a string, the schema says ")));
}

TEST(BuildPipeline, files_that_are_missing_or_wrong_are_faults) {
  const auto text = std::string(kHead) + "enrich: { tables: { t: { file: t.csv, key: id } } }\n";
  const auto faults = [&](std::map<std::string, std::string> given) {
    BuildOptions options;
    options.file_name = "p.yaml";
    options.text = text;
    options.files = std::move(given);
    std::vector<std::string> out;
    for (const auto& error : build_pipeline(options).errors) out.push_back(to_string(error));
    return out;
  };
  EXPECT_THAT(faults({}), ElementsAre(HasSubstr("validate.schema: file s.json cannot be read")));
  EXPECT_THAT(faults({{"s.json", "{"}}), ElementsAre(HasSubstr("validate.schema: s.json: ")));
  EXPECT_THAT(faults({{"s.json", kSchema}}),
              ElementsAre(HasSubstr("enrich.tables.t.file: file t.csv cannot be read")));
  EXPECT_THAT(faults({{"s.json", kSchema}, {"t.csv", "id,name\nA,first\nA,again\n"}}),
              ElementsAre(HasSubstr("t.csv: line 3: key A is there twice")));
  EXPECT_THAT(files_named(text), UnorderedElementsAre("s.json", "t.csv"));
  EXPECT_THAT(files_named("{"), IsEmpty());
}

TEST(BuildPipeline, computed_fields_need_new_names_and_only_see_those_before_them) {
  EXPECT_THAT(faults_behind_head("enrich: { fields: { a: n + 1, b: a + 1 } }\n"), IsEmpty());
  EXPECT_THAT(faults_behind_head("enrich: { fields: { kind: n + 1 } }\n"),
              ElementsAre(HasSubstr("enrich.fields.kind: kind is a field already")));
  EXPECT_THAT(faults_behind_head("enrich: { fields: { a: b + 1, b: n } }\n"),
              ElementsAre(HasSubstr("enrich.fields.a: ")));
}

TEST(BuildPipeline, a_declared_type_must_be_what_the_expression_gives) {
  EXPECT_THAT(faults_behind_head("enrich: { fields: { a: { expr: k, type: string } } }"),
              IsEmpty());
  EXPECT_THAT(faults_behind_head("enrich: { fields: { a: { expr: k, type: integer } } }"),
              ElementsAre(HasSubstr("a is declared an integer, but `k` is a string")));
  EXPECT_THAT(faults_behind_head("enrich: { tables: { t: { file: t.csv, key: id } },\n"
                                 "          fields: { a: { expr: \"list[0]\", type: decimal } } }"),
              ElementsAre(HasSubstr("the type of `list[0]` depends on the event, so decimal cannot "
                                    "be promised")));
}

TEST(BuildPipeline, lake_sinks_take_what_they_do_not_say_from_the_installation) {
  auto options = options_for(std::string(kHead) +
                                 "sinks:\n"
                                 "  - { lake: a }\n"
                                 "  - { lake: b, roll: { size: 1MiB }, compression: none }\n"
                                 "  - { lake: c, format: json }\n",
                             files());
  const auto lakes = [&] {
    std::vector<std::string> out;
    const auto plan = build_or_fail(options);
    for (const auto& lake : plan->lakes) {
      out.push_back(lake.compression + " " + std::to_string(lake.roll_bytes) + " " +
                    std::to_string(lake.roll_interval_ms));
    }
    out.insert(out.end(), plan->warnings.begin(), plan->warnings.end());
    return out;
  };
  EXPECT_THAT(lakes(),
              ElementsAre("zstd 67108864 60000", "none 1048576 60000", "gzip 67108864 60000"));
  options.lake = {5 << 20, 7000, "snappy"};
  EXPECT_THAT(lakes(), ElementsAre("snappy 5242880 7000", "none 1048576 7000", "gzip 5242880 7000",
                                   HasSubstr("lake c is JSON lines, which cannot be snappy")));
}

TEST(BuildPipeline, names_that_would_be_fought_over_are_faults) {
  const std::string one = "name: w, key: k, tumbling: 1m, aggregates: { a: count() }, emit_to: out";
  EXPECT_THAT(faults_behind_head("windows: [{ " + one + " }, { " + one + " }]\n"),
              ElementsAre(HasSubstr("windows[1].name: there is another window w")));
  EXPECT_THAT(faults_behind_head("windows: [{ name: source, key: k, tumbling: 1m, aggregates: { a: "
                                 "count() }, emit_to: out }]\n"),
              ElementsAre(HasSubstr("the source stage has this name")));
  for (const std::string name : {"k", "revision", "is_final", "window_start"}) {
    EXPECT_THAT(faults_behind_head("windows: [{ name: w, key: k, tumbling: 1m, aggregates: { " +
                                   name + ": count() }, emit_to: out }]\n"),
                ElementsAre(HasSubstr(name + " is a member of every result")));
    EXPECT_THAT(faults_behind_head("windows: [{ " + one + ", fields: { " + name + ": a } }]\n"),
                ElementsAre(HasSubstr(name + " is a member of the result already")));
  }
  EXPECT_THAT(faults_behind_head("sinks: [{ topic: out }, { topic: out }]\n"),
              ElementsAre(HasSubstr("another sink for topic out")));
}

TEST(BuildPipeline, times_in_milliseconds_need_windows_that_begin_at_one) {
  const auto with_length = [](const std::string& length) {
    return faults_behind_head("windows: [{ name: w, key: k, tumbling: " + length +
                              ", times: epoch_ms, aggregates: { a: count() }, emit_to: out }]\n");
  };
  EXPECT_THAT(with_length("1500us"),
              ElementsAre(HasSubstr("windows[0].times: epoch_ms needs windows that begin at")));
  EXPECT_THAT(with_length("1ms"), ElementsAre());
}

TEST(BuildPipeline, what_is_written_may_not_be_what_is_read) {
  EXPECT_THAT(faults_behind_head("sinks: [{ topic: in }]\n"),
              ElementsAre(HasSubstr("in is the source")));
  EXPECT_THAT(faults_behind_head("dead_letters: { topic: in }\n"),
              ElementsAre(HasSubstr("dead_letters.topic: in is the source")));
}

TEST(BuildPipeline, sinks_refer_to_what_is_there) {
  const std::string window =
      "windows: [{ name: w, key: k, tumbling: 1m, aggregates: { a: count() }, emit_to: out }]\n";
  EXPECT_THAT(faults_behind_head(window + "sinks: [{ feature_group: g, from: v, record_id: k }]\n"),
              ElementsAre(HasSubstr("sinks[0].from: there is no window v")));
  EXPECT_THAT(
      faults_behind_head(window + "sinks: [{ feature_group: g, from: w, record_id: n }]\n"),
      ElementsAre(HasSubstr("sinks[0].record_id: the record id must be the window's key, k")));
  EXPECT_THAT(faults_behind_head(window + "sinks: [{ feature_group: g, from: w, record_id: k, "
                                          "event_time: t }]\n"),
              ElementsAre(HasSubstr("must be window_end or window_start")));
  const std::string in_ms =
      "windows: [{ name: w, key: k, tumbling: 1m, times: epoch_ms, aggregates: { a: count() }, "
      "emit_to: out }]\n";
  EXPECT_THAT(faults_behind_head(in_ms + "sinks: [{ feature_group: g, from: w, record_id: k }]\n"),
              ElementsAre(HasSubstr("sinks[0].from: a feature group needs times as texts")));
  EXPECT_THAT(faults_behind_head("sinks: [{ lake: l, partition_by: [year, ticker] }]\n"),
              ElementsAre(HasSubstr("ticker is neither year, month, day, hour nor a field")));
  EXPECT_THAT(faults_behind_head(window + "sinks: [{ lake: l, from: w }]\n"),
              ElementsAre(HasSubstr("sinks[0].from: is not supported yet")));
}

TEST(BuildPipeline, every_fault_is_named_not_only_the_first) {
  EXPECT_EQ(
      faults_of(
          "pipeline: p\nsource: { topic: in, event_time: t }\n"
          "validate: { schema: s.json, rules: [{ name: a, expr: y }, { name: b, expr: z }] }\n"
          "dedup: { id: w }\n")
          .size(),
      3u);
}

// --- what comes out ---

TEST(BuildPipeline, topics_fit_the_partitions_that_are_there) {
  auto options = options_for(std::string(kHead) + "sinks: [{ topic: out }]\n", files());
  options.default_partition_count = 3;
  auto built = build_or_fail(options);
  ASSERT_NE(built, nullptr);
  EXPECT_EQ(built->source.source_partition_count, 3);
  options.partition_counts = {{"in", 8}, {"out", 2}};
  built = build_or_fail(options);
  ASSERT_NE(built, nullptr);
  EXPECT_EQ(built->source.source_partition_count, 8);
  EXPECT_EQ(built->source.outputs[built->source.enriched_outputs[0]].partition_count, 2);

  auto fixed = options_for(
      "pipeline: p\nsource: { topic: in, event_time: t, partitions: 4 }\nvalidate: { schema: "
      "s.json }\n",
      files());
  fixed.partition_counts = {{"in", 8}};
  const auto outcome = build_pipeline(fixed);
  ASSERT_EQ(outcome.errors.size(), 1u);
  EXPECT_THAT(to_string(outcome.errors[0]),
              HasSubstr("source.partitions: topic in has 8 partitions"));
}

TEST(BuildPipeline, windows_by_the_partition_key_are_local_and_others_are_merged) {
  const auto ticks = shipped_pipeline("ticks");
  ASSERT_EQ(ticks->source.windows.size(), 1u);
  EXPECT_TRUE(ticks->source.windows[0].local.has_value());
  EXPECT_TRUE(ticks->merges.empty());
  EXPECT_EQ(ticks->features.size(), 1u);

  const auto orders = shipped_pipeline("orders");
  ASSERT_EQ(orders->merges.size(), 1u);
  EXPECT_FALSE(orders->source.windows[0].local.has_value());
  EXPECT_TRUE(orders->merges[0].window.local.has_value());
  EXPECT_EQ(orders->merges[0].repartition_topic, "millrace.orders.orders_5m.partials");
  EXPECT_EQ(orders->merges[0].upstream_partition_count, 4);
  std::vector<std::string> internal;
  for (const auto& topic : orders->topics) {
    if (topic.is_internal) internal.push_back(topic.name);
  }
  EXPECT_THAT(internal, UnorderedElementsAre(
                            "millrace.orders.tables", "millrace.orders.orders_5m.partials",
                            "millrace.orders.orders_5m.journal", "millrace.orders.source.journal"));
}

TEST(BuildPipeline, the_files_hash_is_of_text_and_schema) {
  const auto hash = [](const std::string& text, const std::string& schema) {
    auto given = files();
    given["s.json"] = schema;
    const auto built = build_or_fail(options_for(text, given));
    return built == nullptr ? Hash128() : built->file;
  };
  const auto base = hash(kHead, kSchema);
  EXPECT_EQ(hash(kHead, kSchema), base);
  EXPECT_NE(hash(std::string(kHead) + "# a word\n", kSchema), base);
  EXPECT_NE(hash(kHead, std::string(kSchema) + " "), base);
}

}  // namespace
}  // namespace millrace::pipeline
