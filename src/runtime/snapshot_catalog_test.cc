#include "runtime/snapshot_catalog.h"

#include <gtest/gtest.h>

#include <string>

#include "runtime/runtime_for_tests.h"

namespace millrace::runtime {
namespace {

NamedSnapshot example(const std::string& name) {
  return {"ticks",
          name,
          3,
          {1, 2},
          WallTime(1000),
          {{"source", 0, {"a-" + name, Offset(64), 7, {3, 4}, 500}},
           {"source", 1, {"shared", Offset(5), 300, {5, 6}, 70}}}};
}

TEST(NamedSnapshot, its_bytes_are_those_of_the_format_page) {
  const NamedSnapshot snapshot{
      "ticks", "v1", 3, {1, 2}, WallTime(1), {{"s", 1, {"k", Offset(64), 300, {3, 4}, 200}}}};
  const std::string expected(
      "\x01\x06"
      "\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0"
      "\x02\x01"
      "\x01s\x02\x01k\x80\x01\xac\x02"
      "\x03\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0"
      "\xc8\x01",
      47);
  EXPECT_EQ(encode_named_snapshot(snapshot), expected);
  const auto decoded = decode_named_snapshot("ticks/v1", expected);
  ASSERT_TRUE(decoded.is_ok());
  EXPECT_EQ(decoded->pipeline, "ticks");
  EXPECT_EQ(decoded->name, "v1");
  EXPECT_EQ(encode_named_snapshot(*decoded), expected);
}

TEST(NamedSnapshot, cut_or_foreign_bytes_are_refused) {
  const auto bytes = encode_named_snapshot(example("x"));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_named_snapshot("ticks/x", bytes.substr(0, size)).is_ok()) << size;
  }
  EXPECT_FALSE(decode_named_snapshot("ticks/x", bytes + "z").is_ok());
  EXPECT_FALSE(decode_named_snapshot("ticks/x", "\x02" + bytes.substr(1)).is_ok());
  EXPECT_FALSE(decode_named_snapshot("no-slash", bytes).is_ok());
}

TEST(NamedSnapshot, names_are_plain) {
  for (const auto* good : {"a", "before-deploy", "2026.11_23", "0"}) {
    EXPECT_TRUE(is_snapshot_name(good)) << good;
  }
  for (const auto* bad : {"", "-a", "A", "a/b", "a b", ".."}) {
    EXPECT_FALSE(is_snapshot_name(bad)) << bad;
  }
  EXPECT_TRUE(is_snapshot_name(std::string(63, 'a')));
  EXPECT_FALSE(is_snapshot_name(std::string(64, 'a')));
}

TEST(SnapshotCatalog, names_survive_a_restart_and_deleted_ones_do_not) {
  log::ManualClock clock;
  Storage storage(clock);
  {
    SnapshotCatalog catalog(storage.log());
    ASSERT_TRUE(catalog.load().is_ok());
    ASSERT_TRUE(catalog.add(example("first")).is_ok());
    ASSERT_TRUE(catalog.add(example("second")).is_ok());
    ASSERT_TRUE(catalog.remove("ticks", "first").is_ok());
    EXPECT_EQ(catalog.add(example("second")).code(), StatusCode::exists);
    EXPECT_EQ(catalog.add(example("No Name")).code(), StatusCode::invalid);
  }
  storage.reopen();
  SnapshotCatalog catalog(storage.log());
  ASSERT_TRUE(catalog.load().is_ok());
  const auto all = catalog.list();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all.front().name, "second");
  EXPECT_EQ(encode_named_snapshot(all.front()), encode_named_snapshot(example("second")));
  const auto missing = catalog.find("ticks", "first");
  EXPECT_EQ(missing.status().code(), StatusCode::not_found);
  EXPECT_EQ(missing.status().message(), "pipeline ticks has no snapshot first; it has second");
  EXPECT_EQ(catalog.remove("orders", "x").message(),
            "pipeline orders has no snapshot x; it has none");
}

TEST(SnapshotCatalog, objects_are_protected_as_long_as_any_name_or_hold_needs_them) {
  log::ManualClock clock;
  Storage storage(clock);
  SnapshotCatalog catalog(storage.log());
  ASSERT_TRUE(catalog.load().is_ok());
  EXPECT_FALSE(catalog.protects("shared"));
  {
    const auto hold = catalog.hold("shared");
    EXPECT_TRUE(catalog.protects("shared"));
    ASSERT_TRUE(catalog.add(example("first")).is_ok());
  }
  EXPECT_TRUE(catalog.protects("shared"));
  EXPECT_TRUE(catalog.protects("a-first"));
  ASSERT_TRUE(catalog.add(example("second")).is_ok());
  ASSERT_TRUE(catalog.remove("ticks", "first").is_ok());
  EXPECT_TRUE(catalog.protects("shared"));
  EXPECT_FALSE(catalog.protects("a-first"));
  ASSERT_TRUE(catalog.remove("ticks", "second").is_ok());
  EXPECT_FALSE(catalog.protects("shared"));
}

TEST(SnapshotCatalog, an_object_is_either_held_or_retired) {
  log::ManualClock clock;
  Storage storage(clock);
  SnapshotCatalog catalog(storage.log());
  auto hold = catalog.hold("x");
  ASSERT_NE(hold, nullptr);
  EXPECT_FALSE(catalog.retire("x"));
  hold.reset();
  EXPECT_TRUE(catalog.retire("x"));
  EXPECT_EQ(catalog.hold("x"), nullptr);
  catalog.forget_retired("x");
  EXPECT_NE(catalog.hold("x"), nullptr);
}

}  // namespace
}  // namespace millrace::runtime
