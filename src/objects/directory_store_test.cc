#include "objects/directory_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "objects/object_store_conformance.h"
#include "sys/temporary_folder.h"

namespace millrace::objects {
namespace {

class DirectoryStoreTest : public testing::Test {
 protected:
  std::unique_ptr<ObjectStore> open() {
    auto store = open_directory_store(files_, root_);
    MR_CHECK(store.is_ok());
    return std::move(store).value();
  }

  sys::TemporaryFolder folder_;
  std::string root_ = folder_ / "deep/root";
  sys::PosixFileSystem files_;
};

TEST_F(DirectoryStoreTest, conforms_to_the_interface) {
  expect_conforms({.open = [this] { return open(); }});
}

TEST_F(DirectoryStoreTest, objects_are_plain_files_below_the_root) {
  const auto store = open();
  EXPECT_TRUE(files_.list(root_)->empty());  // opened, not written
  ASSERT_TRUE(store->put("lake/year=2012/part-0.parquet", "PAR1", true).is_ok());
  EXPECT_EQ(*files_.read_file(root_ + "/lake/year=2012/part-0.parquet"), "PAR1");
  const auto all = store->list("");
  ASSERT_EQ(all->size(), 1u);
  EXPECT_EQ((*all)[0].key, "lake/year=2012/part-0.parquet");
  EXPECT_TRUE(store->list("../")->empty());
  EXPECT_TRUE(store->list("/")->empty());
  EXPECT_TRUE(store->list(".uploads/")->empty());
}

TEST_F(DirectoryStoreTest, a_key_cannot_be_another_key_s_folder) {
  const auto store = open();
  ASSERT_TRUE(store->put("a/b", "x", false).is_ok());
  EXPECT_EQ(store->put("a", "y", false).code(), StatusCode::invalid);
  EXPECT_EQ(store->put("a", "y", true).code(), StatusCode::invalid);
  EXPECT_EQ(store->put("a/b/c", "z", false).code(), StatusCode::invalid);
  EXPECT_EQ(store->get("a").status().code(), StatusCode::not_found);
  EXPECT_EQ(store->get("a/b/c").status().code(), StatusCode::not_found);
  EXPECT_EQ(store->head("a").status().code(), StatusCode::not_found);
  EXPECT_TRUE(store->remove("a").is_ok());
  EXPECT_TRUE(store->remove("a/b/c").is_ok());
  EXPECT_EQ(*store->get("a/b"), "x");
}

TEST_F(DirectoryStoreTest, parts_longer_than_a_copy_step_are_joined_whole) {
  const auto store = open();
  std::string bytes;
  for (std::uint32_t i = 0; bytes.size() < (std::size_t{5} << 20) / 2; ++i) {
    bytes += std::to_string(i) + ",";
  }
  const auto id = *store->start_upload("big");
  const auto one = *store->put_part("big", id, 1, bytes);
  const auto two = *store->put_part("big", id, 2, "");
  const auto three = *store->put_part("big", id, 3, bytes);
  ASSERT_TRUE(store->complete_upload("big", id, {one, two, three}, true).is_ok());
  EXPECT_TRUE(*store->get("big") == bytes + bytes);
}

TEST_F(DirectoryStoreTest, nothing_of_a_finished_upload_remains) {
  const auto store = open();
  const auto completed = *store->start_upload("one");
  const auto part = *store->put_part("one", completed, 1, "x");
  const auto aborted = *store->start_upload("two");
  ASSERT_TRUE(store->put_part("two", aborted, 1, "x").is_ok());
  ASSERT_TRUE(store->complete_upload("one", completed, {part}, true).is_ok());
  ASSERT_TRUE(store->abort_upload("two", aborted).is_ok());
  EXPECT_EQ(*files_.list(root_ + "/.uploads"), std::vector<std::string>{"work-0"});
}

TEST_F(DirectoryStoreTest, upload_ids_are_never_given_twice) {
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) {
    const auto first = open();
    const auto second = open();  // as another process beside it
    for (const auto* store : {&first, &second}) {
      ids.push_back(*(*store)->start_upload("key"));
      ids.push_back(*(*store)->start_upload("key"));
    }
  }
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::unique(ids.begin(), ids.end()), ids.end());
  EXPECT_EQ(ids.size(), 12u);
}

TEST_F(DirectoryStoreTest, an_upload_outlives_its_process) {
  const auto id = *open()->start_upload("key");
  const auto part = *open()->put_part("key", id, 1, "x");
  ASSERT_TRUE(open()->complete_upload("key", id, {part}, true).is_ok());
  EXPECT_EQ(*open()->get("key"), "x");
}

