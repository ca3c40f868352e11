#pragma once

// A log and an object store in a folder of their own, for tests of this folder.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "log/embedded_log.h"
#include "log/log_test_support.h"
#include "objects/directory_store.h"
#include "pipeline/pipeline_twin.h"
#include "runtime/snapshot_writer.h"
#include "runtime/task_runner.h"
#include "sys/temporary_folder.h"

namespace millrace::runtime {

using pipeline::PlainRecord;
using pipeline::Topics;

// What a process has open. `crash` and `reopen` end one such life and begin the next.
class Storage {
 public:
  // With `is_syncing` commits wait for the disk, so that a crash finds some that do.
  explicit Storage(const Clock& clock, bool is_syncing = false)
      : clock_(clock), is_syncing_(is_syncing), folder_(root_ / "0") {
    EXPECT_TRUE(files_.make_folders(folder_ + "/log").is_ok());
    open();
  }
  ~Storage() { close(); }

  [[nodiscard]] log::EmbeddedLog& log() { return *log_; }
  [[nodiscard]] RunnerServices services() {
    return {log_.get(), objects_in_place_ ? objects_in_place_ : objects_.get(),
            &clock_,    snapshots_.get(),
            nullptr,    nullptr};
  }
  // What services() hands out in place of the objects; null: nothing.
  void put_in_place_of_objects(objects::ObjectStore* store) { objects_in_place_ = store; }
  [[nodiscard]] objects::ObjectStore& objects() { return *objects_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }

  void reopen() {
    close();
    open();
  }
  // Goes on with what is on the disk at this moment, as after a kill: what the threads of the log
  // and of the snapshots have not written yet is lost.
  void crash() {
    const auto next = root_ / std::to_string(++lives_);
    // The log first: an object that its journal names is there before.
    for (const auto* part : {"/log", "/objects"}) copy(folder_ + part, next + part);
    close();
    EXPECT_TRUE(files_.remove_tree(folder_).is_ok());
    folder_ = next;
    open();
  }

  void create_topics(const pipeline::Pipeline& plan) {
    for (const auto& need : plan.topics) {
      log::TopicConfig config;
      config.partition_count = need.partition_count;
      config.is_internal = need.is_internal;
      const auto created = log_->create_topic(need.name, config);
      ASSERT_TRUE(created.is_ok()) << created.status().to_string();
    }
  }
  void append(const TopicPartition& to, std::span<const PlainRecord> records) {
    const auto offset = log::append_and_wait(
        *log_, {to.topic, to.partition, pipeline::batch_of(records, Offset(0))});
    ASSERT_TRUE(offset.is_ok()) << offset.status().to_string();
  }
  // Every batch of a partition.
  [[nodiscard]] std::vector<log::FetchedBatch> batches(const TopicPartition& of) {
    std::vector<log::FetchedBatch> out;
    const auto offsets = log_->offsets(of);
    EXPECT_TRUE(offsets.is_ok()) << of.to_string();
    for (Offset next = offsets->start; next < offsets->high_watermark;) {
      auto fetched = log_->fetch(of, next, 1 << 20, log::Visibility::durable);
      EXPECT_TRUE(fetched.is_ok()) << fetched.status().to_string();
      if (!fetched.is_ok() || fetched->batches.empty()) break;
      next = fetched->batches.back().next_offset;
      for (auto& batch : fetched->batches) out.push_back(std::move(batch));
    }
    return out;
  }
  [[nodiscard]] std::vector<PlainRecord> records(const TopicPartition& of) {
    std::vector<PlainRecord> out;
    for (const auto& batch : batches(of)) {
      for (auto& record : pipeline::records_in(batch.bytes.view())) {
        out.push_back(std::move(record));
      }
    }
    return out;
  }

 private:
  // What disappears while it is copied was on its way out.
  void copy(const std::string& from, const std::string& to) {
    if (const auto is_folder = files_.is_folder(from); is_folder.is_ok() && *is_folder) {
      EXPECT_TRUE(files_.make_folders(to).is_ok());
      const auto names = files_.list(from);
      ASSERT_TRUE(names.is_ok());
      for (const auto& name : *names) copy(from + "/" + name, to + "/" + name);
      return;
    }
    const auto bytes = files_.read_file(from);
    if (!bytes.is_ok()) return;
    auto file = files_.create(to);
    ASSERT_TRUE(file.is_ok()) << file.status().to_string();
    ASSERT_TRUE((*file)->write_at(0, *bytes).is_ok());
  }
  void open() {
    log::EmbeddedLogOptions options;
    options.folder = folder_ + "/log";
    options.wal_file_bytes = 4 << 20;
    options.sync_each_commit = is_syncing_;
    options.maintenance_interval_ms = 3'600'000;
    auto log = log::EmbeddedLog::open(options, files_, clock_);
    ASSERT_TRUE(log.is_ok()) << log.status().to_string();
    log_ = std::move(log).value();
    auto objects = objects::open_directory_store(files_, folder_ + "/objects");
    ASSERT_TRUE(objects.is_ok()) << objects.status().to_string();
    objects_ = std::move(objects).value();
    snapshots_ = std::make_unique<SnapshotWriter>(*objects_);
  }
  void close() {
    snapshots_.reset();
    objects_.reset();
    log_.reset();
  }

  const Clock& clock_;
  const bool is_syncing_;
  sys::PosixFileSystem files_;
  sys::TemporaryFolder root_;
  std::string folder_;
  int lives_ = 0;
  std::unique_ptr<log::EmbeddedLog> log_;
  std::unique_ptr<objects::ObjectStore> objects_;
  objects::ObjectStore* objects_in_place_ = nullptr;
  std::unique_ptr<SnapshotWriter> snapshots_;
};

}  // namespace millrace::runtime
