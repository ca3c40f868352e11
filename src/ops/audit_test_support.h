#pragma once

// For tests of audits only: an embedded log into which records are put as a pipeline would.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "codec/record_batch.h"
#include "log/embedded_log.h"
#include "sys/real_clock.h"
#include "sys/temporary_folder.h"

namespace millrace::ops {

class AuditedLog {
 public:
  AuditedLog() {
    log::EmbeddedLogOptions options;
    options.folder = folder_ / "log";
    EXPECT_TRUE(files_.make_folders(options.folder).is_ok());
    auto opened = log::EmbeddedLog::open(options, files_, clock_);
    EXPECT_TRUE(opened.is_ok()) << opened.status().to_string();
    log_ = std::move(opened).value();
  }

  [[nodiscard]] log::EmbeddedLog& log() { return *log_; }

  void create(const std::string& topic, std::int32_t partition_count) {
    log::TopicConfig config;
    config.partition_count = partition_count;
    ASSERT_TRUE(log_->create_topic(topic, config).is_ok());
  }

  struct Record {
    std::string value;
    std::string source = {};  // header millrace-source; empty: none of the headers
    std::string error = {};   // header millrace-error
    std::string key = "k";
    std::string pipeline = "p@1";
  };
  void append(const std::string& topic, std::int32_t partition, const Record& record) {
    codec::RecordBatchBuilder builder;
    std::vector<codec::HeaderToAppend> headers;
    if (!record.source.empty()) {
      headers.push_back({"millrace-source", record.source});
      headers.push_back({"millrace-pipeline", record.pipeline});
    }
    if (!record.error.empty()) headers.push_back({"millrace-error", record.error});
    builder.append(WallTime(1), record.key, record.value, headers);
    log::AppendBatch batch{topic, partition, {}};
    builder.finish(batch.bytes);
    const auto appended = log::append_and_wait(*log_, std::move(batch));
    ASSERT_TRUE(appended.is_ok()) << appended.status().to_string();
  }

 private:
  sys::TemporaryFolder folder_;
  sys::PosixFileSystem files_;
  sys::RealClock clock_;
  std::unique_ptr<log::EmbeddedLog> log_;
};

}  // namespace millrace::ops
