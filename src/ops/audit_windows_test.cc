#include "ops/audit_windows.h"

#include <gmock/gmock.h>

#include "ops/audit_test_support.h"

namespace millrace::ops {
namespace {

using testing::HasSubstr;

constexpr auto kNever = [] { return false; };

class AuditWindows : public testing::Test {
 protected:
  void SetUp() override {
    logs_.create("agg", 1);
    logs_.create("in", 1);
  }

  void result(const std::string& key, int minute, int revision, bool is_final = false,
              const std::string& source = "in/0/0", const std::string& pipeline = "p@1") {
    const auto at = [](int m) { return "2012-06-21T13:" + std::to_string(m) + ":00Z"; };
    logs_.append(
        "agg", 0,
        {R"({"ticker":")" + key + R"(","window_start":")" + at(minute) + R"(","window_end":")" +
             at(minute + 1) + R"(","revision":)" + std::to_string(revision) + R"(,"is_final":)" +
             (is_final ? "true" : "false") + "}",
         source, "", key, pipeline});
  }
  WindowsReport audit(std::int32_t version = 1, std::int32_t since_version = 1) {
    auto report = audit_windows(logs_.log(), "agg", "p", version,
                                {{"w", "ticker", 60'000'000, since_version}}, kNever);
    EXPECT_TRUE(report.is_ok()) << report.status().to_string();
    return std::move(report).value();
  }

  AuditedLog logs_;
};

TEST_F(AuditWindows, revisions_that_count_up_are_exact) {
  result("A", 30, 0);
  result("B", 30, 0);
  result("A", 31, 0);
  result("A", 30, 1);
  result("A", 30, 2, true);
  const auto report = audit();
  EXPECT_TRUE(report.findings.empty()) << report.findings.text();
  EXPECT_EQ(report.windows, 3U);
  EXPECT_EQ(report.results, std::vector<std::uint64_t>{5});
}

TEST_F(AuditWindows, results_of_a_window_as_an_earlier_version_had_it_are_left_out) {
  result("A", 30, 0);
  result("A", 31, 0);
  result("A", 31, 1);
  result("A", 31, 0, false, "in/0/9", "p@2");
  result("A", 31, 1, false, "in/0/9", "p@3");
  EXPECT_THAT(audit(3, 1).findings.text(), HasSubstr("revision 0 instead of 2"));
  const auto report = audit(3, 2);
  EXPECT_TRUE(report.findings.empty()) << report.findings.text();
  EXPECT_EQ(report.earlier, 3U);
  EXPECT_EQ(report.results, std::vector<std::uint64_t>{2});
}

TEST_F(AuditWindows, results_count_by_the_side_of_the_cut_where_their_source_is) {
  for (int i = 0; i < 8; ++i) logs_.append("in", 0, {"{}", ""});
  result("A", 30, 0, false, "in/0/4");
  result("A", 30, 1, false, "in/0/5");
  result("A", 30, 2, false, "in/0/5");
  result("A", 30, 3, false, "in/0/6");
  const auto run = [&] {
    AuditedWindow window{"w", "ticker", 60'000'000, 1, AuditCut{"in", {Offset(5)}}};
    auto report = audit_windows(logs_.log(), "agg", "p", 1, {window}, kNever);
    EXPECT_TRUE(report.is_ok()) << report.status().to_string();
    return std::move(report).value();
  };
  auto report = run();
  EXPECT_TRUE(report.findings.empty()) << report.findings.text();
  EXPECT_EQ(report.results, std::vector<std::uint64_t>{1});
  EXPECT_EQ(report.at_cut, std::vector<std::uint64_t>{2});
  // A decision at the end of the source names that; nothing names what is behind it.
  result("A", 30, 4, false, "in/0/8");
  EXPECT_TRUE(run().findings.empty());
  result("A", 30, 5, false, "in/0/9");
  EXPECT_EQ(run().findings.text(), "agg/0/5 names offset 9 of in/0 as its source, which ends at 8");
}

TEST_F(AuditWindows, times_in_milliseconds_are_taken_as_such) {
  const auto result = [&](std::int64_t start_ms, std::int64_t revision) {
    logs_.append("agg", 0,
                 {R"({"ticker":"A","window_start":)" + std::to_string(start_ms) +
                      R"(,"window_end":)" + std::to_string(start_ms + 60'000) + R"(,"revision":)" +
                      std::to_string(revision) + R"(,"is_final":false})",
                  "in/0/9", "", "A", "p@1"});
  };
  result(-60'000, 0);
  result(0, 0);
  result(-60'000, 1);
  auto report = audit();
  EXPECT_TRUE(report.findings.empty()) << report.findings.text();
  EXPECT_EQ(report.windows, 2U);
  result(0, 2);
  EXPECT_THAT(audit().findings.text(), HasSubstr("from 1970-01-01T00:00:00"));
  result(9'000'000'000'000'000'000, 0);
  EXPECT_THAT(audit().findings.text(), HasSubstr("is not a result of a window"));
}

TEST_F(AuditWindows, a_hole_is_found) {
  result("A", 30, 0);
  result("A", 30, 2);
  EXPECT_THAT(audit().findings.text(), HasSubstr("revision 2 instead of 1"));
}

TEST_F(AuditWindows, a_missing_first_revision_is_found) {
  result("A", 30, 1);
  EXPECT_THAT(audit().findings.text(), HasSubstr("revision 1 instead of 0"));
}

TEST_F(AuditWindows, a_repeat_is_found) {
  result("A", 30, 0);
  result("A", 30, 0);
  EXPECT_THAT(audit().findings.text(), HasSubstr("revision 0 instead of 1"));
}

TEST_F(AuditWindows, a_revision_after_the_final_one_is_found) {
  result("A", 30, 0, true);
  result("A", 30, 1);
  EXPECT_THAT(audit().findings.text(), HasSubstr("revision 1 after the final one"));
}

TEST_F(AuditWindows, a_result_without_its_source_is_found) {
  result("A", 30, 0, false, "nowhere");
  EXPECT_THAT(audit().findings.text(), HasSubstr("does not name its source"));
}

TEST_F(AuditWindows, a_record_that_is_no_result_is_found) {
  logs_.append("agg", 0, {"{}", "in/0/0"});
  EXPECT_THAT(audit().findings.text(), HasSubstr("is not a result of a window"));
}

TEST_F(AuditWindows, after_retention_a_window_may_begin_with_any_revision) {
  result("A", 30, 0);
  result("A", 30, 1);
  result("A", 30, 2);
  ASSERT_TRUE(logs_.log().delete_records({"agg", 0}, Offset(1)).is_ok());
  const auto report = audit();
  EXPECT_TRUE(report.findings.empty()) << report.findings.text();
  EXPECT_FALSE(report.is_whole);
}

}  // namespace
}  // namespace millrace::ops
