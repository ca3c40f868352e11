#include "codec/json_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/json.h"

namespace millrace::codec {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// "pointer keyword: message" of every violation.
std::vector<std::string> violations_of(std::string_view schema_text, std::string_view document) {
  const auto schema = JsonSchema::compile(schema_text);
  EXPECT_TRUE(schema.is_ok()) << schema.status().to_string();
  if (!schema.is_ok()) return {};
  Arena arena;
  const auto value = parse_json(document, arena);
  EXPECT_TRUE(value.is_ok()) << value.status().to_string();
  if (!value.is_ok()) return {};
  std::vector<SchemaViolation> violations;
  EXPECT_EQ(schema->validate(*value, violations), violations.empty());
  std::vector<std::string> out;
  for (const auto& violation : violations) {
    out.push_back(violation.instance_path + " " + violation.keyword + ": " + violation.message);
  }
  return out;
}

std::string compile_error(std::string_view schema_text) {
  const auto schema = JsonSchema::compile(schema_text);
  return schema.is_ok() ? "compiled" : schema.status().to_string();
}

constexpr std::string_view kTick = R"({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "required": ["event_id", "price", "volume"],
  "properties": {
    "event_id": {"type": "string", "minLength": 1},
    "timestamp": {"type": "string", "format": "date-time"},
    "ticker": {"type": "string", "pattern": "^[A-Z]{1,10}$"},
    "price": {"type": "string", "format": "decimal", "x-precision": 18, "x-scale": 4},
    "volume": {"type": "integer", "minimum": 0}
  }
})";

TEST(JsonSchema, a_right_document_has_no_violation) {
  EXPECT_THAT(violations_of(kTick, R"({"event_id": "e1", "timestamp": "2012-06-21T13:30:00Z",
                                       "ticker": "AMZN", "price": "223.82", "volume": 100})"),
              IsEmpty());
}

TEST(JsonSchema, every_violation_is_a_sentence_in_the_order_of_the_schema) {
  EXPECT_THAT(
      violations_of(kTick, R"({"volume": "100", "ticker": "amzn", "timestamp": "yesterday",
                               "event_id": ""})"),
      ElementsAre("/event_id minLength: event_id must have at least 1 character, but has 0",
                  "/timestamp format: timestamp must be a date-time such as 2012-06-21T13:30:00Z, "
                  "but is \"yesterday\"",
                  "/ticker pattern: ticker must match ^[A-Z]{1,10}$, but is \"amzn\"",
                  " required: price is required",
                  "/volume type: volume must be an integer, but is a string"));
}

TEST(JsonSchema, a_decimal_string_is_held_to_its_precision_and_scale) {
  const auto price = [](std::string_view text) {
    return violations_of(
        kTick, R"({"event_id": "e", "volume": 1, "price": ")" + std::string(text) + "\"}");
  };
  EXPECT_THAT(price("12345678901234.1234"), IsEmpty());
  EXPECT_THAT(price("1.50000"), IsEmpty());
  const std::string words =
      "/price format: price must be a decimal number with at most 14 digits before and 4 after the "
      "point, but is ";
  EXPECT_THAT(price("1.00001"), ElementsAre(words + "\"1.00001\""));
  EXPECT_THAT(price("123456789012345"), ElementsAre(words + "\"123456789012345\""));
  EXPECT_THAT(price("12,5"), ElementsAre(words + "\"12,5\""));
}

