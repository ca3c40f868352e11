#include "ops/audit_features.h"

#include <gmock/gmock.h>

#include "ops/audit_test_support.h"

namespace millrace::ops {
namespace {

constexpr auto kNever = [] { return false; };

class AuditFeatures : public testing::Test {
 protected:
  void SetUp() override {
    logs_.create("results", 2);
    logs_.create("features", 1);
    for (int i = 0; i < 6; ++i) {
      const AuditedLog::Record record{"v" + std::to_string(i / 2), "in/0/" + std::to_string(i)};
      logs_.append("results", i % 2, record);
      logs_.append("features", 0, record);
    }
  }
  std::string audit() {
    AuditedFeature audited{"results", "features", {"in", {next_}}};
    if (has_moved_) audited.has_moved = [this]() -> Result<bool> { return *has_moved_; };
    const auto report = audit_features(logs_.log(), audited, "p", kNever);
    EXPECT_TRUE(report.is_ok()) << report.status().to_string();
    records_ = report->records;
    return report->findings.text();
  }

  AuditedLog logs_;
  Offset next_{6};
  std::optional<bool> has_moved_;  // of a shared log
  std::uint64_t records_ = 0;
};

TEST_F(AuditFeatures, the_same_results_in_both_topics_are_exact) {
  EXPECT_EQ(audit(), "");
  EXPECT_EQ(records_, 6U);
}

// Results of the very cut: all of them are there when nothing was committed since, else maybe not.
TEST_F(AuditFeatures, of_a_shared_log_results_at_the_cut_count_while_it_stands_still) {
  next_ = Offset(5);
  has_moved_ = false;
  EXPECT_EQ(audit(), "");
  EXPECT_EQ(records_, 6U);
  logs_.append("results", 0, {"more", "in/0/5"});
  EXPECT_EQ(audit(), "results/0 offset 3, of in/0/5, is not in features");
  has_moved_ = true;
  EXPECT_EQ(audit(), "");
  EXPECT_EQ(records_, 5U);
  logs_.append("results", 0, {"more", "in/0/4"});
  EXPECT_EQ(audit(), "results/0 offset 4, of in/0/4, is not in features");
}

TEST_F(AuditFeatures, a_feature_that_is_no_result_is_named) {
  logs_.append("features", 0, {"other", "in/0/3"});
  EXPECT_EQ(audit(), "features/0 offset 6, of in/0/3, is not in results");
}

TEST_F(AuditFeatures, a_result_that_is_no_feature_is_named) {
  logs_.append("results", 1, {"lost", "in/0/5"});
  EXPECT_EQ(audit(), "results/1 offset 3, of in/0/5, is not in features");
}

TEST_F(AuditFeatures, the_same_number_of_other_records_is_found) {
  logs_.append("results", 0, {"a", "in/0/4"});
  logs_.append("features", 0, {"b", "in/0/4"});
  EXPECT_EQ(audit(),
            "features/0 offset 6, of in/0/4, is not in results; results/0 offset 3, of in/0/4, is "
            "not in features");
}

TEST_F(AuditFeatures, a_repeated_feature_is_found) {
  logs_.append("features", 0, {"v0", "in/0/1"});
  EXPECT_EQ(audit(), "features/0 offset 6, of in/0/1, is not in results");
}

TEST_F(AuditFeatures, what_a_drain_made_at_the_position_counts_as_well) {
  logs_.append("features", 0, {"drained", "in/0/6"});
  EXPECT_EQ(audit(), "features/0 offset 6, of in/0/6, is not in results");
  logs_.append("results", 0, {"drained", "in/0/6"});
  EXPECT_EQ(audit(), "");
  EXPECT_EQ(records_, 7U);
}

}  // namespace
}  // namespace millrace::ops
