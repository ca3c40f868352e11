#include "runtime/snapshot_store.h"

#include <gtest/gtest.h>

#include <string>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/random.h"
#include "objects/directory_store.h"
#include "sys/temporary_folder.h"

namespace millrace::runtime {
namespace {

const std::vector<std::string> kNames{"run/a", "r/b"};

SnapshotIdentity identity() {
  return {"ticks", "source", 3, Offset(300), 42, 0x1122334455667788, 4, Offset(290), 0xcafe0001};
}

std::string golden_body() {
  return std::string("LMRS\x02", 5) + "\x05ticks\x06source" + "\x06" + "\xd8\x04" + "\x2a" +
         "\x88\x77\x66\x55\x44\x33\x22\x11" + "\x08" + "\xc4\x04" +
         std::string("\x01\x00\xfe\xca", 4) + "\x02" + "\x05run/a" + "\x03r/b" + "\x05state";
}

TEST(SnapshotStore, has_the_bytes_of_its_format) {
  const auto object = encode_snapshot(identity(), kNames, "state");
  ASSERT_EQ(object.size(), golden_body().size() + 4);
  EXPECT_EQ(object.substr(0, object.size() - 4), golden_body());
  EXPECT_EQ(load_little<std::uint32_t>(object.data() + object.size() - 4), crc32c(golden_body()));
}

TEST(SnapshotStore, reads_what_was_written) {
  const auto read = decode_snapshot(encode_snapshot(identity(), kNames, "state"));
  ASSERT_TRUE(read.is_ok()) << read.status().to_string();
  EXPECT_EQ(read->state, "state");
  EXPECT_EQ(read->objects, kNames);
  EXPECT_EQ(encode_snapshot(read->identity, read->objects, read->state),
            encode_snapshot(identity(), kNames, "state"));
  EXPECT_EQ(read->identity.last_batch_crc, 0xcafe0001u);
}

TEST(SnapshotStore, reads_version_1_which_names_no_objects) {
  auto body = golden_body();
  body[4] = 1;
  body.erase(body.size() - 17, 11);
  std::string object = body;
  append_little(object, crc32c(body));
  const auto read = decode_snapshot(object);
  ASSERT_TRUE(read.is_ok()) << read.status().to_string();
  EXPECT_EQ(read->state, "state");
  EXPECT_EQ(read->objects.size(), 0u);
}

TEST(SnapshotStore, every_flipped_or_missing_byte_is_noticed) {
  const auto object = encode_snapshot(identity(), kNames, "some state of a task");
  for (std::size_t at = 0; at < object.size(); ++at) {
    auto damaged = object;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    const auto read = decode_snapshot(damaged);
    ASSERT_FALSE(read.is_ok()) << at;
    EXPECT_EQ(read.status().code(), StatusCode::corrupt);
    EXPECT_FALSE(decode_snapshot(object.substr(0, at)).is_ok()) << at;
  }
}

TEST(SnapshotStore, objects_sort_by_offset_and_are_named_by_content) {
  EXPECT_EQ(snapshot_key(identity(), {0xab, 0}),
            "snapshots/ticks/source/0003/00000000000000000300-000000000042-00000000000000ab");
}

TEST(SnapshotStore, takes_only_the_object_that_the_journal_names) {
  sys::PosixFileSystem files;
  const sys::TemporaryFolder folder;
  auto store = objects::open_directory_store(files, folder / "objects");
  ASSERT_TRUE(store.is_ok());
  const auto object = encode_snapshot(identity(), kNames, "state");
  const auto entry = put_snapshot(**store, identity(), object);
  ASSERT_TRUE(entry.is_ok()) << entry.status().to_string();
  EXPECT_EQ(entry->next_offset, Offset(300));
  EXPECT_EQ(entry->journal_sequence, 42u);
  EXPECT_EQ(entry->content_bytes, object.size());
  EXPECT_TRUE(put_snapshot(**store, identity(), object).is_ok());  // again is fine
  ASSERT_TRUE(get_snapshot(**store, *entry).is_ok());

  // A whole, valid snapshot, but of something else.
  ASSERT_TRUE((*store)
                  ->put(entry->object_key, encode_snapshot(identity(), kNames, "other"), false)
                  .is_ok());
  EXPECT_EQ(get_snapshot(**store, *entry).status().code(), StatusCode::corrupt);
  ASSERT_TRUE((*store)->remove(entry->object_key).is_ok());
  EXPECT_EQ(get_snapshot(**store, *entry).status().code(), StatusCode::not_found);
}

}  // namespace
}  // namespace millrace::runtime
