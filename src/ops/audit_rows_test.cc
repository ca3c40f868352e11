#include "ops/audit_rows.h"

#include <gmock/gmock.h>

#include "ops/audit_test_support.h"

namespace millrace::ops {
namespace {

using testing::Contains;
using testing::HasSubstr;

constexpr auto kNever = [] { return false; };

// Six source offsets: 0, 1, 3 have rows, 2 was refused by its schema, 4 was dropped as a duplicate,
// 5 has a row and was late for the window.
class AuditRows : public testing::Test {
 protected:
  void SetUp() override {
    logs_.create("in", 1);
    logs_.create("out", 2);
    logs_.create("dlq", 1);
    plan_.source_topic = "in";
    plan_.outputs = {{"out", 2}, {"dlq", 1}};
    plan_.enriched_outputs = {0};
    plan_.dead_letter_output = 1;
    task::Window window;
    window.name = "w";
    window.length_us = window.every_us = 60'000'000;
    plan_.windows.push_back(std::move(window));
    for (int i = 0; i < 6; ++i) logs_.append("in", 0, {"{}", ""});
    counters_.records_in = 6;
    counters_.passed = 4;
    counters_.dropped_duplicates = 1;
    counters_.dead_letters[static_cast<std::size_t>(task::ErrorType::schema_invalid)] = 1;
    counters_.dead_letters[static_cast<std::size_t>(task::ErrorType::late_event)] = 1;
    counters_.windows.push_back({.in = 4, .counted = 3, .late = 1});
  }

  void write_all() {
    for (const int offset : {0, 1, 3, 5}) row(offset);
    refuse(2, "SCHEMA_INVALID", "schema");
    refuse(5, "LATE_EVENT", "window w");
  }
  void row(int offset) {
    logs_.append("out", offset % 2, {"{}", "in/0/" + std::to_string(offset)});
  }
  void refuse(int offset, const std::string& type, const std::string& stage) {
    logs_.append("dlq", 0,
                 {R"({"stage":")" + stage + R"("})", "in/0/" + std::to_string(offset), type});
  }
  RowsReport audit() {
    auto report = audit_rows(logs_.log(), plan_, "p", {{{"in", 0}, Offset(6), counters_}}, kNever);
    EXPECT_TRUE(report.is_ok()) << report.status().to_string();
    return std::move(report).value();
  }

  void append_aborted() {
    const auto producer = logs_.log().new_producer().value();
    codec::RecordBatchBuilder builder;
    for (const char* value : {"{}", "{}"}) builder.append(WallTime(1), "k", value, {});
    builder.set_producer(producer.id, producer.epoch, 0);
    builder.set_transactional(true);
    log::AppendBatch aborted{"in", 0, {}};
    builder.finish(aborted.bytes);
    ASSERT_TRUE(log::append_and_wait(logs_.log(), std::move(aborted)).is_ok());
    logs_.append("in", 0, {"{}", ""});
    log::Commit end;
    end.markers.push_back({.partition = {"in", 0}, .producer = producer, .is_commit = false});
    const auto ended = logs_.log().commit(std::move(end));
    ASSERT_TRUE(ended.is_ok() && logs_.log().wait_durable(ended->sequence).is_ok());
  }
  // After write_all() and append_aborted().
  RowsReport expect_exact_through_gaps() {
    if (counters_.records_in == 6) {
      row(8);
      ++counters_.records_in;
      ++counters_.passed;
      ++counters_.windows[0].in;
      ++counters_.windows[0].counted;
    }
    auto report = audit_rows(logs_.log(), plan_, "p", {{{"in", 0}, Offset(10), counters_}}, kNever);
    EXPECT_TRUE(report.is_ok()) << report.status().to_string();
    EXPECT_TRUE(report->findings.empty()) << report->findings.text();
    EXPECT_EQ(report->dropped, 1U);
    return std::move(report).value();
  }

