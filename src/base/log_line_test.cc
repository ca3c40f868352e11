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

TEST_F(LoggerTest, texts_are_cut_and_always_valid_utf8) {
  const auto written = [this](const std::string& text) {
    lines_.clear();
    make(LogLevel::info).info(text);
    const std::string& line = lines_.at(0);
    const std::string before = "\"message\":";
    const auto from = line.find(before) + before.size();
    return line.substr(from, line.rfind('}') - from);
  };
  EXPECT_EQ(written("a\"b\\c\nd\xff"), "\"a\\\"b\\\\c\\nd\xef\xbf\xbd\"");
  const std::string longest(Logger::kTextBytesMax, 'x');
  EXPECT_EQ(written(longest), '"' + longest + '"');
  EXPECT_EQ(written(longest + "y"), '"' + longest + "...\"");
  // A code point across the bound is kept whole.
  const std::string across = longest.substr(1) + "\xe2\x82\xac";
  EXPECT_EQ(written(across), '"' + across + "...\"");
  EXPECT_EQ(written(across + "y"), '"' + across + "...\"");
  // Bytes that only look like the rest of one do not go on for ever.
  EXPECT_LT(written(longest + std::string(100'000, '\x80')).size(), Logger::kTextBytesMax + 20);
}

TEST(LogLevel, names_go_there_and_back) {
  for (const auto level : {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error}) {
    EXPECT_EQ(parse_log_level(to_string(level)), level);
  }
  EXPECT_EQ(parse_log_level("INFO"), std::nullopt);
}

}  // namespace
}  // namespace millrace
