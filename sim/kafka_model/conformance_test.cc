#include <gtest/gtest.h>

#include "log/log_conformance.h"
#include "sim/kafka_model/model_log.h"

// The part of every log's contract that holds for a log of several processes, too. README.md says
// which tests are left out, and why.

namespace millrace::log {
namespace {

class ModelHarness final : public LogHarness {
 public:
  Log& log() override { return *log_; }
  // The processes come and go, the cluster stays.
  void reopen() override { log_ = std::make_unique<kafka_model::ModelLog>(process_); }
  void crash_and_reopen() override { reopen(); }
  void advance_ms(std::int64_t ms) override { clock_.advance_ms(ms); }
  void run_maintenance() override {}

 private:
  ManualClock clock_;
  kafka_model::Cluster cluster_{clock_, 1};
  kafka_model::Process process_{cluster_, "p"};
  std::unique_ptr<kafka_model::ModelLog> log_ = std::make_unique<kafka_model::ModelLog>(process_);
};

std::unique_ptr<LogHarness> make_harness() {
  return std::make_unique<ModelHarness>();
}

INSTANTIATE_TEST_SUITE_P(KafkaModel, LogConformance, testing::Values(&make_harness));

}  // namespace
}  // namespace millrace::log
