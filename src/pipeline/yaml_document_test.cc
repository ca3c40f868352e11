#include "pipeline/yaml_document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/json.h"

namespace millrace::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> lines_of(const std::vector<Diagnostic>& diagnostics) {
  std::vector<std::string> out;
  for (const auto& found : diagnostics) {
    out.push_back(std::to_string(found.line) + ":" + std::to_string(found.column) + " " +
                  found.message);
  }
  return out;
}

// The document as JSON, or its faults.
std::string read(std::string_view text) {
  std::vector<Diagnostic> errors;
  const auto document = YamlDocument::parse(text, errors);
  EXPECT_EQ(document == nullptr, !errors.empty());
  if (document == nullptr) return lines_of(errors)[0];
  std::string out;
  codec::append_json(out, document->value(), false);
  return out;
}

std::string text_of(TextPosition position) {
  return std::to_string(position.line) + ":" + std::to_string(position.column);
}

TEST(YamlDocument, plain_scalars_follow_the_core_schema) {
  EXPECT_EQ(read("[1, -7, +3, 007, 0o17, 0x1f, 1.50, .5, 5., 1e3, -1.5e-2]"),
            "[1,-7,3,7,15,31,1.50,0.5,5.0,1000,-0.015]");
  EXPECT_EQ(read("[true, False, null, ~, , yes, on, 1_000, 1.2.3, -, 0b1, '']"),
            R"([true,false,null,null,null,"yes","on","1_000","1.2.3","-","0b1",""])");
  EXPECT_EQ(read("99999999999999999999"), "99999999999999999999");
  EXPECT_EQ(read("a: 30s\nb: '12'\nc: \"x\\ty\"\nd: |\n  two\n  lines\n"),
            R"({"a":"30s","b":"12","c":"x\ty","d":"two\nlines\n"})");
}

TEST(YamlDocument, tags_of_the_core_schema_are_obeyed) {
  EXPECT_EQ(read("[!!str 12, !!int 12, !!float 1.5, !!bool true, !!null ~]"),
            R"(["12",12,1.5,true,null])");
  EXPECT_EQ(read("a: !!int x"), "1:4 x is not what its tag !!int says");
  EXPECT_THAT(read("a: !color red"), HasSubstr("1:4 the tag !color is not supported"));
}

TEST(YamlDocument, every_key_and_value_has_its_place) {
  std::vector<Diagnostic> errors;
  const auto document = YamlDocument::parse(
      "# comment\nsource: { topic: in, key: k }\nwindows:\n  - name: a\n    size: 5m\n  - b\n"
      "x/y: 1\n",
      errors);
  ASSERT_NE(document, nullptr);
  EXPECT_EQ(text_of(document->key_position("/source")), "2:1");
  EXPECT_EQ(text_of(document->position("/source/key")), "2:27");
  EXPECT_EQ(text_of(document->key_position("/source/key")), "2:22");
  EXPECT_EQ(text_of(document->position("/windows/0/size")), "5:11");
  EXPECT_EQ(text_of(document->position("/windows/1")), "6:5");
  EXPECT_EQ(text_of(document->position("/x~1y")), "7:6");
  EXPECT_EQ(text_of(document->position("")), "2:1");
  EXPECT_EQ(text_of(document->position("/windows/0/none/below")), "4:5");
}

TEST(YamlDocument, a_missing_value_is_placed_at_its_key) {
  std::vector<Diagnostic> errors;
  const auto document = YamlDocument::parse("a: 1\nb:\n\n\nc: 2\n", errors);
  ASSERT_NE(document, nullptr);
  EXPECT_EQ(text_of(document->position("/b")), "2:1");
}

TEST(YamlDocument, a_key_twice_is_an_error_with_both_lines) {
  std::vector<Diagnostic> errors;
  EXPECT_EQ(YamlDocument::parse("a: 1\nb: {c: 1, c: 2}\na: 3\n", errors), nullptr);
  EXPECT_THAT(lines_of(errors),
              ElementsAre("2:11 key `c` is here twice; the first one is in line 2",
                          "3:1 key `a` is here twice; the first one is in line 1"));
}

