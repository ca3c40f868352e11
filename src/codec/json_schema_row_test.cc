#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "codec/json.h"
#include "codec/json_schema.h"
#include "codec/row_decoder.h"

// check_row against its slow twin, validate, on random schemas and documents.

namespace millrace::codec {
namespace {

constexpr std::string_view kFieldSchemas[] = {
    R"({"type": "string"})",
    R"({"type": "string", "minLength": 2, "maxLength": 4})",
    R"({"type": "string", "pattern": "^[A-Z]{1,3}$"})",
    R"({"type": "string", "pattern": "a.*b"})",
    R"({"type": "string", "enum": ["USD", "EUR", "JPY"]})",
    R"({"type": "string", "enum": ["USD", null], "format": "uuid"})",
    R"({"type": ["string", "null"], "enum": ["USD", "AA", "UEurope", "pending_payment"]})",
    R"({"type": ["string", "null"], "maxLength": 3})",
    R"({"type": "string", "const": "USD"})",
    R"({"type": "string", "format": "ipv4"})",
    R"({"type": "string", "format": "date-time"})",
    R"({"type": ["string", "null"], "format": "date-time"})",
    R"({"type": "string", "format": "decimal", "x-precision": 6, "x-scale": 2})",
    R"({"type": ["string", "number"], "format": "decimal", "x-precision": 6, "x-scale": 2})",
    R"({"type": "number", "minimum": 0.5, "maximum": 99.5})",
    R"({"type": "number", "exclusiveMinimum": 1, "x-precision": 6, "x-scale": 2})",
    R"({"type": "number", "enum": [1, 2.5]})",
    R"({"type": "integer"})",
    R"({"type": "integer", "minimum": 1, "exclusiveMaximum": 100})",
    R"({"type": "integer", "minimum": 0.5, "multipleOf": 2})",
    R"({"type": ["integer", "null"], "maximum": 5})",
    R"({"type": "boolean"})",
    R"({"type": "boolean", "const": true})",
    R"({"type": "array", "items": {"type": "integer"}, "minItems": 1})",
    R"({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}})",
    R"({"type": ["string", "integer"], "minimum": 2, "minLength": 2})",
    R"({"type": ["array", "object", "null"]})",
    R"({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 3}]})",
    R"({"type": "string", "not": {"pattern": "^U"}})",
    R"({"$ref": "#/definitions/code"})",
    "true",
    "false",
};

// "AA" and "AAA" have the same first word, as have the two that are pending.
constexpr std::string_view kValues[] = {
    "\"\\u00e9\"",
    "\"AA\"",
    "\"AAA\"",
    "\"pending_payment\"",
    "\"pending_pAyment\"",
    "null",
    "true",
    "false",
    "0",
    "1",
    "2",
    "7",
    "100",
    "-3",
    "2.5",
    "1.0",
    "99.75",
    "1e2",
    "\"\"",
    "\"A\"",
    "\"USD\"",
    "\"EUR\"",
    "\"UEurope\"",
    "\"5\"",
    "\"1.50\"",
    "\"1.505\"",
    "\"12345\"",
    "\"1.2.3.4\"",
    "\"2012-06-21T13:30:00Z\"",
    "[]",
    "[1]",
    "[1, \"x\"]",
    "{}",
    R"({"a": "b"})",
    R"({"a": 1})",
    "\"axb\"",
    "\"\\u00e9\\u00e9\\u00e9\"",
    "\"0c5f4bd0-6df1-4d29-a5f5-6d9e1f0cf0a1\"",
};

struct RandomCase {
  std::string schema;
  std::string document;
};

RandomCase random_case(Random& random) {
  RandomCase out;
  const auto count = 1 + random.below(4);
  std::string properties;
  std::string required;
  std::vector<std::string> members;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string name = "\"f" + std::to_string(i) + "\"";
    properties += (i == 0 ? "" : ", ") + name + ": " +
                  std::string(kFieldSchemas[random.below(std::size(kFieldSchemas))]);
    if (random.one_in(2)) required += (required.empty() ? "" : ", ") + name;
    if (!random.one_in(6)) {
      members.push_back(name + ": " + std::string(kValues[random.below(std::size(kValues))]));
    }
  }
  if (random.one_in(3)) members.emplace_back("\"unknown\": [1]");
  for (std::size_t i = members.size(); i > 1; --i)
    std::swap(members[i - 1], members[random.below(i)]);
  out.schema = R"({"type": "object", "properties": {)" + properties + R"(}, "required": [)" +
               required + R"(], "definitions": {"code": {"type": "string", "maxLength": 3}}})";
  for (const std::string& member : members)
    out.document += (out.document.empty() ? "{" : ", ") + member;
  out.document = (out.document.empty() ? "{" : out.document) + "}";
  return out;
}

std::string text_of(const std::vector<SchemaViolation>& violations) {
  std::string out;
  for (const auto& violation : violations) {
    out += violation.instance_path + " " + violation.keyword + " " + violation.property + " " +
           violation.message + "\n";
  }
  return out;
}

TEST(RowCheck, agrees_with_validate_on_random_schemas_and_documents) {
  constexpr std::uint64_t kSeed = 7;
  SCOPED_TRACE(kSeed);
  Random random(kSeed);
  int valid = 0;
  int without_mismatch = 0;
  for (int round = 0; round < 6000; ++round) {
    const RandomCase made = random_case(random);
    SCOPED_TRACE(made.schema + "\n" + made.document);
    const auto schema = JsonSchema::compile(made.schema);
    ASSERT_TRUE(schema.is_ok()) << schema.status().to_string();
    ASSERT_TRUE(schema->is_row_checkable());
    const auto layout = schema->row_layout();
    ASSERT_TRUE(layout.is_ok());

    Arena arena;
    std::vector<Value> row(layout->fields.size());
    RowDecoder decoder(*layout, row.size());
    const auto outcome = decoder.decode(made.document, made.document.size(), arena, row);
    ASSERT_TRUE(outcome.status.is_ok()) << outcome.status.to_string();
    std::vector<SchemaViolation> expected;
    const bool is_valid = schema->validate(*parse_json(made.document, arena), expected);
    valid += is_valid ? 1 : 0;

    std::vector<SchemaViolation> found;
    ASSERT_EQ(schema->check_row(row, outcome.mismatches, made.document, arena, found), is_valid);
    ASSERT_EQ(text_of(found), text_of(expected));
    found.clear();
    ASSERT_EQ(schema->check_row(row, outcome.mismatches, found), is_valid);
    if (outcome.mismatches != 0) continue;
    ++without_mismatch;
    ASSERT_EQ(text_of(found), text_of(expected));
  }
  EXPECT_GT(valid, 300);
  EXPECT_GT(without_mismatch, 1000);
}

// A row of one field, so that no other field's fault sends it to the slow path.
TEST(RowCheck, one_field_alone_agrees_with_validate_for_every_schema_and_value) {
  for (const std::string_view field : kFieldSchemas) {
    const auto schema =
        JsonSchema::compile(R"({"properties": {"f": )" + std::string(field) +
                            R"(}, "definitions": {"code": {"type": "string", "maxLength": 3}}})");
    ASSERT_TRUE(schema.is_ok()) << schema.status().to_string();
    const auto layout = schema->row_layout();
    RowDecoder decoder(*layout, 1);
    for (const std::string_view value : kValues) {
      const std::string text = R"({"f": )" + std::string(value) + "}";
      SCOPED_TRACE(std::string(field) + "\n" + text);
      Arena arena;
      std::vector<Value> row(1);
      const auto outcome = decoder.decode(text, text.size(), arena, row);
      std::vector<SchemaViolation> expected;
      schema->validate(*parse_json(text, arena), expected);
      std::vector<SchemaViolation> found;
      schema->check_row(row, outcome.mismatches, text, arena, found);
      ASSERT_EQ(text_of(found), text_of(expected));
    }
  }
}

TEST(RowCheck, a_mismatch_says_what_would_be_right) {
  const auto schema = JsonSchema::compile(
      R"({"properties": {"n": {"type": "integer"}, "t": {"type": "string", "format": "date-time"},
          "d": {"type": "string", "format": "decimal"}, "s": {"type": ["string", "null"]}}})");
  ASSERT_TRUE(schema.is_ok());
  const std::vector<Value> row(4);
  std::vector<SchemaViolation> found;
  EXPECT_FALSE(schema->check_row(row, 0b1111, found));
  EXPECT_EQ(
      text_of(found),
      "/n type  n must be an integer of at most 64 bits\n"
      "/t type  t must be a date-time such as 2012-06-21T13:30:00Z\n"
      "/d type  d must be a decimal number with at most 34 digits before and 4 after the point\n"
      "/s type  s must be a string or null\n");
}

TEST(RowCheck, what_only_the_row_forbids_is_reported_beside_the_rest) {
  const auto schema =
      JsonSchema::compile(R"({"properties": {"n": {"type": "integer"}, "s": {"type": "string"}}})");
  ASSERT_TRUE(schema.is_ok());
  Arena arena;
  const std::string_view text = R"({"n": 99999999999999999999, "s": 1})";
  std::vector<Value> row(2);
  const auto layout = schema->row_layout();
  RowDecoder decoder(*layout, 2);
  const auto outcome = decoder.decode(text, text.size(), arena, row);
  std::vector<SchemaViolation> found;
  EXPECT_FALSE(schema->check_row(row, outcome.mismatches, text, arena, found));
  EXPECT_EQ(text_of(found),
            "/s type  s must be a string, but is an integer\n"
            "/n type  n must be an integer of at most 64 bits\n");
}

}  // namespace
}  // namespace millrace::codec