TEST_F(DirectoryStoreTest, what_a_crash_left_in_a_workspace_is_removed_by_the_next_owner) {
  ASSERT_TRUE(open()->put("key", "x", false).is_ok());
  const std::string left = root_ + "/.uploads/work-0/0-1-9.tmp";
  ASSERT_TRUE(files_.create(left).is_ok());
  ASSERT_TRUE(open()->put("key", "y", false).is_ok());
  EXPECT_FALSE(*files_.exists(left));
}

TEST_F(DirectoryStoreTest, a_damaged_generation_is_reported) {
  ASSERT_TRUE(open()->put("key", "x", false).is_ok());
  ASSERT_TRUE(files_.write_file_atomically(root_ + "/.uploads/work-0/generation", "12x").is_ok());
  EXPECT_EQ(open()->put("key", "y", false).code(), StatusCode::corrupt);
  EXPECT_EQ(*open()->get("key"), "x");
}

TEST_F(DirectoryStoreTest, foreign_upload_ids_do_not_become_paths) {
  const auto store = open();
  ASSERT_TRUE(store->put("key", "x", false).is_ok());
  for (const std::string& id : {std::string("../key"), std::string(""), std::string("work-0"),
                                std::string("a/b"), std::string(1000, '1')}) {
    EXPECT_EQ(store->put_part("key", id, 1, "x").status().code(), StatusCode::not_found);
    EXPECT_EQ(store->complete_upload("key", id, {{1, "e"}}, false).code(), StatusCode::not_found);
    EXPECT_TRUE(store->abort_upload("key", id).is_ok());
  }
  const auto id = *store->start_upload("key");
  for (const char* etag : {"../../../../key", "/", ""}) {
    EXPECT_EQ(store->complete_upload("key", id, {{1, etag}}, false).code(), StatusCode::invalid);
  }
  EXPECT_EQ(*store->get("key"), "x");
}

// The abort runs at the worst moment: between the joining of the parts and the publishing.
class AbortingFiles final : public sys::FileSystem {
 public:
  explicit AbortingFiles(sys::FileSystem& files) : files_(files) {}
  std::function<void()> before_publish;

  Result<std::unique_ptr<sys::File>> open(const std::string& path) override {
    return files_.open(path);
  }
  Result<std::unique_ptr<sys::File>> open_to_read(const std::string& path) override {
    return files_.open_to_read(path);
  }
  Result<std::unique_ptr<sys::File>> create(const std::string& path) override {
    return files_.create(path);
  }
  Status rename(const std::string& from, const std::string& to) override {
    run_once();
    return files_.rename(from, to);
  }
  Status link_new(const std::string& from, const std::string& to) override {
    run_once();
    return files_.link_new(from, to);
  }
  Status remove(const std::string& path) override { return files_.remove(path); }
  Status make_folders(const std::string& path) override { return files_.make_folders(path); }
  Status sync_folder(const std::string& path) override {
    synced.push_back(path);
    return files_.sync_folder(path);
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return files_.list(path);
  }
  Result<bool> exists(const std::string& path) override { return files_.exists(path); }
  Status remove_tree(const std::string& path) override { return files_.remove_tree(path); }
  Result<std::unique_ptr<sys::FolderLock>> lock_folder(const std::string& path) override {
    return files_.lock_folder(path);
  }

  std::vector<std::string> synced;

 private:
  void run_once() {
    if (const auto run = std::exchange(before_publish, nullptr)) run();
  }

  sys::FileSystem& files_;
};

TEST_F(DirectoryStoreTest, an_aborted_upload_is_never_published) {
  for (const bool only_if_absent : {true, false}) {
    AbortingFiles files(files_);
    const auto store = std::move(open_directory_store(files, root_)).value();
    const auto id = *store->start_upload("key");
    const auto part = *store->put_part("key", id, 1, "x");
    files.before_publish = [&] { EXPECT_TRUE(open()->abort_upload("key", id).is_ok()); };
    EXPECT_EQ(store->complete_upload("key", id, {part}, only_if_absent).code(),
              StatusCode::not_found);
    EXPECT_EQ(store->get("key").status().code(), StatusCode::not_found);
  }
}

TEST_F(DirectoryStoreTest, new_folders_and_a_lost_race_s_winner_are_made_durable) {
  AbortingFiles files(files_);
  const auto store = std::move(open_directory_store(files, root_)).value();
  EXPECT_EQ(files.synced, (std::vector<std::string>{folder_ / "deep", folder_.path()}));
  ASSERT_TRUE(store->put("warm", "x", false).is_ok());
  files.synced.clear();
  ASSERT_TRUE(store->put("a/b/key", "x", true).is_ok());
  EXPECT_EQ(files.synced, (std::vector<std::string>{root_ + "/a", root_, root_ + "/a/b"}));
  files.synced.clear();
  EXPECT_EQ(store->put("a/b/key", "y", true).code(), StatusCode::exists);
  EXPECT_EQ(files.synced, std::vector<std::string>{root_ + "/a/b"});
}

}  // namespace
}  // namespace millrace::objects
