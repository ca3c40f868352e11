#pragma once

// What every ObjectStore must do, as GoogleTest expectations against the interface alone. A store's
// own test calls expect_conforms(...) with a factory; see directory_store_test.cc.

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "objects/object_store.h"

namespace millrace::objects {

struct ConformanceOptions {
  // Opens the same store again and again: what one instance wrote, the next one sees. Called from
  // several threads.
  std::function<std::unique_ptr<ObjectStore>()> open;
  std::string prefix = "conformance";  // of every key; nothing else may use it
  std::size_t part_bytes = 1000;       // of all but the last part; S3 wants 5 MiB
};

class Conformance {
 public:
  explicit Conformance(ConformanceOptions options)
      : options_(std::move(options)), store_(options_.open()) {}

  void objects() {
    const std::string key = named("a/b/first.json");
    EXPECT_EQ(store_->get(key).status().code(), StatusCode::not_found);
    EXPECT_EQ(store_->head(key).status().code(), StatusCode::not_found);
    expect_ok(store_->remove(key));

    std::string bytes(3000, '\0');  // every byte value, and not text
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7);
    expect_ok(store_->put(key, bytes, false));
    expect_holds(key, bytes);
    expect_ok(store_->put(key, "second", false));
    expect_holds(key, "second");
    expect_ok(store_->put(key, "", false));
    expect_holds(key, "");
    expect_ok(store_->remove(key));
    EXPECT_EQ(store_->get(key).status().code(), StatusCode::not_found);
    expect_ok(store_->remove(key));

    const std::string odd = named("year=2012/a b+c%25&d=\xc3\xa4~!'().parquet");
    expect_ok(store_->put(odd, "odd", false));
    expect_holds(odd, "odd");
    EXPECT_EQ(keys_below("year=2012/"), std::vector<std::string>{odd});
  }