  AuditedLog logs_;
  task::SourcePlan plan_;
  task::TaskCounters counters_;
};

TEST_F(AuditRows, every_offset_one_way_is_exact) {
  write_all();
  const auto report = audit();
  EXPECT_TRUE(report.findings.empty()) << report.findings.text();
  EXPECT_EQ(report.offsets, 6U);
  EXPECT_EQ(report.rows, 4U);
  EXPECT_EQ(report.dead_letters, 1U);
  EXPECT_EQ(report.window_letters, 1U);
  EXPECT_EQ(report.dropped, 1U);
}

// Offsets 6 and 7 are aborted records, 8 is data, 9 is the marker.
TEST_F(AuditRows, offsets_of_aborted_records_and_markers_are_no_data) {
  write_all();
  append_aborted();
  expect_exact_through_gaps();
}

// Ten offsets and seven records: a task that began at 0 has read more than what is left shows, even
// though its position less its records lies behind what retention took.
TEST_F(AuditRows, where_a_task_began_is_not_guessed_from_offsets_without_data) {
  write_all();
  append_aborted();
  expect_exact_through_gaps();
  ASSERT_TRUE(logs_.log().delete_records({"in", 0}, Offset(2)).is_ok());
  const auto report = expect_exact_through_gaps();
  ASSERT_EQ(report.notes.size(), 1U);
  EXPECT_EQ(report.notes[0], "in/0 is retained from offset 2 on only");
  EXPECT_EQ(report.offsets, 8U);
}

// It began behind the first three, of which one is still there: everything it read is, too.
TEST_F(AuditRows, a_task_that_began_later_is_judged_as_a_whole) {
  for (const int offset : {3, 5, 8}) row(offset);
  refuse(5, "LATE_EVENT", "window w");
  append_aborted();
  ASSERT_TRUE(logs_.log().delete_records({"in", 0}, Offset(2)).is_ok());
  counters_ = {};
  counters_.records_in = 4;  // 3, 4, 5, 8
  counters_.passed = 3;
  counters_.dropped_duplicates = 1;
  counters_.dead_letters[static_cast<std::size_t>(task::ErrorType::late_event)] = 1;
  counters_.windows.push_back({.in = 3, .counted = 2, .late = 1});
  const auto run = [&] {
    return audit_rows(logs_.log(), plan_, "p", {{{"in", 0}, Offset(10), counters_}}, kNever);
  };
  auto report = run();
  ASSERT_TRUE(report.is_ok()) << report.status().to_string();
  EXPECT_TRUE(report->findings.empty()) << report->findings.text();
  EXPECT_EQ(report->offsets, 7U);
  EXPECT_TRUE(report->notes.empty());
  // As a whole: one that is missing is found.
  counters_.dropped_duplicates = 0;
  ++counters_.passed;
  ++counters_.windows[0].in;
  ++counters_.windows[0].counted;
  report = run();
  ASSERT_TRUE(report.is_ok()) << report.status().to_string();
  EXPECT_FALSE(report->findings.empty());
}

TEST_F(AuditRows, what_others_write_into_the_topics_is_counted_and_nothing_else) {
  write_all();
  logs_.append("out", 0, {"{}", "in/0/0", "", "k", "q@1"});
  logs_.append("out", 0, {"{}", ""});
  const auto report = audit();
  EXPECT_TRUE(report.findings.empty()) << report.findings.text();
  EXPECT_EQ(report.foreign, 2U);
  EXPECT_THAT(report.notes, Contains("2 records of others in the same topics: out/0/1, out/0/2"));
}

TEST_F(AuditRows, a_row_of_a_source_that_is_not_there_is_named) {
  write_all();
  logs_.append("in", 0, {"{}", ""});
  row(6);  // committed since
  EXPECT_TRUE(audit().findings.empty());
  row(7);
  EXPECT_EQ(audit().findings.text(),
            "out/1/3 names offset 7 of in/0 as its source, which ends at 7");
}

TEST_F(AuditRows, a_missing_row_is_found) {
  for (const int offset : {0, 3, 5}) row(offset);
  refuse(2, "SCHEMA_INVALID", "schema");
  refuse(5, "LATE_EVENT", "window w");
  EXPECT_THAT(audit().findings.text(),
              HasSubstr("in/0: 2 offsets have neither row nor dead letter, the first are 1, 4"));
}

TEST_F(AuditRows, a_repeated_row_is_found) {
  write_all();
  row(3);
  EXPECT_THAT(audit().findings.text(), HasSubstr("in/0 offset 3 is in out twice"));
}

TEST_F(AuditRows, an_offset_that_went_both_ways_is_found) {
  write_all();
  row(2);
  EXPECT_THAT(audit().findings.text(), HasSubstr("in/0 offset 2 is both in out and dead-lettered"));
}

TEST_F(AuditRows, a_second_letter_of_a_stage_is_found) {
  write_all();
  refuse(2, "SCHEMA_INVALID", "schema");
  EXPECT_THAT(audit().findings.text(), HasSubstr("offset 2 has a second dead letter"));
}

TEST_F(AuditRows, a_late_event_without_its_row_is_found) {
  write_all();
  refuse(4, "LATE_EVENT", "window w");
  EXPECT_THAT(audit().findings.text(),
              HasSubstr("offset 4 was refused by window w and has no row"));
}

TEST_F(AuditRows, a_reference_to_another_topic_is_found) {
  write_all();
  logs_.append("out", 0, {"{}", "elsewhere/0/0"});
  EXPECT_THAT(audit().findings.text(), HasSubstr("does not name a record of in"));
}

TEST_F(AuditRows, dead_letters_of_windows_of_earlier_versions_are_left_out) {
  write_all();
  plan_.version = 2;
  counters_.windows[0].since_version = 2;
  counters_.windows[0].late = 0;
  auto report = audit();
  EXPECT_TRUE(report.findings.empty()) << report.findings.text();
  EXPECT_EQ(report.window_letters, 1U);
  counters_.windows[0].since_version = 1;
  EXPECT_FALSE(audit().findings.empty());
}

TEST_F(AuditRows, counters_that_differ_are_found) {
  write_all();
  counters_.windows[0].late = 2;
  EXPECT_THAT(audit().findings.text(), HasSubstr("in/0, window w: 1 late events found"));
}

// An event can be late for as many panes as it belongs to, with one letter.
TEST_F(AuditRows, one_letter_may_stand_for_several_panes) {
  write_all();
  plan_.windows[0].every_us = plan_.windows[0].length_us / 4;
  counters_.windows[0].late = 4;
  EXPECT_TRUE(audit().findings.empty());
  counters_.windows[0].late = 5;
  EXPECT_FALSE(audit().findings.empty());
}

TEST_F(AuditRows, what_came_after_the_position_is_left_alone) {
  write_all();
  logs_.append("in", 0, {"{}", ""});
  row(6);
  EXPECT_TRUE(audit().findings.empty());
}

TEST_F(AuditRows, what_retention_has_taken_is_left_out_and_said) {
  write_all();
  ASSERT_TRUE(logs_.log().delete_records({"in", 0}, Offset(2)).is_ok());
  const auto report = audit();
  EXPECT_TRUE(report.findings.empty()) << report.findings.text();
  EXPECT_EQ(report.offsets, 4U);
  ASSERT_EQ(report.notes.size(), 1U);
  EXPECT_EQ(report.notes[0], "in/0 is retained from offset 2 on only");
}

// The outputs' first records are gone: nothing is known of source offsets older than what is left.
TEST_F(AuditRows, outputs_cut_by_retention_make_no_false_alarm) {
  write_all();
  ASSERT_TRUE(logs_.log().delete_records({"out", 0}, Offset(1)).is_ok());
  const auto report = audit();
  EXPECT_TRUE(report.findings.empty()) << report.findings.text();
  EXPECT_FALSE(report.notes.empty());
}

TEST_F(AuditRows, ends_when_cancelled) {
  write_all();
  const auto report =
      audit_rows(logs_.log(), plan_, "p", {{{"in", 0}, Offset(6), counters_}}, [] { return true; });
  ASSERT_FALSE(report.is_ok());
  EXPECT_EQ(report.status().code(), StatusCode::cancelled);
}

TEST(AuditScan, reads_source_references) {
  const auto read = parse_source_reference("ecommerce.orders.raw/3/12345678901");
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->topic, "ecommerce.orders.raw");
  EXPECT_EQ(read->partition, 3);
  EXPECT_EQ(read->offset.value, 12'345'678'901);
  for (const auto* wrong : {"", "/", "t/1", "/1/2", "t//2", "t/1/", "t/-1/2", "t/1/2x", "t/1/-2"}) {
    EXPECT_FALSE(parse_source_reference(wrong).has_value()) << wrong;
  }
}

}  // namespace
}  // namespace millrace::ops
