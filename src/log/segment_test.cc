#include "log/segment.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "log/log_test_support.h"
#include "sim/fault_file_system.h"

namespace millrace::log {
namespace {

using sim::FaultFileSystem;

constexpr const char* kFolder = "/p";

class SegmentTest : public testing::Test {
 protected:
  SegmentTest() : files_(1) {
    EXPECT_TRUE(files_.make_folders(kFolder).is_ok());
    info_.base_offset = info_.next_offset = Offset(100);
    const SegmentHeader header{
        .log_id = {}, .topic_id = 1, .partition = 0, .base_offset = Offset(100)};
    file_ = SegmentFile::create(files_, open_, kFolder, header, 0).value();
  }

  // Batches of one record, append times 10 apart.
  void append(int count, std::size_t value_bytes) {
    std::vector<FetchedBatch> batches;
    for (int i = 0; i < count; ++i) {
      std::string bytes = make_batch(std::vector<std::string>{std::string(value_bytes, 'v')});
      codec::set_base_offset(bytes, 0, next_);
      batches.push_back(
          {SharedBytes(std::move(bytes)), next_, next_ + 1, WallTime(next_.value * 10)});
      next_ = next_ + 1;
    }
    const Status status = file_->append(info_, batches);
    ASSERT_TRUE(status.is_ok()) << status.to_string();
  }

  // A file object that knows nothing yet, as after a restart.
  void forget() { file_ = std::make_shared<SegmentFile>(files_, open_, kFolder, Offset(100), 0); }

  void expect_all_found() {
    for (std::int64_t offset = 100; offset < next_.value; ++offset) {
      std::vector<FetchedBatch> out;
      const auto read = file_->read(info_, Offset(offset), 1, out);
      ASSERT_TRUE(read.is_ok()) << read.status().to_string();
      ASSERT_EQ(out.size(), 1u);
      ASSERT_EQ(out[0].base_offset, Offset(offset));
      ASSERT_EQ(out[0].append_time, WallTime(offset * 10));
      const auto at = file_->find_time(info_, WallTime(offset * 10 - 9));
      ASSERT_TRUE(at.is_ok()) << at.status().to_string();
      ASSERT_EQ(at.value(), Offset(offset));
    }
    EXPECT_FALSE(file_->find_time(info_, WallTime(next_.value * 10)).value().has_value());
  }

  FaultFileSystem files_;
  std::shared_ptr<OpenSegments> open_ = std::make_shared<OpenSegments>(2);
  SegmentInfo info_;
  std::shared_ptr<SegmentFile> file_;
  Offset next_{100};
};

TEST_F(SegmentTest, every_batch_is_found_by_offset_and_by_time) {
  append(60, 20'000);
  expect_all_found();
  forget();
  expect_all_found();
}

TEST_F(SegmentTest, a_file_that_was_closed_for_others_is_opened_again) {
  append(30, 20'000);
  int opens = 0;
  files_.set_hook([&](std::string_view operation, const std::string& path) {
    if (operation == "open" && path == file_->path()) ++opens;
    return ok_status();
  });
  expect_all_found();
  EXPECT_EQ(opens, 0);  // open since it was made
  for (int i = 0; i < 2; ++i) open_->opened({});
  expect_all_found();
  EXPECT_EQ(opens, 1);
  append(30, 20'000);
  expect_all_found();
}

TEST_F(SegmentTest, a_lost_index_is_made_again) {
  append(60, 20'000);
  forget();
  ASSERT_TRUE(files_.remove(file_->index_path()).is_ok());
  expect_all_found();
  append(60, 20'000);
  forget();
  expect_all_found();
  // The file is whole again as well: nine frames of 20 KB lie within one interval.
  EXPECT_GE(files_.content(file_->index_path()).size(), 2 * kIndexEntryBytes);
}

TEST_F(SegmentTest, an_index_that_points_elsewhere_is_not_believed) {
  append(60, 20'000);
  std::string entries = files_.content(file_->index_path());
  // All but the newest, which is looked at when the file is opened.
  for (std::size_t i = 0; i + 2 * kIndexEntryBytes <= entries.size(); i += kIndexEntryBytes) {
    IndexEntry entry = parse_index_entry(std::string_view(entries).substr(i)).value();
    entry.position += 7;  // a valid checksum over a wrong place
    std::string bytes;
    append_index_entry(entry, bytes);
    files_.overwrite(file_->index_path(), i, bytes);
  }
  forget();
  expect_all_found();
}

TEST_F(SegmentTest, entries_of_frames_that_a_crash_cut_off_do_not_come_back) {
  append(20, 20'000);
  const SegmentInfo checkpointed = info_;
  const Offset next = next_;
  append(40, 20'000);
  // Back to the checkpoint: other frames take the place of the lost ones.
  info_ = checkpointed;
  next_ = next;
  files_.resize(file_->path(), info_.valid_bytes);
  forget();
  append(70, 9'000);
  forget();
  expect_all_found();
}

TEST_F(SegmentTest, a_read_stops_at_the_bytes_asked_for) {
  append(10, 1000);
  std::vector<FetchedBatch> out;
  EXPECT_FALSE(file_->read(info_, Offset(102), 3500, out).value());
  EXPECT_EQ(out.size(), 3u);
  EXPECT_EQ(out[0].base_offset, Offset(102));
  out.clear();
  EXPECT_TRUE(file_->read(info_, Offset(108), 1 << 20, out).value());
  EXPECT_EQ(out.size(), 2u);
}

TEST_F(SegmentTest, what_is_beyond_the_valid_bytes_is_not_seen) {
  append(3, 100);
  const SegmentInfo valid = info_;
  append(3, 100);
  std::vector<FetchedBatch> out;
  EXPECT_TRUE(file_->read(valid, Offset(100), 1 << 20, out).value());
  EXPECT_EQ(out.size(), 3u);
  EXPECT_FALSE(file_->find_time(valid, WallTime(1'035)).value().has_value());
}

TEST_F(SegmentTest, damage_is_reported_with_file_and_position) {
  append(3, 100);
  const std::string content = files_.content(file_->path());
  for (const std::size_t at :
       {kSegmentHeaderBytes + 3, kSegmentHeaderBytes + 20, kSegmentHeaderBytes + 150}) {
    files_.overwrite(file_->path(), at, "\xff");
    std::vector<FetchedBatch> out;
    const auto read = file_->read(info_, Offset(100), 1 << 20, out);
    EXPECT_EQ(read.status().code(), StatusCode::corrupt) << at;
    EXPECT_NE(read.status().message().find(file_->path()), std::string_view::npos);
    files_.overwrite(file_->path(), 0, content);
  }
}

}  // namespace
}  // namespace millrace::log
