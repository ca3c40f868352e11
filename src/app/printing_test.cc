#include "app/printing.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

TEST(Printing, columns_are_as_wide_as_their_longest_cell_and_numbers_stand_right) {
  const Json rows = Json::parse(
      R"([{"topic":"a","records":5,"state":null},
          {"topic":"long_name","records":1234,"state":"ok"}])");
  EXPECT_EQ(format_table({"topic", "records", "state"}, rows),
            "topic      records  state\n"
            "a                5  -\n"
            "long_name     1234  ok\n");
}

TEST(Printing, missing_members_are_dashes_and_no_rows_leave_the_names) {
  EXPECT_EQ(format_table({"a", "b"}, Json::array()), "a  b\n");
  EXPECT_EQ(format_table({"a", "b"}, Json::parse(R"([{"a":"x"}])")), "a  b\nx  -\n");
}

TEST(Printing, letters_count_not_bytes) {
  EXPECT_EQ(format_table({"n", "m"},
                         Json::parse(R"([{"n":"\u00e4\u00f6","m":"x"},{"n":"abc","m":"y"}])")),
            "n    m\n"
            "\xc3\xa4\xc3\xb6   x\n"
            "abc  y\n");
}

TEST(Printing, cells_show_text_without_quotes) {
  EXPECT_EQ(cell_text(Json("a \"b\"")), "a \"b\"");
  EXPECT_EQ(cell_text(Json(true)), "true");
  EXPECT_EQ(cell_text(Json()), "-");
  EXPECT_EQ(cell_text(Json::array({1, 2})), "[1,2]");
}

}  // namespace
}  // namespace millrace::app