  void partial_reads() {
    const std::string key = named("partial");
    EXPECT_EQ(store_->open_to_read(key).status().code(), StatusCode::not_found);
    EXPECT_EQ(store_->open_to_read("a//b").status().code(), StatusCode::invalid);
    std::string bytes(10'000, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 >> 3);
    expect_ok(store_->put(key, bytes, false));
    const auto reader = options_.open()->open_to_read(key);
    ASSERT_TRUE(reader.is_ok()) << reader.status().to_string();
    EXPECT_EQ((*reader)->bytes(), bytes.size());
    for (const auto& [position, size] :
         {std::pair(0, 1), std::pair(4096, 4096), std::pair(9'990, 10), std::pair(9'990, 11),
          std::pair(0, 20'000)}) {
      std::string read = "before";
      expect_ok((*reader)->read_at(static_cast<std::uint64_t>(position),
                                   static_cast<std::size_t>(size), read));
      EXPECT_TRUE(read == "before" + bytes.substr(static_cast<std::size_t>(position),
                                                  static_cast<std::size_t>(size)))
          << position << " " << size;
    }
    for (const std::uint64_t position : {std::uint64_t{10'000}, std::uint64_t{1} << 40}) {
      std::string read;
      expect_ok((*reader)->read_at(position, 5, read));
      EXPECT_EQ(read, "");
    }
  }

  void conditional_writes() {
    const std::string key = named("once");
    expect_ok(store_->put(key, "first", true));
    EXPECT_EQ(store_->put(key, "second", true).code(), StatusCode::exists);
    EXPECT_EQ(options_.open()->put(key, "third", true).code(), StatusCode::exists);
    expect_holds(key, "first");
    expect_ok(store_->remove(key));
    expect_ok(store_->put(key, "fourth", true));
    expect_holds(key, "fourth");
  }

  // One of many wins, and what is read is what the winner wrote, whole.
  void racing_conditional_writes() {
    constexpr int kWriters = 4;
    for (int round = 0; round < 5; ++round) {
      const std::string key = named("race/" + std::to_string(round));
      std::atomic<int> winners{0};
      std::atomic<int> losers{0};
      std::atomic<int> winner{-1};
      std::vector<std::thread> writers;
      for (int i = 0; i < kWriters; ++i) {
        writers.emplace_back([&, i] {
          const auto own = options_.open();
          const std::string bytes(2000, static_cast<char>('a' + i));
          // Half of them send a single put, the others an upload.
          const Status status =
              i % 2 == 0 ? own->put(key, bytes, true) : upload(*own, key, bytes, true);
          if (status.is_ok()) {
            ++winners;
            winner = i;
          }
          if (status.code() == StatusCode::exists) ++losers;
        });
      }
      for (auto& writer : writers) writer.join();
      EXPECT_EQ(winners, 1);
      EXPECT_EQ(losers, kWriters - 1);
      if (winner >= 0) expect_holds(key, std::string(2000, static_cast<char>('a' + winner)));
    }
  }

  void listing() {
    std::vector<std::string> expected;
    // '-' sorts before '/', '0' after it: the order is that of whole keys, not of folders.
    for (const char* name : {"list/a-b", "list/a/x", "list/a/y/z", "list/a0", "list/b"}) {
      expected.push_back(named(name));
      expect_ok(store_->put(expected.back(), name, false));
    }
    EXPECT_EQ(keys_below("list/"), expected);
    EXPECT_EQ(keys_below("list"), expected);
    EXPECT_EQ(keys_below("list/a/"), (std::vector<std::string>{expected[1], expected[2]}));
    EXPECT_EQ(keys_below("list/a"), std::vector<std::string>(expected.begin(), expected.end() - 1));
    EXPECT_EQ(keys_below("list/a/y/z"), std::vector<std::string>{expected[2]});
    EXPECT_EQ(keys_below("list/c"), std::vector<std::string>{});
    EXPECT_EQ(keys_below("list/b/"), std::vector<std::string>{});
    const auto listed = store_->list(named("list/a/y"));
    ASSERT_TRUE(listed.is_ok()) << listed.status().to_string();
    ASSERT_EQ(listed->size(), 1u);
    EXPECT_EQ((*listed)[0].bytes, std::string("list/a/y/z").size());
  }

  void uploads() {
    const std::string key = named("upload/object");
    const auto id = start(key);
    const std::string one(options_.part_bytes, '1');
    const std::string two(options_.part_bytes, '2');
    // Any order, again, by another instance.
    std::vector<UploadPart> parts(3);
    parts[2] = put_part(*store_, key, id, 7, "tail");
    parts[0] = put_part(*store_, key, id, 1, two);
    parts[0] = put_part(*store_, key, id, 1, one);
    parts[1] = put_part(*options_.open(), key, id, 2, two);
    EXPECT_EQ(store_->get(key).status().code(), StatusCode::not_found);
    EXPECT_EQ(keys_below("upload/"), std::vector<std::string>{});
    expect_ok(options_.open()->complete_upload(key, id, parts, true));
    expect_holds(key, one + two + "tail");
    EXPECT_EQ(keys_below("upload/"), std::vector<std::string>{key});

    EXPECT_EQ(store_->complete_upload(key, id, parts, true).code(), StatusCode::not_found);
    EXPECT_EQ(store_->put_part(key, id, 1, one).status().code(), StatusCode::not_found);
    expect_ok(store_->abort_upload(key, id));
    expect_holds(key, one + two + "tail");
  }

  void conditional_uploads() {
    const std::string key = named("upload/taken");
    const auto id = start(key);
    const auto part = put_part(*store_, key, id, 1, "late");
    expect_ok(store_->put(key, "early", true));
    EXPECT_EQ(store_->complete_upload(key, id, {part}, true).code(), StatusCode::exists);
    expect_holds(key, "early");
    expect_ok(store_->abort_upload(key, id));
    expect_ok(upload(*store_, key, "replaced", false));
    expect_holds(key, "replaced");
  }

  void aborted_uploads() {
    const std::string key = named("upload/aborted");
    const auto id = start(key);
    const auto part = put_part(*store_, key, id, 1, "bytes");
    expect_ok(options_.open()->abort_upload(key, id));
    expect_ok(store_->abort_upload(key, id));
    EXPECT_EQ(store_->put_part(key, id, 1, "x").status().code(), StatusCode::not_found);
    EXPECT_EQ(store_->complete_upload(key, id, {part}, true).code(), StatusCode::not_found);
    EXPECT_EQ(store_->get(key).status().code(), StatusCode::not_found);
    EXPECT_NE(start(key), id);
  }

  void wrong_uploads() {
    const std::string key = named("upload/wrong");
    const auto id = start(key);
    const auto part = put_part(*store_, key, id, 2, "bytes");
    const auto code = [&](const std::vector<UploadPart>& parts) {
      return store_->complete_upload(key, id, parts, true).code();
    };
    EXPECT_EQ(code({}), StatusCode::invalid);
    EXPECT_EQ(code({{1, part.etag}}), StatusCode::invalid);
    EXPECT_EQ(code({{2, "0123"}}), StatusCode::invalid);
    EXPECT_EQ(code({part, part}), StatusCode::invalid);
    EXPECT_EQ(store_->put_part(key, id, 0, "x").status().code(), StatusCode::invalid);
    EXPECT_EQ(store_->put_part(key, id, 10001, "x").status().code(), StatusCode::invalid);
    EXPECT_EQ(store_->put_part(named("upload/other"), id, 1, "x").status().code(),
              StatusCode::not_found);
    expect_ok(store_->complete_upload(key, id, {part}, true));
    expect_holds(key, "bytes");
  }

  void keys() {
    std::string longest = named("");
    while (longest.size() < 1024) longest += longest.size() % 200 == 0 ? '/' : 'k';
    expect_ok(store_->put(longest, "x", false));
    expect_holds(longest, "x");
    EXPECT_EQ(store_->put(longest + "k", "x", false).code(), StatusCode::invalid);
    for (const std::string& key :
         {std::string(), std::string("/a"), std::string("a/"), std::string("a//b"),
          std::string(".."), std::string("a/../b"), std::string("./a"), std::string("a/.uploads"),
          std::string(".uploads/x"), std::string(1025, 'k'), std::string("a\nb"),
          std::string("a\0b", 3)}) {
      EXPECT_EQ(store_->put(key, "x", false).code(), StatusCode::invalid) << key;
      EXPECT_EQ(store_->get(key).status().code(), StatusCode::invalid) << key;
      EXPECT_EQ(store_->head(key).status().code(), StatusCode::invalid) << key;
      EXPECT_EQ(store_->remove(key).code(), StatusCode::invalid) << key;
      EXPECT_EQ(store_->start_upload(key).status().code(), StatusCode::invalid) << key;
    }
  }

  // Leaves no key of the prefix behind.
  void clean_up() {
    for (const auto& key : keys_below("")) expect_ok(store_->remove(key));
    EXPECT_EQ(keys_below(""), std::vector<std::string>{});
  }

 private:
  std::string named(const std::string& name) const { return options_.prefix + "/" + name; }

  static void expect_ok(const Status& status) { EXPECT_TRUE(status.is_ok()) << status.to_string(); }

  void expect_holds(const std::string& key, const std::string& bytes) {
    const auto read = options_.open()->get(key);
    ASSERT_TRUE(read.is_ok()) << read.status().to_string();
    EXPECT_TRUE(*read == bytes) << key << " holds " << read->size() << " bytes";
    const auto info = store_->head(key);
    ASSERT_TRUE(info.is_ok()) << info.status().to_string();
    EXPECT_EQ(info->key, key);
    EXPECT_EQ(info->bytes, bytes.size());
  }

  std::vector<std::string> keys_below(const std::string& name) {
    std::vector<std::string> keys;
    const auto listed = store_->list(named(name));
    EXPECT_TRUE(listed.is_ok()) << listed.status().to_string();
    if (!listed.is_ok()) return keys;
    for (const auto& info : *listed) keys.push_back(info.key);
    return keys;
  }

  std::string start(const std::string& key) {
    auto id = store_->start_upload(key);
    EXPECT_TRUE(id.is_ok()) << id.status().to_string();
    return id.is_ok() ? *id : std::string();
  }

  static UploadPart put_part(ObjectStore& store, const std::string& key, const std::string& id,
                             int number, const std::string& bytes) {
    auto part = store.put_part(key, id, number, bytes);
    EXPECT_TRUE(part.is_ok()) << part.status().to_string();
    return part.is_ok() ? *part : UploadPart{};
  }

  static Status upload(ObjectStore& store, const std::string& key, const std::string& bytes,
                       bool only_if_absent) {
    MR_ASSIGN_OR_RETURN(const auto id, store.start_upload(key));
    MR_ASSIGN_OR_RETURN(const auto part, store.put_part(key, id, 1, bytes));
    Status status = store.complete_upload(key, id, {part}, only_if_absent);
    MR_RETURN_IF_ERROR(store.abort_upload(key, id));
    return status;
  }

  ConformanceOptions options_;
  std::unique_ptr<ObjectStore> store_;
};

// All of the above, one after the other.
inline void expect_conforms(ConformanceOptions options) {
  Conformance store(std::move(options));
  const auto run = [&store](const char* name, void (Conformance::*part)()) {
    SCOPED_TRACE(name);
    (store.*part)();
  };
  run("objects", &Conformance::objects);
  run("partial reads", &Conformance::partial_reads);
  run("conditional writes", &Conformance::conditional_writes);
  run("racing conditional writes", &Conformance::racing_conditional_writes);
  run("listing", &Conformance::listing);
  run("uploads", &Conformance::uploads);
  run("conditional uploads", &Conformance::conditional_uploads);
  run("aborted uploads", &Conformance::aborted_uploads);
  run("wrong uploads", &Conformance::wrong_uploads);
  run("keys", &Conformance::keys);
  run("clean up", &Conformance::clean_up);
}

}  // namespace millrace::objects
