#include "ops/audit_range.h"

#include <gtest/gtest.h>

#include "codec/record_batch.h"
#include "lake/memory_log_for_tests.h"
#include "sys/real_clock.h"

namespace millrace::ops {
namespace {

class AuditRange : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(log_.create_topic("in", {}).is_ok());
    for (int i = 0; i < 8; ++i) {
      codec::RecordBatchBuilder builder;
      builder.append(WallTime(1), "k", "{}", {});
      log::AppendBatch batch{"in", 0, {}};
      builder.finish(batch.bytes);
      ASSERT_TRUE(log::append_and_wait(log_, std::move(batch)).is_ok());
    }
  }
  AuditedRange range() {
    std::vector<std::string> notes;
    auto ranges =
        find_audited_ranges(log_, {{in_, Offset(8), {}}}, {}, [] { return false; }, notes);
    EXPECT_TRUE(ranges.is_ok()) << ranges.status().to_string();
    return ranges->front();
  }

  const TopicPartition in_{"in", 0};
  lake::FaultPlan faults_;
  sys::RealClock clock_;
  lake::MemoryLog log_{faults_, clock_};
};

TEST_F(AuditRange, what_a_transaction_leaves_is_no_loss) {
  log_.set_kind(in_, Offset(2), log::BatchKind::aborted);
  log_.set_kind(in_, Offset(3), log::BatchKind::aborted);
  log_.set_kind(in_, Offset(7), log::BatchKind::control);
  const auto found = range();
  EXPECT_EQ(found.gaps, 3U);
  EXPECT_EQ(found.lost, 0U);
  EXPECT_FALSE(found.first_lost);
}

TEST_F(AuditRange, what_the_log_does_not_have_is_no_gap) {
  log_.set_kind(in_, Offset(3), log::BatchKind::control);
  for (const int lost : {4, 5, 7}) log_.lose(in_, Offset(lost));
  // The last one is behind the end of what is there.
  std::vector<std::string> notes;
  const auto ranges =
      find_audited_ranges(log_, {{in_, Offset(7), {}}}, {}, [] { return false; }, notes);
  ASSERT_TRUE(ranges.is_ok()) << ranges.status().to_string();
  const auto& found = ranges->front();
  EXPECT_EQ(found.gaps, 1U);
  EXPECT_EQ(found.lost, 2U);
  ASSERT_TRUE(found.first_lost);
  EXPECT_EQ(found.first_lost->first, Offset(4));
  EXPECT_EQ(found.first_lost->second, Offset(6));
}

}  // namespace
}  // namespace millrace::ops
