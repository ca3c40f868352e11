#include "lake/delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/random.h"
#include "lake/delivery_world_for_tests.h"

namespace millrace::lake {
namespace {

TEST(Delivery, files_hold_every_event_once_in_the_folder_of_its_time_and_ticker) {
  World world(FileFormat::json_lines, 1 << 20);
  world.produce(0, kEvents);
  const auto delivery = world.make_delivery();
  ASSERT_TRUE(world.deliver_all(*delivery).is_ok());

  std::multiset<std::string> expected;
  for (std::size_t i = 0; i < kEvents; ++i) expected.insert("e" + std::to_string(i));
  EXPECT_EQ(ids_in_files(world), expected);
  const std::string name = "/ticks-0-00000000000000000000-00000000000000000120-";
  std::vector<std::string> keys;
  for (const auto& [key, bytes] : world.store.objects()) keys.push_back(key);
  EXPECT_THAT(keys, testing::ElementsAre("lake/ticks/hour=13/ticker=AMZN" + name + "0.json",
                                         "lake/ticks/hour=13/ticker=BRK%2FB" + name + "1.json",
                                         "lake/ticks/hour=14/ticker=AMZN" + name + "3.json",
                                         "lake/ticks/hour=14/ticker=BRK%2FB" + name + "2.json",
                                         "lake/ticks/hour=15/ticker=AMZN" + name + "5.json",
                                         "lake/ticks/hour=15/ticker=BRK%2FB" + name + "4.json"));
  EXPECT_TRUE(world.store.objects().begin()->second.starts_with(make_event(0) + "\n" +
                                                                make_event(3) + "\n"));
}

TEST(Delivery, a_range_ends_when_its_bytes_are_reached_and_the_manifest_tiles) {
  World world(FileFormat::json_lines);
  world.produce(0, kEvents);
  const auto delivery = world.make_delivery();
  ASSERT_TRUE(world.deliver_all(*delivery).is_ok());
  const auto files = read_manifest(world.log, world.manifest());
  ASSERT_TRUE(files.is_ok()) << files.status().to_string();
  Offset next(0);
  std::uint64_t rows = 0;
  for (const auto& file : *files) {
    EXPECT_TRUE(file.first_offset == next || file.next_offset == next) << file.path;
    EXPECT_EQ(file.state, FileState::delivered);
    EXPECT_EQ(file.bytes, world.store.objects().at(file.path).size());
    next = file.next_offset;
    rows += file.rows;
  }
  EXPECT_EQ(next, Offset(kEvents));
  EXPECT_EQ(rows, kEvents);
  // About 113 bytes an event: 18 to a range of 2000.
  EXPECT_EQ(delivery->report().ranges, 7u);
  EXPECT_EQ(delivery->report().rows, kEvents);
  EXPECT_EQ(delivery->report().delivered_offset, Offset(kEvents));
  EXPECT_EQ(world.log.pins().at({kGroup, kSource}), Offset(kEvents));
  EXPECT_EQ(world.faults_found(), "");
}

TEST(Delivery, a_row_that_fits_no_column_is_a_dead_letter_and_stops_nothing) {
  World world(FileFormat::parquet);
  world.produce(0, kEvents);
  const auto delivery = world.make_delivery();
  ASSERT_TRUE(world.deliver_all(*delivery).is_ok());
  const auto letters = read_values(world.log, kDeadLetters);
  ASSERT_EQ(letters.size(), 3u);  // events 39, 79 and 119
  Arena arena;
  const auto letter = codec::parse_json(letters[1], arena);
  ASSERT_TRUE(letter.is_ok());
  std::map<std::string_view, Value> members;
  for (const auto& member : letter->as_map()) members[member.key.as_string()] = member.value;
  EXPECT_EQ(members["original_message"].as_string(), make_event(79));
  EXPECT_EQ(members["error_type"].as_string(), "SINK_ERROR");
  EXPECT_EQ(members["error_message"].as_string(), "field price does not fit decimal(18, 4)");
  EXPECT_EQ(members["stage"].as_string(), "lake ticks");
  EXPECT_EQ(members["original_topic"].as_string(), "output_topic");
  EXPECT_EQ(members["original_offset"].as_int64(), 79);
  EXPECT_EQ(delivery->report().dead_letters, 3u);
  EXPECT_EQ(delivery->report().rows, kEvents - 3);
  EXPECT_EQ(world.faults_found(), "");
}

TEST(Delivery, what_cannot_be_read_as_an_object_is_a_dead_letter) {
  World world(FileFormat::json_lines);
  codec::RecordBatchBuilder builder;
  builder.append(WallTime(1), "k", std::nullopt, {});
  builder.append(WallTime(1), std::nullopt, "[1", {});
  builder.append(WallTime(1), "k", R"({"event_id":"no time"})", {});
  builder.append(WallTime(1), "k", make_event(0), {});
  const std::string huge(3 << 20, 'x');
  builder.append(WallTime(1), "k", huge, {});
  std::string bytes;
  builder.finish(bytes);
  ASSERT_TRUE(log::append_and_wait(world.log, {kSource.topic, 0, std::move(bytes)}).is_ok());
  const auto delivery = world.make_delivery();
  ASSERT_TRUE(world.deliver_all(*delivery).is_ok());
  const auto letters = read_values(world.log, kDeadLetters);
  ASSERT_EQ(letters.size(), 4u);
  EXPECT_THAT(letters[0], testing::HasSubstr("tombstone"));
  EXPECT_THAT(letters[1], testing::HasSubstr("unreadable JSON"));
  EXPECT_THAT(letters[2], testing::HasSubstr("event time is missing"));
  // Too large for the topic: whole in the store, by name in the topic.
  const std::string key = "dead_letters/ticks/ticks-0-00000000000000000004.json";
  EXPECT_LT(letters[3].size(), 2000u);
  EXPECT_THAT(letters[3], testing::HasSubstr(key));
  EXPECT_THAT(world.store.objects().at(key), testing::HasSubstr(huge));
  EXPECT_EQ(world.store.objects().size(), 2u);
  EXPECT_EQ(world.faults_found(), "");
}

TEST(Delivery, an_old_range_is_rolled_by_the_clock) {
  World world(FileFormat::json_lines, 1 << 20);
  const auto delivery = world.make_delivery();
  ASSERT_TRUE(delivery->attach().is_ok());
  ASSERT_TRUE(delivery->step().is_ok());
  world.clock.advance_ms(100'000);  // nothing is buffered, so nothing ages
  world.produce(0, 5);
  ASSERT_TRUE(delivery->step().is_ok());
  world.clock.advance_ms(59'999);
  world.produce(5, 6);
  ASSERT_TRUE(delivery->step().is_ok());
  EXPECT_TRUE(world.store.objects().empty());
  EXPECT_EQ(delivery->report().next_offset, Offset(6));
  world.clock.advance_ms(1);
  ASSERT_TRUE(delivery->step().is_ok());
  EXPECT_EQ(world.store.objects().size(), 2u);
  EXPECT_EQ(delivery->report().delivered_offset, Offset(6));
}

TEST(Delivery, a_range_has_a_bounded_number_of_files) {
  World world(FileFormat::json_lines, 1 << 20);
  world.options.writer.partition_by = {"event_id"};
  world.options.files_per_range_max = 10;
  world.produce(0, 35);
  const auto delivery = world.make_delivery();
  ASSERT_TRUE(world.deliver_all(*delivery).is_ok());
  EXPECT_EQ(world.store.objects().size(), 35u);
  EXPECT_EQ(delivery->report().ranges, 4u);
  EXPECT_EQ(world.faults_found(), "");
}

TEST(Delivery, records_of_aborted_transactions_are_in_no_file_and_in_the_range) {
  World world(FileFormat::json_lines);
  world.produce(0, 40);
  const auto fetched =
      world.log.fetch(kSource, Offset(0), std::size_t{1} << 30, log::Visibility::durable);
  ASSERT_TRUE(fetched.is_ok());
  std::multiset<std::string> expected;
  for (std::size_t i = 0; i < fetched->batches.size(); ++i) {
    const auto& batch = fetched->batches[i];
    const bool is_aborted = i % 3 == 1;
    if (is_aborted) world.log.set_kind(kSource, batch.base_offset, log::BatchKind::aborted);
    for (auto at = batch.base_offset; at < batch.next_offset && !is_aborted; at = at + 1) {
      expected.insert("e" + std::to_string(at.value));
    }
  }
  const auto delivery = world.make_delivery();
  ASSERT_TRUE(world.deliver_all(*delivery).is_ok());
  EXPECT_EQ(ids_in_files(world), expected);
  EXPECT_EQ(delivery->report().next_offset, Offset(40));
  EXPECT_EQ(world.faults_found(), "");
}

TEST(Delivery, only_what_is_durable_is_delivered) {
  World world(FileFormat::json_lines);
  world.produce(0, 3);
  codec::RecordBatchBuilder builder;
  builder.append(WallTime(1), "k", make_event(3), {});
  log::Commit commit;
  commit.appends.push_back({kSource.topic, 0, {}});
  builder.finish(commit.appends.back().bytes);
  // The delivery's own commits must not make it durable here, so it is only read.
  const auto delivery = world.make_delivery();
  ASSERT_TRUE(delivery->attach().is_ok());
  ASSERT_TRUE(world.log.commit(std::move(commit)).is_ok());
  ASSERT_TRUE(delivery->step().is_ok());
  EXPECT_EQ(delivery->report().next_offset, Offset(3));
}

// The heart of it: a crash at any call of log or store, before or after the call took effect, with
// or without what was not synced, leaves the very same files, dead letters and offset as no crash
// at all.
class EveryCrash : public testing::TestWithParam<FileFormat> {};

struct Fault {
  FaultPlan::Kind kind;
  bool keeps_unsynced;
};

// All combinations for JSON; Parquet is slow to write under the sanitizers and takes turns.
std::vector<Fault> faults_for(FileFormat format, std::uint64_t call) {
  std::vector<Fault> all{{FaultPlan::Kind::before, false},
                         {FaultPlan::Kind::after, false},
                         {FaultPlan::Kind::before, true},
                         {FaultPlan::Kind::after, true}};
  if (format == FileFormat::json_lines) return all;
  return {all[call % all.size()]};
}

TEST_P(EveryCrash, leaves_the_same_files_as_none) {
  const auto expected = undisturbed(GetParam());
  ASSERT_GT(expected.objects.size(), 7u);
  ASSERT_EQ(expected.group_offset, Offset(kEvents));
  bool has_fired = true;
  std::uint64_t crashes = 0;
  for (std::uint64_t call = 1; has_fired; ++call) {
    has_fired = false;
    for (const auto& fault : faults_for(GetParam(), call)) {
      World world(GetParam());
      world.produce(0, kEvents);
      world.faults.fail_at(call, fault.kind, true);
      std::ignore = world.deliver_all(*world.make_delivery());
      if (!world.faults.has_fired()) continue;
      has_fired = true;
      ++crashes;
      world.faults.recover();
      world.log.crash(fault.keeps_unsynced);
      const auto delivery = world.make_delivery();
      const auto status = world.deliver_all(*delivery);
      ASSERT_TRUE(status.is_ok()) << "call " << call << ": " << status.to_string();
      ASSERT_TRUE(outcome_of(world) == expected)
          << "call " << call << (fault.kind == FaultPlan::Kind::before ? " before" : " after")
          << (fault.keeps_unsynced ? " kept" : " lost");
      ASSERT_EQ(world.faults_found(), "") << "call " << call;
    }
  }
  EXPECT_GT(crashes, 60u);
}

// Without a crash the same delivery goes on after the error; no upload is left behind but one whose
// start was answered with an error.
TEST_P(EveryCrash, and_every_passing_failure_is_survived_in_place) {
  const auto expected = undisturbed(GetParam());
  bool has_fired = true;
  for (std::uint64_t call = 1; has_fired; ++call) {
    has_fired = false;
    for (const auto& fault : faults_for(GetParam(), call)) {
      if (fault.keeps_unsynced) continue;
      World world(GetParam());
      world.produce(0, kEvents);
      world.faults.fail_at(call, fault.kind, false);
      const auto delivery = world.make_delivery();
      auto status = world.deliver_all(*delivery);
      has_fired |= world.faults.has_fired();
      world.faults.recover();
      if (!status.is_ok()) {
        EXPECT_FALSE(delivery->report().last_error.empty());
        // Others' commits make durable what was appended before them.
        ASSERT_TRUE(world.log.wait_durable(log::CommitSequence(1'000'000)).is_ok());
        status = world.deliver_all(*delivery);
      }
      ASSERT_TRUE(status.is_ok()) << "call " << call << ": " << status.to_string();
      ASSERT_TRUE(outcome_of(world) == expected) << "call " << call;
      ASSERT_LE(world.store.open_uploads(), fault.kind == FaultPlan::Kind::after ? 1u : 0u);
    }
    // Parquet's turns without an effect here are no end.
    has_fired |= GetParam() == FileFormat::parquet && call < 200;
  }
}

TEST_P(EveryCrash, and_so_do_many_in_a_row) {
  const auto expected = undisturbed(GetParam());
  const std::uint64_t seeds = GetParam() == FileFormat::parquet ? 5 : 40;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Random random(seed);
    World world(GetParam());
    world.produce(0, kEvents);
    for (int crash = 0; crash < 12; ++crash) {
      world.faults.fail_at(1 + random.below(40),
                           random.one_in(2) ? FaultPlan::Kind::before : FaultPlan::Kind::after,
                           true);
      std::ignore = world.deliver_all(*world.make_delivery());
      world.faults.recover();
      world.log.crash(random.one_in(2));
    }
    const auto status = world.deliver_all(*world.make_delivery());
    ASSERT_TRUE(status.is_ok()) << "seed " << seed << ": " << status.to_string();
    ASSERT_TRUE(outcome_of(world) == expected) << "seed " << seed;
    ASSERT_EQ(world.faults_found(), "") << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, EveryCrash,
                         testing::Values(FileFormat::json_lines, FileFormat::parquet),
                         [](const auto& format) {
                           return format.param == FileFormat::parquet ? "parquet" : "json";
                         });

// Rolls by the clock at random places, crashes between: ranges differ, but tile.
TEST(Delivery, clock_rolls_and_crashes_leave_neither_hole_nor_overlap) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Random random(seed);
    World world(FileFormat::json_lines, 4000);
    std::size_t produced = 0;
    auto delivery = world.make_delivery();
    while (produced < kEvents) {
      const auto more = std::min(kEvents, produced + 1 + random.below(15));
      world.produce(produced, more);
      produced = more;
      world.clock.advance_ms(static_cast<std::int64_t>(random.below(80'000)));
      if (random.one_in(3)) {
        world.faults.fail_at(1 + random.below(25), FaultPlan::Kind::after, true);
      }
      for (int i = 0; i < 3; ++i) {
        if (!delivery->is_attached() && !delivery->attach().is_ok()) continue;
        std::ignore = delivery->step();
      }
      const bool has_crashed = world.faults.has_fired();
      world.faults.recover();
      if (!has_crashed) continue;
      world.log.crash(random.one_in(2));
      delivery = world.make_delivery();
    }
    const auto status = world.deliver_all(*delivery);
    ASSERT_TRUE(status.is_ok()) << "seed " << seed << ": " << status.to_string();
    std::multiset<std::string> expected;
    for (std::size_t i = 0; i < kEvents; ++i) expected.insert("e" + std::to_string(i));
    ASSERT_EQ(ids_in_files(world), expected) << "seed " << seed;
    ASSERT_EQ(world.faults_found(), "") << "seed " << seed;
  }
}

// Stops right after the freeze: the fetch of the whole topic comes through, the first upload does
// not.
void crash_after_freeze(World& world) {
  for (std::uint64_t call = 1;; ++call) {
    world.faults.fail_at(call, FaultPlan::Kind::before, true);
    std::ignore = world.deliver_all(*world.make_delivery());
    ASSERT_TRUE(world.faults.has_fired());
    world.faults.recover();
    world.log.crash(false);
    const auto files = read_manifest(world.log, world.manifest());
    ASSERT_TRUE(files.is_ok());
    if (!files->empty()) return;
  }
}

TEST(Delivery, a_frozen_range_is_finished_by_the_writer_it_was_frozen_with) {
  World world(FileFormat::json_lines, 1 << 20);
  world.produce(0, 20);
  crash_after_freeze(world);
  EXPECT_TRUE(world.store.objects().empty());
  world.options.writer = make_writer(FileFormat::parquet, {"year"});
  const auto delivery = world.make_delivery();
  ASSERT_TRUE(world.deliver_all(*delivery).is_ok());
  world.produce(20, 30);
  ASSERT_TRUE(world.deliver_all(*delivery).is_ok());
  std::vector<std::string> keys;
  for (const auto& [key, bytes] : world.store.objects()) keys.push_back(key);
  EXPECT_THAT(
      keys,
      testing::ElementsAre(
          "lake/ticks/hour=13/ticker=AMZN/ticks-0-00000000000000000000-00000000000000000020-0.json",
          "lake/ticks/hour=13/ticker=BRK%2FB/"
          "ticks-0-00000000000000000000-00000000000000000020-1.json",
          "lake/ticks/year=2012/"
          "ticks-0-00000000000000000020-00000000000000000030-0.parquet"));
  EXPECT_EQ(world.faults_found(), "");
}

TEST(Delivery, a_name_that_is_taken_by_the_same_range_is_done) {
  World world(FileFormat::json_lines, 1 << 20);
  world.produce(0, 4);
  crash_after_freeze(world);
  const auto files = read_manifest(world.log, world.manifest());
  ASSERT_TRUE(files.is_ok());
  world.store.plant(files->front().path, make_event(0) + "\n" + make_event(3) + "\n");
  const auto delivery = world.make_delivery();
  ASSERT_TRUE(world.deliver_all(*delivery).is_ok());
  EXPECT_EQ(ids_in_files(world), (std::multiset<std::string>{"e0", "e1", "e2", "e3"}));
  EXPECT_EQ(world.faults_found(), "");
}

// A completion of an earlier attempt, whose answer was lost on the way, may arrive as late as this.
TEST(Delivery, a_name_that_is_taken_at_the_last_moment_is_done) {
  for (const bool is_upload_gone : {false, true}) {
    World world(FileFormat::json_lines, 1 << 20);
    world.options.writer.partition_by.clear();
    world.produce(0, 2);
    world.store.set_before_complete([&](const std::string& key, const std::string& upload_id) {
      world.store.plant(key, make_event(0) + "\n" + make_event(1) + "\n");
      if (is_upload_gone) std::ignore = world.store.abort_upload(key, upload_id);
    });
    const auto delivery = world.make_delivery();
    const auto status = world.deliver_all(*delivery);
    EXPECT_TRUE(status.is_ok()) << status.to_string();
    EXPECT_EQ(world.store.open_uploads(), 0u);
    EXPECT_EQ(delivery->report().failures, 0u);
    EXPECT_EQ(world.faults_found(), "");
  }
}

TEST(Delivery, an_upload_that_is_gone_without_a_file_is_an_error) {
  World world(FileFormat::json_lines, 1 << 20);
  world.produce(0, 2);
  world.store.set_before_complete([&](const std::string& key, const std::string& upload_id) {
    std::ignore = world.store.abort_upload(key, upload_id);
  });
  const auto delivery = world.make_delivery();
  EXPECT_EQ(world.deliver_all(*delivery).code(), StatusCode::not_found);
  world.store.set_before_complete(nullptr);
  EXPECT_TRUE(world.deliver_all(*delivery).is_ok());
  EXPECT_EQ(world.faults_found(), "");
}

// Nothing may be written for a decision that a crash could still take back.
TEST(Delivery, waits_until_its_journal_is_durable) {
  World world(FileFormat::json_lines, 1 << 20);
  world.produce(0, 2);
  const auto delivery = world.make_delivery();
  ASSERT_TRUE(delivery->attach().is_ok());
  ASSERT_TRUE(delivery->step().is_ok());
  world.faults.fail_at(2, FaultPlan::Kind::before, false);  // the wait after the freeze's commit
  EXPECT_EQ(delivery->roll().code(), StatusCode::io);
  world.faults.recover();
  EXPECT_EQ(delivery->attach().code(), StatusCode::overloaded);
  EXPECT_TRUE(world.store.objects().empty());
  ASSERT_TRUE(world.log.wait_durable(log::CommitSequence(1000)).is_ok());
  EXPECT_TRUE(world.deliver_all(*delivery).is_ok());
  EXPECT_EQ(ids_in_files(world), (std::multiset<std::string>{"e0", "e1"}));
}

// Retention begins once everything has started, whether a delivery could read its journal or not.
TEST(Delivery, what_it_may_need_is_pinned_though_its_journal_cannot_be_read) {
  int failures = 0;
  bool has_fired = true;
  for (std::uint64_t call = 1; has_fired; ++call) {
    World world(FileFormat::json_lines);
    world.produce(0, 20);
    ASSERT_TRUE(world.deliver_all(*world.make_delivery()).is_ok());
    world.log.crash(true);  // takes the pins
    const auto delivery = world.make_delivery();
    world.faults.fail_at(call, FaultPlan::Kind::before, false);
    const auto status = delivery->attach();
    has_fired = world.faults.has_fired();
    world.faults.recover();
    const auto pins = world.log.pins();
    ASSERT_TRUE(pins.contains({kGroup, kSource})) << "call " << call;
    if (status.is_ok()) continue;
    ++failures;
    EXPECT_EQ(pins.at({kGroup, kSource}), Offset(0)) << "call " << call;
    ASSERT_TRUE(delivery->attach().is_ok());
    EXPECT_EQ(world.log.pins().at({kGroup, kSource}), Offset(20));
  }
  EXPECT_GT(failures, 0);
}

TEST(Delivery, begins_only_where_no_other_log_has_delivered) {
  World world(FileFormat::json_lines);
  world.produce(0, 4);
  world.store.plant("lake/ticks/hour=13/ticks-0-00000000000000000000-x.json", "{}\n");
  const auto status = world.make_delivery()->attach();
  EXPECT_EQ(status.code(), StatusCode::invalid);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("delivered from another log"));
  // Another partition's files are no hindrance.
  world.store.lose("lake/ticks/hour=13/ticks-0-00000000000000000000-x.json");
  world.store.plant("lake/ticks/hour=13/ticks-10-00000000000000000000-x.json", "{}\n");
  EXPECT_TRUE(world.make_delivery()->attach().is_ok());
}

TEST(Delivery, a_topic_made_anew_is_refused) {
  World world(FileFormat::json_lines);
  world.produce(0, 4);
  ASSERT_TRUE(world.deliver_all(*world.make_delivery()).is_ok());
  world.log.set_incarnation(kSource.topic, 77);
  const auto status = world.make_delivery()->attach();
  EXPECT_EQ(status.code(), StatusCode::invalid);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("deleted and created again"));
}

TEST(Delivery, a_group_that_somebody_else_moved_is_refused) {
  World world(FileFormat::json_lines);
  world.produce(0, 4);
  ASSERT_TRUE(world.deliver_all(*world.make_delivery()).is_ok());
  world.log.set_group_offset({kGroup, kSource, Offset(2), ""});
  EXPECT_EQ(world.make_delivery()->attach().code(), StatusCode::fenced);
  EXPECT_THAT(world.faults_found(), testing::HasSubstr("group_offset"));
}

TEST(Manifest, verification_names_what_is_lost_damaged_or_strange) {
  World world(FileFormat::json_lines, 1 << 20);
  world.produce(0, 40);
  ASSERT_TRUE(world.deliver_all(*world.make_delivery()).is_ok());
  EXPECT_EQ(world.faults_found(), "");
  const auto objects = world.store.objects();
  const auto& [first, bytes] = *objects.begin();
  world.store.lose(first);
  EXPECT_THAT(world.faults_found(), testing::HasSubstr("files_whole: " + first));
  auto other = bytes;
  std::replace(other.begin(), other.end(), '\n', ' ');
  other.back() = '\n';
  world.store.plant(first, other);
  EXPECT_THAT(world.faults_found(), testing::HasSubstr("has 1 rows instead of 14"));
  world.store.plant(first, bytes);
  world.store.plant("lake/ticks/ticks-0-copy.json", bytes);
  EXPECT_THAT(world.faults_found(),
              testing::HasSubstr("no_strangers: lake/ticks/ticks-0-copy.json is in no range"));
}

}  // namespace
}  // namespace millrace::lake
