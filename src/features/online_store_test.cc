// RocksDB's store and its twin: the same answers to the same changes.

#include <gtest/gtest.h>

#include "base/random.h"
#include "features/feature_test_support.h"
#include "features/online_store.h"
#include "features/rocks_store.h"

namespace millrace::features {
namespace {

std::vector<std::pair<std::string, std::string>> entries_of(const OnlineStore& store,
                                                            const std::string& from = {}) {
  std::vector<std::pair<std::string, std::string>> entries;
  const auto cursor = store.cursor();
  for (cursor->seek(from); cursor->is_at_entry(); cursor->advance()) {
    entries.emplace_back(cursor->key(), cursor->value());
  }
  EXPECT_TRUE(cursor->status().is_ok());
  return entries;
}

StoreChange put(std::string key, std::string value) {
  StoreChange change;
  change.puts.push_back({std::move(key), std::move(value)});
  return change;
}

class RandomChanges {
 public:
  explicit RandomChanges(std::uint64_t seed) : random_(seed) {}

  std::string key() {
    std::string bytes(random_.below(3), '\0');
    for (auto& byte : bytes) byte = static_cast<char>("a\xff/0"[random_.below(4)]);
    return bytes + std::to_string(random_.below(20));
  }

  StoreChange next() {
    StoreChange change;
    if (random_.one_in(6)) {
      auto first = key();
      auto end = key();
      if (end < first) std::swap(first, end);
      change.removed = {first, end};
    }
    for (auto left = random_.below(5); left > 0; --left) {
      change.puts.push_back({key(), std::to_string(random_.next())});
    }
    return change;
  }
  Random& random() { return random_; }

 private:
  Random random_;
};

TEST(OnlineStore, rocks_and_the_map_agree_over_random_changes_and_reopenings) {
  constexpr std::uint64_t kSeed = 4711;
  RandomChanges changes(kSeed);
  const sys::TemporaryFolder folder;
  auto rocks = open_store(folder / "store");
  const auto twin = make_memory_store();
  for (int i = 0; i < 300 && !testing::Test::HasFailure(); ++i) {
    const auto change = changes.next();
    ASSERT_TRUE(rocks->apply(change).is_ok());
    ASSERT_TRUE(twin->apply(change).is_ok());
    const auto key = changes.key();
    EXPECT_EQ(*rocks->get(key), *twin->get(key));
    if (i % 20 == 0) EXPECT_EQ(entries_of(*rocks, key), entries_of(*twin, key));
    if (changes.random().one_in(60)) {
      rocks.reset();
      rocks = open_store(folder / "store");
    }
  }
  EXPECT_EQ(entries_of(*rocks), entries_of(*twin));
}

TEST(OnlineStore, a_cursor_sees_one_moment_over_several_seeks) {
  const sys::TemporaryFolder folder;
  const auto rocks = open_store(folder / "store");
  const auto memory = make_memory_store();
  for (auto* store : {rocks.get(), memory.get()}) {
    ASSERT_TRUE(store->apply(put("a", "1")).is_ok());
    const auto cursor = store->cursor();
    ASSERT_TRUE(store->apply(put("a", "2")).is_ok());
    ASSERT_TRUE(store->apply(put("b", "2")).is_ok());
    for (int i = 0; i < 2; ++i) {
      cursor->seek("a");
      ASSERT_TRUE(cursor->is_at_entry());
      EXPECT_EQ(cursor->value(), "1");
      cursor->advance();
      EXPECT_FALSE(cursor->is_at_entry());
    }
    EXPECT_EQ(*store->get("a"), "2");
  }
}

TEST(OnlineStore, a_removed_range_ends_before_the_puts_of_its_own_change) {
  const sys::TemporaryFolder folder;
  const auto rocks = open_store(folder / "store");
  ASSERT_TRUE(rocks->apply(put("r/a", "old")).is_ok());
  auto change = put("r/b", "new");
  change.removed = {"r/", "r0"};
  ASSERT_TRUE(rocks->apply(change).is_ok());
  using Entries = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(entries_of(*rocks), (Entries{{"r/b", "new"}}));
}

TEST(RocksStore, a_damaged_store_is_given_up_and_said_so) {
  const sys::TemporaryFolder folder;
  sys::PosixFileSystem files;
  const auto path = folder / "store";
  ASSERT_TRUE(open_store(path)->apply(put("a", "1")).is_ok());
  for (const bool is_missing : {false, true}) {
    const auto current = files.read_file(path + "/CURRENT");
    ASSERT_TRUE(current.is_ok());
    const auto manifest = path + "/" + current->substr(0, current->find('\n'));
    if (is_missing) {
      ASSERT_TRUE(files.remove(manifest).is_ok());
    } else {
      ASSERT_TRUE(files.write_file_atomically(manifest, "no manifest").is_ok());
    }
    auto opened = open_rocks_store(path);
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    EXPECT_NE(opened->note.find("damaged"), std::string::npos);
    EXPECT_TRUE(entries_of(*opened->store).empty());
  }
  auto opened = open_rocks_store(path);
  ASSERT_TRUE(opened.is_ok());
  EXPECT_EQ(opened->note, "");
}

TEST(RocksStore, a_folder_that_cannot_be_made_is_an_error_that_names_it) {
  const auto opened = open_rocks_store("/dev/null/store");
  EXPECT_EQ(opened.status().code(), StatusCode::io);
  EXPECT_NE(opened.status().message().find("/dev/null/store"), std::string::npos);
}

}  // namespace
}  // namespace millrace::features
