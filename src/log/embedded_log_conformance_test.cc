#include <gtest/gtest.h>

#include "log/embedded_log.h"
#include "log/log_conformance.h"
#include "log/transaction_conformance.h"
#include "sim/fault_file_system.h"

namespace millrace::log {
namespace {

using sim::FaultFileSystem;

class EmbeddedHarness final : public LogHarness {
 public:
  EmbeddedHarness() : files_(1) {
    EXPECT_TRUE(files_.make_folders("/data").is_ok());
    EXPECT_TRUE(files_.sync_folder("/").is_ok());
    open();
  }

  Log& log() override { return *log_; }
  void reopen() override {
    ASSERT_TRUE(log_->close().is_ok());
    log_.reset();
    open();
    EXPECT_EQ(log_->recovery().groups_replayed, 0u);
  }
  void crash_and_reopen() override {
    files_.crash();
    log_.reset();
    files_.restart();
    open();
  }
  void advance_ms(std::int64_t ms) override { clock_.advance_ms(ms); }
  void run_maintenance() override {
    const Status status = log_->run_maintenance();
    ASSERT_TRUE(status.is_ok()) << status.to_string();
  }

 private:
  void open() {
    EmbeddedLogOptions options;
    options.folder = "/data/log";
    options.wal_file_bytes = 64 << 10;
    options.tail_cache_bytes = 1000;  // most reads go to the WAL
    auto opened = EmbeddedLog::open(options, files_, clock_);
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    log_ = std::move(opened).value();
  }

  FaultFileSystem files_;
  ManualClock clock_;
  std::unique_ptr<EmbeddedLog> log_;
};

std::unique_ptr<LogHarness> make_harness() {
  return std::make_unique<EmbeddedHarness>();
}

INSTANTIATE_TEST_SUITE_P(Embedded, LogConformance, testing::Values(&make_harness));
INSTANTIATE_TEST_SUITE_P(Embedded, TransactionConformance, testing::Values(&make_harness));

}  // namespace
}  // namespace millrace::log
