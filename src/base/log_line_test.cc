#include "base/log_line.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/utf8.h"

namespace millrace {
namespace {

class FixedClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall_now() const override { return WallTime(1'340'285'400'017); }
  [[nodiscard]] MonotonicTime monotonic_now() const override { return MonotonicTime(0); }
};

class LoggerTest : public testing::Test {
 protected:
  Logger make(LogLevel level_min) {
    return {"wal", level_min, clock_, [this](std::string_view line) { lines_.emplace_back(line); }};
  }
  FixedClock clock_;
  std::vector<std::string> lines_;
};

TEST_F(LoggerTest, a_line_is_one_json_object) {
  const Logger log = make(LogLevel::info);
  log.info("segment sealed", {{"topic", "ticks"},
                              {"partition", 3},
                              {"bytes", std::uint64_t{18446744073709551615u}},
                              {"delta", std::int64_t{-1}},
                              {"is_last", true}});
  log.with_name("raft").error("bye");
  ASSERT_EQ(lines_.size(), 2u);
  EXPECT_EQ(lines_[0], R"({"timestamp":"2012-06-21T13:30:00.017Z","level":"info","logger":"wal",)"
                       R"("message":"segment sealed","topic":"ticks","partition":3,)"
                       R"("bytes":18446744073709551615,"delta":-1,"is_last":true})"
                       "\n");
  EXPECT_EQ(lines_[1], R"({"timestamp":"2012-06-21T13:30:00.017Z","level":"error","logger":"raft",)"
                       R"("message":"bye"})"
                       "\n");
}

TEST_F(LoggerTest, lower_levels_are_dropped) {
  const Logger log = make(LogLevel::warn);
  log.debug("a");
  log.info("b");
  log.warn("c");
  log.error("d");
  EXPECT_EQ(lines_.size(), 2u);
  EXPECT_FALSE(log.is_enabled(LogLevel::info));
}

TEST(LogText, is_escaped_cut_and_always_valid_utf8) {
  const auto json = [](std::string_view text) {
    std::string out;
    append_json_text(out, text);
    return out;
  };
  EXPECT_EQ(json("a\"b\\c\nd\te\rf"), R"("a\"b\\c\nd\te\rf")");
  EXPECT_EQ(json(std::string_view("\0\x1f\x7f", 3)), R"("\u0000\u001f\u007f")");
  EXPECT_EQ(json("\xc3\xa4"), "\"\xc3\xa4\"");
  EXPECT_EQ(json("a\xff"
                 "b"),
            "\"a\xef\xbf\xbd"
            "b\"");
  const std::string longest(Logger::kTextBytesMax, 'x');
  EXPECT_EQ(json(longest), '"' + longest + '"');
  EXPECT_EQ(json(longest + "y"), '"' + longest + "...\"");
  // A code point across the bound is kept whole.
  const std::string across = longest.substr(1) + "\xe2\x82\xac";
  EXPECT_EQ(json(across), '"' + across + "...\"");
  for (int byte = 0; byte < 256; ++byte) {
    EXPECT_TRUE(is_valid_utf8(json(std::string(1, static_cast<char>(byte)))));
  }
}

TEST(LogLevel, names_go_there_and_back) {
  for (const auto level : {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error}) {
    EXPECT_EQ(parse_log_level(to_string(level)), level);
  }
  EXPECT_EQ(parse_log_level("INFO"), std::nullopt);
}

}  // namespace
}  // namespace millrace
