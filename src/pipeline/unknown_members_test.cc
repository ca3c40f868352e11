#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/pipeline_twin.h"

// Columns that a table does not have, fields that a closed object of the schema cannot have.

namespace millrace::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kSchema = R"({
  "type": "object", "required": ["k", "t"],
  "definitions": {
    "part": {"type": "object", "additionalProperties": false,
      "properties": {"name": {"type": "string"}, "parts": {"type": "array",
        "items": {"$ref": "#/definitions/part"}}}}
  },
  "properties": {
    "k": {"type": "string"}, "t": {"type": "string", "format": "date-time"},
    "part": {"$ref": "#/definitions/part"},
    "open": {"type": "object", "properties": {"inner": {"$ref": "#/definitions/part"}}},
    "pattern": {"type": "object", "additionalProperties": false,
      "properties": {"a": {}}, "patternProperties": {"^x-": {}}},
    "either": {"type": ["array", "object"], "additionalProperties": false,
      "properties": {"a": {}}, "items": {"$ref": "#/definitions/part"}},
    "pair": {"type": "array", "items": [{"$ref": "#/definitions/part"}]}
  }})";

constexpr const char* kHead =
    "pipeline: p\n"
    "source: { topic: in, key: k, event_time: t }\n"
    "validate: { schema: s.json }\n"
    "enrich:\n"
    "  tables: { sectors: { file: sectors.csv, key: ticker },\n"
    "            venues: { file: venues.json, key: id }, none: { file: none.json, key: id } }\n"
    "  fields:\n";

BuildOptions options_with(const std::string& tail) {
  return options_for(
      kHead + tail,
      {{"s.json", kSchema},
       {"sectors.csv", "ticker,sector,sub_sector\n"},
       {"venues.json", R"([{"id": "N", "city": "New York"}, {"id": "L", "zone": {"utc": 0}}])"},
       {"none.json", "[]"}});
}

std::vector<std::string> faults_of(const std::string& tail) {
  const auto outcome = build_pipeline(options_with(tail));
  std::vector<std::string> faults;
  for (const auto& error : outcome.errors) faults.push_back(to_string(error));
  return faults;
}
std::vector<std::string> faults_of_expression(const std::string& text) {
  return faults_of("    a: \"" + text + "\"\n");
}

TEST(UnknownMembers, a_misspelt_column_is_a_fault_with_line_field_column_and_suggestion) {
  EXPECT_THAT(faults_of("    b: \"k + '!'\"\n    a: \"sectors[k].sectr\"\n"),
              ElementsAre("p.yaml:9:8: enrich.fields.a: 1:12: table 'sectors' has no column "
                          "'sectr'; did you mean 'sector'?"));
}

TEST(UnknownMembers, columns_of_a_table_are_known_by_any_way_to_a_row) {
  for (const auto* good :
       {"sectors[k].sector", "sectors[k]['sub_sector']", "sectors[k].ticker",
        "cel.bind(row, sectors[k], row.sector)", "has(sectors[k].sector)", "sectors[k][k]",
        "venues[k].city", "venues[k].zone.anything", "venues[k].zone", "none[k].whatever"}) {
    EXPECT_THAT(faults_of_expression(good), IsEmpty()) << good;
  }
  for (const auto* bad :
       {"sectors[k].city", "sectors[k]['sub_sectr']", "cel.bind(row, sectors[k], row.sectr)",
        "has(sectors[k].sectr)", "venues[k].town", "sectors[k].Sector"}) {
    EXPECT_THAT(faults_of_expression(bad), ElementsAre(HasSubstr("has no column '"))) << bad;
  }
}

TEST(UnknownMembers, without_a_near_name_the_columns_are_listed) {
  EXPECT_THAT(faults_of_expression("sectors[k].colour"),
              ElementsAre(HasSubstr("no column 'colour'; there are ticker, sector, sub_sector")));
}

TEST(UnknownMembers, fields_of_a_closed_object_are_known_however_deep) {
  for (const auto* good :
       {"part.name", "part.parts[0].parts[0].name", "part.parts.all(p, p.name != '')",
        "part.parts.exists(i, p, p.name == string(i))", "open.anything", "open.inner.name",
        "pattern.a", "pattern.b", "pair[0].nam", "either[0].nam", "has(part.name)"}) {
    EXPECT_THAT(faults_of_expression(good), IsEmpty()) << good;
  }
  for (const auto* bad :
       {"part.nam", "part.parts[0].parts[0].nam", "part.parts.all(p, p.nam != '')",
        "part.parts.exists(i, p, p.nam == string(i))", "open.inner.nam", "has(part.nam)",
        "part['nam']"}) {
    EXPECT_THAT(faults_of_expression(bad),
                ElementsAre(AllOf(HasSubstr("has no field 'nam'"), HasSubstr("'name'?"))))
        << bad;
  }
  EXPECT_THAT(
      faults_of_expression("open.inner.nam"),
      ElementsAre(HasSubstr("1:12: 'open.inner' has no field 'nam'; did you mean 'name'?")));
}

TEST(UnknownMembers, rules_ids_and_windows_are_looked_at_as_well) {
  EXPECT_THAT(faults_of("    a: k\ndedup: { id: \"string(sectors[k].sub_secto)\" }\n"),
              ElementsAre(HasSubstr("dedup.id: 1:19: table 'sectors' has no column")));
  EXPECT_THAT(faults_of("    a: k\n"
                        "windows: [{ name: w, key: k, tumbling: 1m, emit_to: out,\n"
                        "            aggregates: { n: \"max(sectors[k].sectr)\" } }]\n"),
              ElementsAre(HasSubstr("windows[0].aggregates.n: 1:12: table 'sectors' has no")));
}

TEST(UnknownMembers, for_a_version_in_force_they_are_warnings) {
  auto options = options_with("    a: \"sectors[k].sectr\"\n");
  options.are_unknown_members_faults = false;
  const auto outcome = build_pipeline(options);
  ASSERT_NE(outcome.pipeline, nullptr);
  EXPECT_THAT(outcome.pipeline->warnings,
              ElementsAre("`sectors[k].sectr`: 1:12: table 'sectors' has no column 'sectr'; did "
                          "you mean 'sector'?"));
  options = options_with("    a: \"sektors[k].sectr\"\n");
  options.are_unknown_members_faults = false;
  EXPECT_EQ(build_pipeline(options).pipeline, nullptr);
}

}  // namespace
}  // namespace millrace::pipeline