TEST(YamlDocument, unreadable_files_are_refused_with_the_place) {
  EXPECT_EQ(read(""), "1:1 the file is empty");
  EXPECT_EQ(read("# nothing\n"), "1:1 the file is empty");
  EXPECT_EQ(read("a: 1\n---\nb: 2\n"), "1:1 the file holds more than one document");
  EXPECT_THAT(read("a: [1, 2\nb: 3\n"), HasSubstr("2:"));
  EXPECT_THAT(read("a: b: c\n"), HasSubstr("1:5"));
  EXPECT_THAT(read("a: \"\xff\"\n"), HasSubstr("not UTF-8"));
  EXPECT_THAT(read("[1, 2]: 3\n"), HasSubstr("a key must be a name, not a list or a map"));
  EXPECT_THAT(read("? {a: 1}\n: 3\nb: 1\n"), HasSubstr("a key must be a name"));
  EXPECT_THAT(read("~: 3\n"), HasSubstr("a key is empty or null"));
  EXPECT_THAT(read("a: .inf\n"), HasSubstr("1:4 .inf is no number"));
  EXPECT_THAT(read("a: 1" + std::string(60, '0') + "\n"), HasSubstr("more than 38 digits"));
}

TEST(YamlDocument, aliases_are_followed_but_never_multiply) {
  EXPECT_EQ(read("a: &x {k: 1}\nb: *x\n"), R"({"a":{"k":1},"b":{"k":1}})");
  EXPECT_THAT(read("a: &x [*x]\n"), HasSubstr("an alias must stand behind"));
  std::string bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (int i = 1; i < 80; ++i) {
    const std::string below = "*a" + std::to_string(i - 1);
    bomb +=
        "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + below + ", " + below + "]\n";
  }
  EXPECT_THAT(read(bomb), HasSubstr("more than 100000 values"));
}

TEST(YamlDocument, depth_and_size_are_bounded) {
  EXPECT_THAT(read(std::string(100, '[') + std::string(100, ']')),
              HasSubstr("nested more than 64 deep"));
  EXPECT_THAT(read(std::string(5000, '[')), HasSubstr("1:"));
  EXPECT_EQ(read(std::string(kYamlBytesMax + 1, 'a')), "0:0 the file is longer than 1048576 bytes");
}

std::vector<std::string> check(std::string_view schema_text, std::string_view text) {
  std::vector<Diagnostic> errors;
  const auto document = YamlDocument::parse(text, errors);
  EXPECT_THAT(lines_of(errors), IsEmpty());
  const auto schema = codec::JsonSchema::compile(schema_text);
  EXPECT_TRUE(schema.is_ok()) << schema.status().to_string();
  if (document == nullptr || !schema.is_ok()) return {};
  std::vector<std::string> out;
  for (const auto& found : validate_yaml(*document, *schema)) out.push_back(to_string(found));
  return out;
}

constexpr std::string_view kSmall = R"({
  "additionalProperties": false, "required": ["source"],
  "properties": {
    "windows": {"type": "array"}, "version": {"type": "integer"}, "debug": {"type": "boolean"},
    "source": {"type": "object", "additionalProperties": false, "required": ["topic"],
               "properties": {"topic": {"type": "string"}, "event_time": {"type": "string"}}}}})";

TEST(ValidateYaml, unknown_keys_come_with_the_one_that_was_meant) {
  EXPECT_THAT(
      check(kSmall, "source: { topic: a, evnt_time: t }\nwidnows: []\nzzz: 1\n"),
      ElementsAre(":1:21: source.evnt_time: unknown key `evnt_time`; did you mean `event_time`?",
                  ":2:1: widnows: unknown key `widnows`; did you mean `windows`?",
                  ":3:1: zzz: unknown key `zzz`; known are `windows`, `version`, `debug`, "
                  "`source`"));
}

TEST(ValidateYaml, wrong_types_say_what_was_found_and_what_is_right) {
  EXPECT_THAT(
      check(kSmall, "version: x\ndebug: yes\nsource:\n  event_time: 12\n"),
      ElementsAre(":1:10: version: must be an integer, but is a string",
                  ":2:8: debug: must be true or false, but is a string; write true or false "
                  "without quotes",
                  ":3:1: source.topic: is required",
                  ":4:15: source.event_time: must be a string, but is an integer; put it in "
                  "quotes if text is meant"));
  EXPECT_THAT(check(kSmall, "source:\n"),
              ElementsAre(":1:1: source: must be an object, but is null; a value is missing"));
}

TEST(ValidateYaml, a_call_cut_at_its_comma_is_recognised) {
  EXPECT_THAT(check(R"({"propertyNames": {"pattern": "^[a-z]+$"}})", "{ a: avg(x, 4) }\n"),
              ElementsAre(HasSubstr(":1:13: 4): the name \"4)\" must match ^[a-z]+$")));
  EXPECT_THAT(
      check(R"({"properties": {"a": true}, "additionalProperties": false})", "{ a: avg(x, 4) }\n"),
      ElementsAre(HasSubstr("inside { } a comma ends a value")));
}

}  // namespace
}  // namespace millrace::pipeline
