#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "codec/json.h"
#include "pipeline/yaml_document.h"

namespace millrace::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string source_file(const std::string& name) {
  std::ifstream stream(std::string(MILLRACE_SOURCE_DIR) + "/" + name, std::ios::binary);
  EXPECT_TRUE(stream.good()) << name;
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::vector<std::string> check(std::string_view text) {
  std::vector<Diagnostic> found;
  const auto document = YamlDocument::parse(text, found);
  const auto schema = codec::JsonSchema::compile(source_file("schemas/pipeline.schema.json"));
  EXPECT_TRUE(schema.is_ok()) << schema.status().to_string();
  if (document != nullptr && schema.is_ok()) found = validate_yaml(*document, *schema);
  std::vector<std::string> out;
  for (const auto& one : found) out.push_back(to_string(one));
  return out;
}

constexpr std::string_view kHead =
    "pipeline: p\nsource: { topic: in, event_time: t }\nvalidate: { schema: s.json }\n";

std::vector<std::string> check_tail(std::string_view tail) {
  return check(std::string(kHead) + std::string(tail));
}

// Every schema under `properties` must say what the key is for.
void expect_descriptions(const Value& schema, const std::string& place) {
  if (schema.kind() == ValueKind::list) {
    for (const Value& item : schema.as_list()) expect_descriptions(item, place);
  }
  if (schema.kind() != ValueKind::map) return;
  for (const MapEntry& entry : schema.as_map()) {
    const std::string inner = place + "/" + std::string(entry.key.as_string());
    if (entry.key.as_string() == "properties" && !place.ends_with("/then") &&
        !place.ends_with("/if")) {
      for (const MapEntry& property : entry.value.as_map()) {
        const std::string name = inner + "/" + std::string(property.key.as_string());
        bool is_described = false;
        for (const MapEntry& keyword : property.value.as_map()) {
          const std::string_view word = keyword.key.as_string();
          is_described |= word == "description" || word == "$ref";
        }
        EXPECT_TRUE(is_described) << name;
      }
    }
    expect_descriptions(entry.value, inner);
  }
}

TEST(PipelineSchema, every_key_has_a_description) {
  Arena arena;
  const auto schema = codec::parse_json(source_file("schemas/pipeline.schema.json"), arena);
  ASSERT_TRUE(schema.is_ok()) << schema.status().to_string();
  expect_descriptions(*schema, "#");
}

TEST(PipelineSchema, accepts_the_pipelines_that_come_with_the_project) {
  EXPECT_THAT(check(source_file("pipelines/ticks.yaml")), IsEmpty());
  EXPECT_THAT(check(source_file("pipelines/orders.yaml")), IsEmpty());
  EXPECT_THAT(check(source_file("pipelines/peer_ticks.yaml")), IsEmpty());
}

TEST(PipelineSchema, accepts_every_key_there_is) {
  EXPECT_THAT(check(R"yaml(
pipeline: all
version: 3
source: { topic: in, format: json, key: k, event_time: t, out_of_orderness: 250ms,
          max_ahead: 2h, max_jump: 1d, jump_confirmations: 3, idle_after: 5s,
          idle_advance: on, partitions: 8 }
validate: { schema: s.json, rules: [{ name: r, expr: a > 0, message: no }] }
dedup: { id: "a + b", ttl: 24h, on_duplicate: drop }
enrich:
  tables: { t1: { file: t.csv, key: id, format: csv } }
  fields: { one: 1, two: { expr: "a * 2", type: decimal }, three: true }
windows:
  - { name: w1, key: k, tumbling: 1m, out_of_orderness: 1s, allowed_lateness: 10m,
      times: epoch_ms, aggregates: { n: count() }, fields: { double: n * 2 }, emit_to: out.1 }
  - { name: w2, sliding: { size: 10m, every: 1m }, aggregates: { a: "avg(x, 2)" }, emit_to: out-2 }
sinks:
  - { topic: enriched }
  - { lake: l, from: w1, format: json, compression: gzip, partition_by: [year, ticker],
      roll: { size: 1048576, interval: 60s } }
  - { feature_group: f-1, from: w1, record_id: k, event_time: window_end }
dead_letters: { topic: dlq, id_field_name: attempted_order_id }
)yaml"),
              IsEmpty());
}

TEST(PipelineSchema, says_what_is_missing) {
  EXPECT_THAT(check("version: 1\n"),
              ElementsAre(":1:1: pipeline: is required", ":1:1: source: is required",
                          ":1:1: validate: is required"));
}

TEST(PipelineSchema, durations_and_sizes_are_explained) {
  EXPECT_THAT(check_tail("dedup: { id: e, ttl: 24 }\n"),
              ElementsAre(":4:22: dedup.ttl: must be a duration such as 250ms, 30s, 5m, 24h or 1d, "
                          "but is an integer"));
  EXPECT_THAT(check_tail("dedup: { id: e, ttl: 24 hours }\n"),
              ElementsAre(":4:22: dedup.ttl: must be a duration such as 250ms, 30s, 5m, 24h or 1d, "
                          "but is \"24 hours\""));
  EXPECT_THAT(check_tail("sinks: [{ lake: l, roll: { size: big } }]\n"),
              ElementsAre(HasSubstr("sinks[0].roll.size: must be a size such as 64MiB")));
}

TEST(PipelineSchema, a_window_tumbles_or_slides) {
  EXPECT_THAT(check_tail("windows: [{ name: w, aggregates: { n: count() }, emit_to: o }]\n"),
              ElementsAre(HasSubstr("windows[0].tumbling: is required")));
  EXPECT_THAT(
      check_tail("windows: [{ name: w, aggregates: { n: count() }, emit_to: o, tumbling: 1m,\n"
                 "  sliding: { size: 1m, every: 1s } }]\n"),
      ElementsAre(HasSubstr(":4:72: windows[0].tumbling: is not allowed")));
}

TEST(PipelineSchema, an_unquoted_call_with_a_comma_is_explained) {
  EXPECT_THAT(
      check_tail(
          "windows: [{ name: w, tumbling: 1m, emit_to: o, aggregates: { a: avg(x, 4) } }]\n"),
      ElementsAre(
          ":4:72: windows[0].aggregates.4): the name \"4)\" must be a name of letters, digits "
          "and underscores that does not start with a digit; if it is the rest of a call, put "
          "the call in quotes: inside { } a comma ends a value"));
}

TEST(PipelineSchema, sinks_are_known_by_their_first_key) {
  EXPECT_THAT(
      check_tail(
          "sinks: [{ lake: l, fromat: json }, { feature_group: g, from: w }, { tpic: x }]\n"),
      ElementsAre(HasSubstr("unknown key `fromat`; did you mean `format`?"),
                  HasSubstr("sinks[1].record_id: is required"),
                  HasSubstr("sinks[2].topic: is required"),
                  HasSubstr("unknown key `tpic`; did you mean `topic`?")));
  EXPECT_THAT(
      check_tail("sinks: [{ lake: l, format: json, compression: snappy }]\n"),
      ElementsAre(HasSubstr("must be one of \"gzip\", \"zstd\", \"none\", but is \"snappy\"")));
}

TEST(EventSchemas, ticks_and_orders_describe_rows) {
  for (const char* name : {"schemas/tick.schema.json", "schemas/order.schema.json"}) {
    const auto schema = codec::JsonSchema::compile(source_file(name));
    ASSERT_TRUE(schema.is_ok()) << schema.status().to_string();
    EXPECT_TRUE(schema->is_row_checkable()) << name;
  }
  const auto order = codec::JsonSchema::compile(source_file("schemas/order.schema.json"));
  Arena arena;
  std::vector<codec::SchemaViolation> found;
  EXPECT_TRUE(order->validate(
      *codec::parse_json(R"({"order_id": "o1", "customer_id": "CUST-US-1", "amount": "1250.50",
        "currency": "USD", "status": "confirmed", "timestamp": "2025-01-15T10:30:00Z",
        "items_count": 3})",
                         arena),
      found));
  EXPECT_FALSE(order->validate(
      *codec::parse_json(R"({"order_id": "o1", "amount": 12.5, "items_count": "3"})", arena),
      found));
  std::vector<std::string> messages;
  for (const auto& violation : found) messages.push_back(violation.message);
  EXPECT_THAT(messages,
              ElementsAre("customer_id is required", "amount must be a string, but is a number",
                          "currency is required", "status is required", "timestamp is required",
                          "items_count must be an integer, but is a string"));
}

}  // namespace
}  // namespace millrace::pipeline
