#include "sim/fault_file_system.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace millrace::sim {
namespace {

class FaultFileSystemTest : public testing::Test {
 protected:
  // How often in 40 crashes the file is there afterwards, with `content`.
  static int survivals(const std::function<void(FaultFileSystem&)>& prepare,
                       const std::string& path, const std::string& content) {
    int count = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
      FaultFileSystem disk(seed);
      EXPECT_TRUE(disk.make_folders("/a").is_ok());
      EXPECT_TRUE(disk.sync_folder("/").is_ok());
      prepare(disk);
      disk.crash();
      disk.restart();
      const auto found = disk.read_file(path);
      count += found.is_ok() && found.value() == content ? 1 : 0;
    }
    return count;
  }

  static std::unique_ptr<sys::File> write(FaultFileSystem& disk, const std::string& path) {
    auto file = disk.create(path);
    EXPECT_TRUE(file.is_ok()) << file.status().to_string();
    EXPECT_TRUE((*file)->write_at(0, "content").is_ok());
    return std::move(file).value();
  }
};

TEST_F(FaultFileSystemTest, what_was_synced_with_its_name_always_survives) {
  EXPECT_EQ(survivals(
                [](FaultFileSystem& disk) {
                  EXPECT_TRUE(write(disk, "/a/f")->sync().is_ok());
                  EXPECT_TRUE(disk.sync_folder("/a").is_ok());
                },
                "/a/f", "content"),
            40);
}

TEST_F(FaultFileSystemTest, unsynced_content_names_and_folders_survive_by_chance) {
  const auto expect_by_chance = [](int count) {
    EXPECT_GT(count, 0);
    EXPECT_LT(count, 40);
  };
  expect_by_chance(survivals(
      [](FaultFileSystem& disk) {
        write(disk, "/a/f");
        EXPECT_TRUE(disk.sync_folder("/a").is_ok());
      },
      "/a/f", "content"));
  expect_by_chance(
      survivals([](FaultFileSystem& disk) { EXPECT_TRUE(write(disk, "/a/f")->sync().is_ok()); },
                "/a/f", "content"));
  expect_by_chance(survivals(
      [](FaultFileSystem& disk) {
        EXPECT_TRUE(disk.make_folders("/a/b").is_ok());
        EXPECT_TRUE(write(disk, "/a/b/f")->sync().is_ok());
        EXPECT_TRUE(disk.sync_folder("/a/b").is_ok());
      },
      "/a/b/f", "content"));
}

TEST_F(FaultFileSystemTest, a_kill_loses_nothing_but_ends_the_old_handles) {
  FaultFileSystem disk(1);
  EXPECT_TRUE(disk.make_folders("/a").is_ok());
  const auto file = write(disk, "/a/f");
  disk.kill();
  EXPECT_EQ(disk.read_file("/a/f").status().code(), StatusCode::io);
  disk.restart();
  EXPECT_EQ(file->write_at(0, "x").code(), StatusCode::io);
  EXPECT_EQ(disk.read_file("/a/f").value(), "content");
}

}  // namespace
}  // namespace millrace::sim
