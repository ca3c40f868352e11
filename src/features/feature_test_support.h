#pragma once

// What the tests of this folder share. Only for tests.

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/time_text.h"
#include "codec/record_batch.h"
#include "features/feature_service.h"
#include "features/rocks_store.h"
#include "log/embedded_log.h"
#include "sys/file_system.h"
#include "sys/real_clock.h"
#include "sys/temporary_folder.h"

namespace millrace::features {

inline FeatureGroup ticks_group() {
  return {"tick_features", "millrace.features.tick_features", "window_end"};
}

// A window's result, as the tasks write it.
struct Result1m {
  std::string ticker;
  std::int64_t window_end_s = 0;
  std::int64_t revision = 1;
  std::string price = "1.00";

  [[nodiscard]] std::string json() const {
    return "{\"ticker\":\"" + ticker + "\",\"window_end\":\"" + format_instant(window_end_s, 0) +
           "\",\"revision\":" + std::to_string(revision) + ",\"avg_price\":\"" + price + "\"}";
  }
  [[nodiscard]] FeatureRecord record() const {
    return {ticker, EventTime(window_end_s * kMicrosPerSecond), revision, json()};
  }
};

inline std::string batch_of(const std::vector<Result1m>& results) {
  codec::RecordBatchBuilder builder(codec::Compression::lz4);
  for (const auto& result : results) {
    builder.append(WallTime(1'000), result.ticker, result.json(), {});
  }
  std::string bytes;
  builder.finish(bytes);
  return bytes;
}

// A log in a folder of its own.
class LogFixture {
 public:
  LogFixture() { open(); }

  void open() {
    log::EmbeddedLogOptions options;
    options.folder = folder_ / "log";
    EXPECT_TRUE(files_.make_folders(options.folder).is_ok());
    auto opened = log::EmbeddedLog::open(options, files_, clock_);
    EXPECT_TRUE(opened.is_ok()) << opened.status().to_string();
    log_ = std::move(opened).value();
  }
  void close() {
    EXPECT_TRUE(log_->close().is_ok());
    log_.reset();
  }
  void create_topic(const FeatureGroup& group, std::int32_t partition_count) {
    log::TopicConfig config;
    config.partition_count = partition_count;
    config.is_internal = true;
    EXPECT_TRUE(log_->create_topic(group.topic, config).is_ok());
  }
  void append(const FeatureGroup& group, std::int32_t partition,
              const std::vector<Result1m>& results) {
    append_bytes(group, partition, batch_of(results));
  }
  void append_bytes(const FeatureGroup& group, std::int32_t partition, std::string bytes) {
    const auto appended = log::append_and_wait(*log_, {group.topic, partition, std::move(bytes)});
    EXPECT_TRUE(appended.is_ok()) << appended.status().to_string();
  }

  [[nodiscard]] log::EmbeddedLog& log() { return *log_; }
  [[nodiscard]] sys::FileSystem& files() { return files_; }
  [[nodiscard]] const sys::TemporaryFolder& folder() const { return folder_; }

 private:
  sys::TemporaryFolder folder_;
  sys::PosixFileSystem files_;
  sys::RealClock clock_;
  std::unique_ptr<log::EmbeddedLog> log_;
};

inline std::unique_ptr<FeatureService> start_service(log::Log& log,
                                                     std::unique_ptr<OnlineStore> store,
                                                     std::vector<FeatureGroup> groups) {
  FeatureServiceOptions options;
  options.groups = std::move(groups);
  auto started = FeatureService::start(log, std::move(store), std::move(options));
  EXPECT_TRUE(started.is_ok()) << started.status().to_string();
  return std::move(started).value();
}

inline std::unique_ptr<OnlineStore> open_store(const std::string& folder) {
  auto opened = open_rocks_store(folder);
  EXPECT_TRUE(opened.is_ok()) << opened.status().to_string();
  return std::move(opened).value().store;
}

inline void expect_exact(const std::vector<AuditCheck>& checks) {
  EXPECT_FALSE(checks.empty());
  for (const auto& check : checks) EXPECT_TRUE(check.ok) << check.check << ": " << check.detail;
}

inline bool try_copy_folder(sys::FileSystem& files, const std::string& from,
                            const std::string& to) {
  EXPECT_TRUE(files.remove_tree(to).is_ok());
  EXPECT_TRUE(files.make_folders(to).is_ok());
  const auto names = files.list(from);
  if (!names.is_ok()) return false;
  for (const auto& name : *names) {
    if (*files.is_folder(from + "/" + name)) {
      if (!try_copy_folder(files, from + "/" + name, to + "/" + name)) return false;
      continue;
    }
    const auto bytes = files.read_file(from + "/" + name);
    if (!bytes.is_ok()) return false;
    EXPECT_TRUE(files.write_file_atomically(to + "/" + name, *bytes).is_ok());
  }
  const auto after = files.list(from);
  return after.is_ok() && *after == *names;
}

// A folder as a killed process leaves it: a copy during which no file came or went, as RocksDB's
// threads may be tidying up.
inline void copy_folder(sys::FileSystem& files, const std::string& from, const std::string& to) {
  constexpr int kAttempts = 1000;
  for (int i = 0; i < kAttempts; ++i) {
    if (try_copy_folder(files, from, to)) return;
  }
  FAIL() << from << " does not come to rest";
}

}  // namespace millrace::features