TEST(JsonSchema, numbers_are_compared_exactly) {
  // 0.1 + 0.2 as doubles is not 0.3, and 2^53 + 1 is no double at all.
  EXPECT_THAT(violations_of(R"({"multipleOf": 0.1})", "0.3"), IsEmpty());
  EXPECT_THAT(violations_of(R"({"maximum": 9007199254740992})", "9007199254740993"),
              ElementsAre(" maximum: the document must be at most 9007199254740992, but is "
                          "9007199254740993"));
  EXPECT_THAT(violations_of(R"({"multipleOf": 1e-30})", "12345678901234567890.123"), IsEmpty());
  EXPECT_THAT(violations_of(R"({"multipleOf": 0.0125})", "1"), IsEmpty());
  EXPECT_THAT(violations_of(R"({"multipleOf": 0.0128})", "1"), ElementsAre(HasSubstr("0.0128")));
  EXPECT_THAT(violations_of(R"({"multipleOf": 0.03})", "99999999999999999999999999999999999.99"),
              IsEmpty());
  EXPECT_THAT(violations_of(R"({"multipleOf": 0.03})", "99999999999999999999999999999999999.98"),
              ElementsAre(HasSubstr("a multiple of 0.03")));
  EXPECT_THAT(violations_of(R"({"enum": [1.50]})", "1.5"), IsEmpty());
  EXPECT_THAT(violations_of(R"({"type": "integer"})", "3.0"), IsEmpty());
}

TEST(JsonSchema, nested_places_are_named_by_path_and_pointer) {
  EXPECT_THAT(
      violations_of(R"({"properties": {"items": {"items": {"required": ["a/b"],
                                "properties": {"a/b": {"exclusiveMinimum": 0}}}}}})",
                    R"({"items": [{"a/b": 1}, {}, {"a/b": 0}]})"),
      ElementsAre("/items/1 required: items[1].a/b is required",
                  "/items/2/a~1b exclusiveMinimum: items[2].a/b must be greater than 0, but "
                  "is 0"));
}

TEST(JsonSchema, an_unknown_property_comes_with_the_known_ones) {
  const auto schema = JsonSchema::compile(
      R"({"properties": {"source": true, "windows": true}, "additionalProperties": false})");
  ASSERT_TRUE(schema.is_ok());
  Arena arena;
  std::vector<SchemaViolation> violations;
  EXPECT_FALSE(schema->validate(*parse_json(R"({"windolws": 1, "source": 2})", arena), violations));
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_EQ(violations[0].instance_path, "");
  EXPECT_EQ(violations[0].property, "windolws");
  EXPECT_EQ(violations[0].message, "windolws is not a known property");
  EXPECT_THAT(violations[0].known_properties, ElementsAre("source", "windows"));
}

TEST(JsonSchema, of_several_forms_the_nearest_one_is_explained) {
  constexpr std::string_view kForms = R"({"anyOf": [
    {"type": "string"},
    {"type": "object", "required": ["expr"], "properties": {"expr": {"type": "string"}}}]})";
  EXPECT_THAT(violations_of(kForms, R"({"expr": 1})"),
              ElementsAre("/expr type: expr must be a string, but is an integer"));
  EXPECT_THAT(violations_of(kForms, "[]"),
              ElementsAre(" anyOf: the document must be a string or an object, but is a list"));
  EXPECT_THAT(
      violations_of(R"({"oneOf": [{"minimum": 1}, {"maximum": 9}]})", "5"),
      ElementsAre(" oneOf: the document must have exactly one of the allowed forms, but has "
                  "2 of them"));
}

TEST(JsonSchema, long_values_are_cut_between_code_points) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "\u00e9";
  const auto found = violations_of(R"({"const": "x"})", "\"" + text + "\"");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_THAT(found[0], HasSubstr("but is \"" + text.substr(0, 60) + "\"..."));
}

