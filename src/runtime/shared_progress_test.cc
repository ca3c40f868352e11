#include "runtime/shared_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/runtime_for_tests.h"

namespace millrace::runtime {
namespace {

using log::ManualClock;
using ::testing::SizeIs;

TaskProgress progress_of(const std::string& process, std::int64_t done) {
  TaskProgress progress;
  progress.stage = "source";
  progress.partition = 3;
  progress.process = process;
  progress.done = Offset(done);
  progress.is_idle = true;
  progress.watermark = EventTime(300);
  progress.watermark_if_idle = EventTime(-1);
  progress.largest_pane_end = EventTime(64);
  progress.results = 200;
  return progress;
}

class SharedProgressTest : public testing::Test {
 protected:
  ManualClock clock_;
  Storage storage_{clock_};
  SharedProgress here_{storage_.log(), clock_, "millrace.p.progress"};
  SharedProgress there_{storage_.log(), clock_, "millrace.p.progress"};
  const SharedProgress::Place place_{"source", 3};

  void open() {
    ASSERT_TRUE(here_.open().is_ok());
    ASSERT_TRUE(there_.open().is_ok());
  }
};

// docs/formats/progress.md has them in words.
TEST(SharedProgressFormat, the_bytes_are_those_of_the_format) {
  std::string key;
  std::string value;
  const auto progress = progress_of("w1", 100);
  encode_progress(progress, key, value);
  EXPECT_EQ(key, "source/3");
  const std::string expected("\x01\x06source\x06\x02w1\xc8\x01\x01\xd8\x04\x01\x80\x01\xc8\x01",
                             22);
  EXPECT_EQ(value, expected);
  const auto decoded = decode_progress(key, value);
  ASSERT_TRUE(decoded.is_ok()) << decoded.status().to_string();
  EXPECT_EQ(*decoded, progress);
}

TEST(SharedProgressFormat, the_bytes_of_a_note_on_followers_are_those_of_the_format) {
  const StandbyNote note{"w1", {{"source", 3}}};
  const std::string expected("\x01\x02w1\x01\x06source\x06", 13);
  EXPECT_EQ(encode_standby(note), expected);
  const auto decoded = decode_standby(expected);
  ASSERT_TRUE(decoded.is_ok()) << decoded.status().to_string();
  EXPECT_EQ(*decoded, note);
  for (std::size_t length = 0; length < expected.size(); ++length) {
    EXPECT_FALSE(decode_standby(expected.substr(0, length)).is_ok()) << length;
  }
}

TEST_F(SharedProgressTest, who_follows_says_so_and_is_forgotten_when_it_is_silent) {
  open();
  const StandbyNote note{"w1", {{"source", 3}}};
  ASSERT_TRUE(here_.tell(note).is_ok());
  ASSERT_TRUE(there_.exchange({}).is_ok());
  ASSERT_THAT(there_.standbys(), SizeIs(1));
  EXPECT_EQ(there_.standbys().at("w1"), note);
  clock_.advance_ms(SharedProgress::kStandbyFreshMs);
  EXPECT_THAT(there_.standbys(), SizeIs(0));
}

TEST(SharedProgressFormat, what_is_cut_or_names_another_place_is_refused) {
  std::string key;
  std::string value;
  encode_progress(progress_of("w1", 100), key, value);
  EXPECT_EQ(decode_progress("source/4", value).status().code(), StatusCode::corrupt);
  for (std::size_t left = 0; left < value.size(); ++left) {
    EXPECT_FALSE(decode_progress(key, value.substr(0, left)).is_ok()) << left;
  }
  value[0] = '\x02';
  EXPECT_FALSE(decode_progress(key, value).is_ok());
}

TEST_F(SharedProgressTest, others_hear_what_changed_and_nothing_is_said_twice_in_a_row) {
  open();
  ASSERT_TRUE(here_.exchange({progress_of("w1", 100)}).is_ok());
  ASSERT_TRUE(there_.exchange({}).is_ok());
  ASSERT_THAT(there_.tasks(), SizeIs(1));
  EXPECT_EQ(there_.tasks().at(place_), progress_of("w1", 100));
  const auto end = storage_.log().offsets({"millrace.p.progress", 0})->end;
  ASSERT_TRUE(here_.exchange({progress_of("w1", 100)}).is_ok());
  EXPECT_EQ(storage_.log().offsets({"millrace.p.progress", 0})->end, end);
  clock_.advance_ms(21'000);
  ASSERT_TRUE(here_.exchange({progress_of("w1", 100)}).is_ok());
  EXPECT_EQ(storage_.log().offsets({"millrace.p.progress", 0})->end, end + 1);
}

TEST_F(SharedProgressTest, an_owner_that_stood_still_does_not_take_a_task_back) {
  open();
  ASSERT_TRUE(here_.exchange({progress_of("new", 150)}).is_ok());
  ASSERT_TRUE(there_.exchange({progress_of("old", 100)}).is_ok());
  EXPECT_EQ(there_.tasks().at(place_).process, "new");
  ASSERT_TRUE(here_.exchange({}).is_ok());
  EXPECT_EQ(here_.tasks().at(place_).process, "new");
}

TEST_F(SharedProgressTest, what_was_said_a_minute_ago_counts_for_nothing) {
  open();
  ASSERT_TRUE(here_.exchange({progress_of("w1", 100)}).is_ok());
  ASSERT_TRUE(here_.ask_to_drain(EventTime(500)).is_ok());
  ASSERT_TRUE(there_.exchange({}).is_ok());
  EXPECT_EQ(there_.asked_to_drain(), EventTime(500));
  clock_.advance_ms(SharedProgress::kFreshMs);
  EXPECT_THAT(there_.tasks(), SizeIs(0));
  EXPECT_EQ(there_.asked_to_drain(), std::nullopt);
}

TEST_F(SharedProgressTest, one_that_comes_later_hears_of_the_last_minute) {
  ASSERT_TRUE(here_.open().is_ok());
  ASSERT_TRUE(here_.exchange({progress_of("w1", 100)}).is_ok());
  clock_.advance_ms(30'000);
  ASSERT_TRUE(there_.open().is_ok());
  EXPECT_THAT(there_.tasks(), SizeIs(1));
}

}  // namespace
}  // namespace millrace::runtime
