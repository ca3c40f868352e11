#include "base/status.h"

#include <gtest/gtest.h>

#include <memory>

#include "base/arena.h"

namespace millrace {
namespace {

Status fail_if(bool fails) {
  return fails ? io_error("disk is gone") : ok_status();
}

Result<std::unique_ptr<int>> make_number(bool fails) {
  MR_RETURN_IF_ERROR(fail_if(fails));
  return std::make_unique<int>(42);
}

Result<int> doubled(bool fails) {
  MR_ASSIGN_OR_RETURN(const auto number, make_number(fails));
  return *number * 2;
}

TEST(Status, success_is_a_word_and_says_ok) {
  EXPECT_EQ(sizeof(Status), sizeof(void*));
  EXPECT_TRUE(ok_status().is_ok());
  EXPECT_EQ(ok_status().to_string(), "ok");
  EXPECT_EQ(ok_status().message(), "");
}

TEST(Status, errors_carry_code_and_message_through_copies) {
  Status error = not_found_error("topic ticks");
  Status copy = error;
  error = ok_status();
  EXPECT_TRUE(error.is_ok());
  EXPECT_EQ(copy.code(), StatusCode::not_found);
  EXPECT_EQ(copy.to_string(), "not_found: topic ticks");
  EXPECT_EQ(std::move(copy).with_context("fetch").to_string(), "not_found: fetch: topic ticks");
  EXPECT_TRUE(ok_status().with_context("fetch").is_ok());
}

TEST(Status, macros_return_the_first_error) {
  EXPECT_EQ(*doubled(false), 84);
  EXPECT_EQ(doubled(true).status().to_string(), "io: disk is gone");
}

TEST(StatusDeathTest, a_result_without_value_must_not_be_read) {
  EXPECT_DEATH(std::ignore = *doubled(true), "check failed");
  EXPECT_DEATH(std::ignore = Result<int>(ok_status()), "check failed");
}

TEST(Arena, gives_aligned_separate_storage) {
  Arena arena(64);
  std::vector<std::span<std::uint64_t>> arrays;
  for (std::size_t i = 1; i < 50; ++i) {
    arena.copy("x");  // breaks the alignment of the next
    auto array = arena.array<std::uint64_t>(i);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(array.data()) % alignof(std::uint64_t), 0u);
    for (auto& slot : array) slot = i;
    arrays.push_back(array);
  }
  for (std::size_t i = 1; i < 50; ++i) {
    EXPECT_EQ(arrays[i - 1].size(), i);
    for (const auto slot : arrays[i - 1]) EXPECT_EQ(slot, i);
  }
}

TEST(Arena, reset_keeps_the_largest_block) {
  Arena arena(16);
  EXPECT_EQ(arena.copy(""), "");
  const std::string text(1000, 'x');
  EXPECT_EQ(arena.copy(text), text);
  arena.reset();
  const char* first = arena.copy(text).data();
  arena.reset();
  EXPECT_EQ(arena.copy(text).data(), first);
}

}  // namespace
}  // namespace millrace