TEST(JsonSchema, a_wrong_schema_is_refused_with_its_place) {
  EXPECT_EQ(compile_error(R"({"properties": {"a": {"minLength": "3"}}})"),
            "invalid: #/properties/a/minLength must be a whole number from 0 on");
  EXPECT_EQ(compile_error(R"({"properties": {"a": {"type": "int"}}})"),
            "invalid: #/properties/a/type must be one of null, boolean, integer, number, string, "
            "array, object, or a list of them");
  EXPECT_THAT(compile_error(R"x({"pattern": "(?=a)"})x"),
              HasSubstr("unsupported: #/pattern: the regular expression (?=a) cannot be used: "
                        "look-around"));
  EXPECT_THAT(compile_error(R"x({"pattern": "(a)\\1"})x"), HasSubstr("back-references"));
  EXPECT_THAT(compile_error(R"({"pattern": "(a"})"), HasSubstr("invalid: #/pattern"));
  EXPECT_THAT(compile_error(R"({"$ref": "#/definitions/a"})"),
              HasSubstr("there is nothing at /definitions/a"));
  EXPECT_THAT(compile_error(R"({"$ref": "https://example.com/a.json"})"),
              HasSubstr("unsupported: #/$ref https://example.com/a.json: remote references"));
  EXPECT_THAT(compile_error(R"({"$schema": "https://json-schema.org/draft/2020-12/schema"})"),
              HasSubstr("must be http://json-schema.org/draft-07/schema#"));
  EXPECT_THAT(compile_error(R"({"x-precision": 4, "x-scale": 6})"), HasSubstr("must not exceed"));
  EXPECT_THAT(compile_error("{"), HasSubstr("invalid"));
}

TEST(JsonSchema, a_reference_circle_that_never_enters_the_document_is_refused) {
  EXPECT_THAT(compile_error(R"({"$ref": "#"})"), HasSubstr("refers to itself"));
  EXPECT_THAT(compile_error(R"({"anyOf": [{"type": "null"}, {"not": {"$ref": "#"}}]})"),
              HasSubstr("refers to itself"));
  EXPECT_EQ(compile_error(R"({"properties": {"child": {"$ref": "#"}}})"), "compiled");
}

TEST(JsonSchema, recursion_through_definitions_follows_the_document) {
  constexpr std::string_view kTree = R"({"$ref": "#/definitions/node", "definitions": {"node": {
    "type": "object", "required": ["value"],
    "properties": {"value": {"type": "integer"},
                   "children": {"type": "array", "items": {"$ref": "#/definitions/node"}}}}}})";
  EXPECT_THAT(violations_of(kTree, R"({"value": 1, "children": [{"value": 2, "children": [{}]}]})"),
              ElementsAre("/children/0/children/0 required: children[0].children[0].value is "
                          "required"));
}

TEST(JsonSchema, a_hostile_document_gets_a_bounded_report) {
  std::string document = "[";
  for (int i = 0; i < 5000; ++i) document += i == 0 ? "1" : ",1";
  document += "]";
  EXPECT_EQ(violations_of(R"({"items": {"type": "string"}})", document).size(), 1000u);
}

TEST(JsonSchema, unique_items_and_large_objects_take_no_quadratic_time) {
  std::string list = "[";
  std::string object = "{";
  for (int i = 0; i < 20'000; ++i) {
    list += (i == 0 ? "" : ",") + std::to_string(i);
    object += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":1";
  }
  EXPECT_THAT(violations_of(R"({"uniqueItems": true})", list + "]"), IsEmpty());
  EXPECT_THAT(violations_of(R"({"uniqueItems": true})", list + ",7.0]"),
              ElementsAre(HasSubstr("items 7 and 20000 are equal")));
  EXPECT_THAT(violations_of(R"({"required": ["k0", "k19999", "x"]})", object + "}"),
              ElementsAre(" required: x is required"));
}

TEST(JsonSchema, the_row_layout_follows_the_properties) {
  const auto schema = JsonSchema::compile(kTick);
  ASSERT_TRUE(schema.is_ok());
  const auto layout = schema->row_layout();
  ASSERT_TRUE(layout.is_ok());
  std::vector<std::string> fields;
  for (const Field& field : layout->fields) {
    fields.push_back(field.name + " " + std::string(to_string(field.type)) +
                     (field.is_required ? " required" : "") +
                     (field.is_nullable ? " nullable" : ""));
  }
  EXPECT_THAT(fields,
              ElementsAre("event_id string required", "timestamp timestamp", "ticker string",
                          "price decimal required", "volume integer required"));
  EXPECT_EQ(layout->fields[3].decimal_precision, 18);
  EXPECT_EQ(layout->fields[3].decimal_scale, 4);
  EXPECT_TRUE(layout->fields[3].is_text_allowed);
  EXPECT_FALSE(layout->fields[3].is_number_allowed);
}

TEST(JsonSchema, types_of_row_fields) {
  const auto type_of_field = [](std::string_view schema_text) {
    const auto schema =
        JsonSchema::compile(R"({"properties": {"f": )" + std::string(schema_text) + "}}");
    EXPECT_TRUE(schema.is_ok());
    return schema->row_layout()->fields[0].type;
  };
  EXPECT_EQ(type_of_field(R"({"type": ["string", "null"]})"), FieldType::string);
  EXPECT_EQ(type_of_field(R"({"type": ["string", "integer"]})"), FieldType::any);
  EXPECT_EQ(type_of_field(R"({"type": "number"})"), FieldType::decimal);
  EXPECT_EQ(type_of_field(R"({"type": ["string", "number"], "format": "decimal"})"),
            FieldType::decimal);
  EXPECT_EQ(type_of_field(R"({"type": "array"})"), FieldType::list);
  EXPECT_EQ(type_of_field(R"({"type": "object"})"), FieldType::map);
  EXPECT_EQ(type_of_field(R"({"allOf": [{"type": "string"}]})"), FieldType::any);
}

TEST(JsonSchema, what_a_row_cannot_show_is_not_row_checkable) {
  const auto is_checkable = [](std::string_view schema_text) {
    const auto schema = JsonSchema::compile(schema_text);
    EXPECT_TRUE(schema.is_ok()) << schema.status().to_string();
    return schema->is_row_checkable();
  };
  EXPECT_TRUE(is_checkable(kTick));
  EXPECT_TRUE(is_checkable(R"({"properties": {"a": true}, "additionalProperties": true})"));
  EXPECT_FALSE(is_checkable(R"({"properties": {"a": true}, "additionalProperties": false})"));
  EXPECT_FALSE(is_checkable(R"({"properties": {"a": true}, "required": ["b"]})"));
  EXPECT_FALSE(is_checkable(R"({"properties": {"a": true}, "minProperties": 1})"));
  EXPECT_FALSE(is_checkable(R"({"properties": {"a": true}, "if": {"required": ["a"]}})"));
  EXPECT_FALSE(is_checkable(
      R"({"properties": {"a": {"type": "string", "format": "date-time", "minLength": 3}}})"));
  EXPECT_FALSE(is_checkable(
      R"({"properties": {"a": {"type": ["string", "number"], "format": "decimal",
                               "minimum": 3}}})"));
  EXPECT_FALSE(is_checkable(R"({"type": "string"})"));
}

TEST(JsonSchema, a_thousand_violations_under_a_long_name_stay_small) {
  auto schema = JsonSchema::compile(R"({"additionalProperties": {"items": {"type": "string"}}})");
  ASSERT_TRUE(schema.is_ok());
  std::string text = "{\"" + std::string(500'000, 'n') + "\":[0";
  for (int i = 0; i < 5'000; ++i) text += ",0";
  text += "]}";
  Arena arena;
  const auto document = parse_json(text, arena);
  ASSERT_TRUE(document.is_ok());
  std::vector<SchemaViolation> violations;
  EXPECT_FALSE(schema->validate(*document, violations));
  ASSERT_EQ(violations.size(), 1'000U);
  std::size_t bytes = 0;
  for (const auto& violation : violations) {
    bytes += violation.instance_path.size() + violation.message.size();
  }
  EXPECT_LT(bytes, 1'000'000U);
  EXPECT_TRUE(violations[0].message.starts_with(std::string(200, 'n') + "...[0] must be"))
      << violations[0].message;
}

}  // namespace
}  // namespace millrace::codec
