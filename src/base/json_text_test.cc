#include "base/json_text.h"

#include <gtest/gtest.h>

#include "base/utf8.h"

namespace millrace {
namespace {

std::string json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}
std::string lossy(std::string_view bytes) {
  std::string out;
  append_json_string_lossy(out, bytes);
  return out;
}

TEST(JsonText, is_escaped_as_little_as_allowed) {
  const std::string_view text = "a\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9";
  EXPECT_EQ(json(text), "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\"");
  EXPECT_EQ(json(std::string_view("\0", 1)), R"("\u0000")");
  EXPECT_EQ(json(""), R"("")");
}

TEST(JsonText, of_sound_bytes_is_the_same_lossy_or_not) {
  for (const std::string_view text : {"", "plain", "a\"b\n", "\xc3\xa9\"\xe2\x82\xac"}) {
    EXPECT_EQ(lossy(text), json(text));
  }
}

TEST(JsonText, of_malformed_bytes_has_a_replacement_for_each) {
  EXPECT_EQ(lossy("\xff"
                  "a\xc3(\xe2\x82\xac\x80"),
            "\"\xef\xbf\xbd"
            "a\xef\xbf\xbd(\xe2\x82\xac\xef\xbf\xbd\"");
  for (int byte = 0; byte < 256; ++byte) {
    EXPECT_TRUE(is_valid_utf8(lossy(std::string(1, static_cast<char>(byte))))) << byte;
  }
}

}  // namespace
}  // namespace millrace
