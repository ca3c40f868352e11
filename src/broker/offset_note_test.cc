#include "broker/offset_note.h"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

TEST(OffsetNote, comes_back_as_it_was) {
  const std::string all[] = {"",
                             "note",
                             "\xff",
                             "\xff\xff\xff\xff\xff",
                             "\xff\x01\x02\x03\x04 and",
                             std::string(4096, 'x')};
  for (const auto& metadata : all) {
    for (const std::int32_t epoch : {-1, 0, 7, INT32_MAX}) {
      const auto read = read_offset_note(keep_offset_note({metadata, epoch}));
      EXPECT_EQ(read.metadata, metadata);
      EXPECT_EQ(read.leader_epoch, epoch);
    }
  }
}

TEST(OffsetNote, has_these_bytes) {
  EXPECT_EQ(keep_offset_note({"note", -1}), "note");
  EXPECT_EQ(keep_offset_note({"note", 258}), std::string("\xff\x02\x01\0\0note", 9));
  EXPECT_EQ(keep_offset_note({"\xff", -1}), "\xff\xff\xff\xff\xff\xff");
}

TEST(OffsetNote, bytes_that_are_none_are_metadata) {
  EXPECT_EQ(read_offset_note("\xff\x01").metadata, "\xff\x01");
  EXPECT_EQ(read_offset_note("\xff\x01").leader_epoch, -1);
}

}  // namespace
}  // namespace millrace::broker
