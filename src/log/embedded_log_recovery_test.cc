#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "log/embedded_log.h"
#include "log/log_state.h"
#include "log/log_test_support.h"
#include "log/wal_format.h"
#include "sim/fault_file_system.h"

namespace millrace::log {
namespace {

using sim::FaultFileSystem;

using testing::ElementsAre;
using testing::HasSubstr;

const TopicPartition kP{"t", 0};

class RecoveryTest : public testing::Test {
 protected:
  RecoveryTest() : files_(7) {
    EXPECT_TRUE(files_.make_folders("/data").is_ok());
    EXPECT_TRUE(files_.sync_folder("/").is_ok());
    options_.folder = "/data/log";
    options_.wal_file_bytes = 16 << 10;
    options_.maintenance_interval_ms = 3'600'000;  // only when the test says so
    options_.on_failure = [this](const Status& status) {
      ++failures_;
      EXPECT_EQ(status.code(), StatusCode::io);
    };
  }

  Status try_open() {
    log_.reset();
    auto opened = EmbeddedLog::open(options_, files_, clock_);
    if (!opened.is_ok()) return std::move(opened).take_status();
    log_ = std::move(opened).value();
    return ok_status();
  }

  void open() {
    const Status status = try_open();
    ASSERT_TRUE(status.is_ok()) << status.to_string();
  }

  void open_new() {
    open();
    ASSERT_TRUE(log_->create_topic("t", {}).is_ok());
  }

  void kill_and_open() {
    files_.kill();
    log_.reset();
    files_.restart();
    open();
  }

  Status append(const std::string& value) {
    return append_and_wait(*log_, append_to(kP, make_batch(std::vector<std::string>{value})))
        .status();
  }

  std::vector<std::string> values() {
    const auto read = read_all(*log_, kP);
    EXPECT_TRUE(read.is_ok()) << read.status().to_string();
    return read.is_ok() ? values_of(read.value()) : std::vector<std::string>();
  }

  std::vector<std::string> wal_paths() {
    std::vector<std::string> out;
    for (const auto& path : files_.all_paths()) {
      if (path.starts_with("/data/log/wal/")) out.push_back(path);
    }
    return out;
  }

  // Positions of the groups of a WAL file, in order.
  std::vector<std::size_t> groups_in(const std::string& path) {
    std::vector<std::size_t> out;
    const std::string bytes = files_.content(path);
    std::size_t at = kWalFileHeaderBytes;
    for (;;) {
      const auto header = parse_group_header(std::string_view(bytes).substr(at));
      if (!header.is_ok()) return out;
      out.push_back(at);
      at += kGroupHeaderBytes + header.value().payload_bytes;
    }
  }

  void flip(const std::string& path, std::size_t at) {
    std::string byte = files_.content(path).substr(at, 1);
    byte[0] = static_cast<char>(byte[0] ^ 0x10);
    files_.overwrite(path, at, byte);
  }

  FaultFileSystem files_;
  ManualClock clock_;
  EmbeddedLogOptions options_;
  std::atomic<int> failures_{0};
  std::unique_ptr<EmbeddedLog> log_;
  const std::string first_wal_ = "/data/log/wal/" + wal_file_name(1);
};

// Its name would go with the next power loss, and everything acknowledged until then.
TEST_F(RecoveryTest, a_folder_whose_own_name_cannot_be_made_durable_is_not_opened) {
  files_.set_hook([](std::string_view operation, const std::string& path) {
    return operation == "sync_folder" && path == "/data" ? io_error("sync") : ok_status();
  });
  EXPECT_EQ(try_open().code(), StatusCode::io);
  files_.set_hook(nullptr);
  open();
}

TEST_F(RecoveryTest, an_acknowledgement_comes_only_after_a_completed_sync_of_the_record) {
  open_new();
  for (int i = 0; i < 20; ++i) {
    const std::string value = "value-" + std::to_string(i) + "-end";
    const std::uint64_t syncs = files_.sync_count();
    ASSERT_TRUE(append(value).is_ok());
    EXPECT_GT(files_.sync_count(), syncs);
    EXPECT_THAT(files_.durable_content(first_wal_), HasSubstr(value));
  }
}

TEST_F(RecoveryTest, while_a_sync_runs_nothing_is_acknowledged_and_all_that_waits_shares_the_next) {
  open_new();
  std::atomic<bool> is_held{true};
  std::atomic<bool> is_syncing{false};
  files_.set_hook([&](std::string_view operation, const std::string&) {
    if (operation == "sync") {
      is_syncing = true;
      while (is_held) std::this_thread::yield();
    }
    return ok_status();
  });
  const std::uint64_t syncs = log_->counters().syncs;
  std::atomic<int> calls{0};
  const auto listener = log_->add_listener(kP, [&] { ++calls; });
  auto first = log_->commit(commit_of(append_to(kP, make_batch({"first"}))));
  while (!is_syncing) std::this_thread::yield();
  CommitSequence last;
  for (int i = 0; i < 10; ++i) {
    last = log_->commit(commit_of(append_to(kP, make_batch({"x"})))).value().sequence;
  }
  EXPECT_LT(log_->durable_sequence(), first.value().sequence);
  EXPECT_EQ(log_->offsets(kP).value().high_watermark, Offset(0));
  EXPECT_EQ(log_->offsets(kP).value().end, Offset(11));
  EXPECT_TRUE(log_->fetch(kP, Offset(0), 1000, Visibility::durable).value().batches.empty());
  EXPECT_EQ(calls, 11);  // appended, none durable
  is_held = false;
  ASSERT_TRUE(log_->wait_durable(last).is_ok());
  files_.set_hook(nullptr);
  EXPECT_EQ(log_->counters().syncs, syncs + 2);
  EXPECT_EQ(values().size(), 11u);
  log_->remove_listener(listener);
}

TEST_F(RecoveryTest, what_recovery_shows_after_a_kill_survives_a_power_loss_right_after_it) {
  for (int round = 0; round < 8; ++round) {
    SCOPED_TRACE(round);
    options_.folder = "/data/log" + std::to_string(round);
    open_new();
    std::atomic<bool> is_syncing{false};
    std::atomic<bool> is_held{true};
    files_.set_hook([&](std::string_view operation, const std::string&) {
      if (operation != "sync") return ok_status();
      is_syncing = true;
      while (is_held) std::this_thread::yield();
      return io_error("killed");  // written, not synced
    });
    ASSERT_TRUE(log_->commit(commit_of(append_to(kP, make_batch({"a"})))).is_ok());
    while (!is_syncing) std::this_thread::yield();
    is_held = false;
    while (failures_ == round) std::this_thread::yield();
    files_.set_hook(nullptr);
    kill_and_open();
    EXPECT_THAT(values(), ElementsAre("a"));
    files_.crash();
    log_.reset();
    files_.restart();
    open();
    EXPECT_THAT(values(), ElementsAre("a"));
    log_.reset();
  }
}

TEST_F(RecoveryTest, a_torn_tail_is_cut_and_reported) {
  open_new();
  for (const char* value : {"a", "b", "c"}) ASSERT_TRUE(append(value).is_ok());
  const auto groups = groups_in(first_wal_);
  ASSERT_EQ(groups.size(), 4u);  // the topic's creation is the first
  files_.kill();
  log_.reset();
  files_.restart();
  const std::size_t end = files_.content(first_wal_).find_last_not_of('\0') + 1;
  files_.overwrite(first_wal_, groups[3] + 120, "torn");
  open();
  EXPECT_THAT(values(), ElementsAre("a", "b"));
  EXPECT_EQ(log_->recovery().torn_tail_bytes, end - groups[3]);
  ASSERT_EQ(log_->recovery().notes.size(), 1u);
  EXPECT_THAT(log_->recovery().notes[0], HasSubstr("never acknowledged"));
  // The place is free again, and reported only once.
  ASSERT_TRUE(append("d").is_ok());
  kill_and_open();
  EXPECT_THAT(values(), ElementsAre("a", "b", "d"));
  EXPECT_EQ(log_->recovery().torn_tail_bytes, 0u);
}

TEST_F(RecoveryTest, what_a_torn_write_left_is_not_reported_again_behind_a_shorter_one) {
  open_new();
  ASSERT_TRUE(append("a").is_ok());
  ASSERT_TRUE(append(std::string(4'000, 'v')).is_ok());
  const auto groups = groups_in(first_wal_);
  files_.kill();
  log_.reset();
  files_.restart();
  flip(first_wal_, groups.back() + 200);
  open();
  EXPECT_THAT(values(), ElementsAre("a"));
  EXPECT_GT(log_->recovery().torn_tail_bytes, 4'000u);
  ASSERT_TRUE(append("b").is_ok());
  kill_and_open();
  EXPECT_THAT(values(), ElementsAre("a", "b"));
  EXPECT_EQ(log_->recovery().torn_tail_bytes, 0u);
}

// Without a sync per commit several groups may be on their way to the disk, in any order. A group
// of the same length in the place of the lost one would make those behind it follow again.
TEST_F(RecoveryTest, groups_behind_one_that_a_power_loss_took_do_not_come_back) {
  options_.sync_each_commit = false;
  open_new();
  for (const char* value : {"a", "b", "c", "d"}) ASSERT_TRUE(append(value).is_ok());
  const auto groups = groups_in(first_wal_);
  ASSERT_EQ(groups.size(), 5u);  // the topic's creation is the first
  files_.kill();
  log_.reset();
  files_.restart();
  flip(first_wal_, groups[2] + 100);
  open();
  EXPECT_THAT(values(), ElementsAre("a"));
  ASSERT_FALSE(log_->recovery().notes.empty());
  ASSERT_TRUE(append("e").is_ok());
  kill_and_open();
  EXPECT_THAT(values(), ElementsAre("a", "e"));
}

TEST_F(RecoveryTest, damage_before_a_valid_group_is_corrupt_and_changes_nothing) {
  open_new();
  for (const char* value : {"a", "b", "c"}) ASSERT_TRUE(append(value).is_ok());
  const auto groups = groups_in(first_wal_);
  files_.kill();
  log_.reset();
  files_.restart();
  for (const std::size_t within : {std::size_t{0}, std::size_t{30}, kGroupHeaderBytes + 40}) {
    flip(first_wal_, groups[1] + within);
    const Status status = try_open();
    EXPECT_EQ(status.code(), StatusCode::corrupt);
    EXPECT_THAT(std::string(status.message()), HasSubstr(first_wal_));
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::to_string(groups[1])));
    EXPECT_THAT(std::string(status.message()), HasSubstr("restore"));
    flip(first_wal_, groups[1] + within);
  }
  open();
  EXPECT_THAT(values(), ElementsAre("a", "b", "c"));
}

TEST_F(RecoveryTest, what_the_message_advises_gives_up_exactly_what_it_says) {
  open_new();
  for (const char* value : {"a", "b", "c"}) ASSERT_TRUE(append(value).is_ok());
  const auto groups = groups_in(first_wal_);
  files_.kill();
  log_.reset();
  files_.restart();
  flip(first_wal_, groups[2] + 100);
  ASSERT_EQ(try_open().code(), StatusCode::corrupt);
  files_.resize(first_wal_, groups[2]);
  open();
  EXPECT_THAT(values(), ElementsAre("a"));
  ASSERT_TRUE(append("d").is_ok());
  kill_and_open();
  EXPECT_THAT(values(), ElementsAre("a", "d"));
}

TEST_F(RecoveryTest, damage_at_the_end_of_a_file_is_seen_from_the_groups_of_the_next) {
  open_new();
  files_.set_hook([](std::string_view, const std::string& path) {  // no drain
    return path.find("/topics/") == std::string::npos ? ok_status() : io_error("refused");
  });
  while (wal_paths().size() < 2 || groups_in(wal_paths()[1]).empty()) {
    ASSERT_TRUE(append(std::string(1000, 'v')).is_ok());
  }
  const auto groups = groups_in(first_wal_);
  files_.kill();
  log_.reset();
  files_.restart();
  flip(first_wal_, groups.back() + 200);
  const Status status = try_open();
  EXPECT_EQ(status.code(), StatusCode::corrupt);
  EXPECT_THAT(std::string(status.message()), HasSubstr(wal_file_name(2)));
  flip(first_wal_, groups.back() + 200);
  open();
}

TEST_F(RecoveryTest, old_groups_in_a_reused_file_are_no_damage) {
  open_new();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(append(std::to_string(i) + std::string(1000, 'v')).is_ok());
    if (i % 5 == 0) ASSERT_TRUE(log_->run_maintenance().is_ok());
  }
  EXPECT_LE(wal_paths().size(), 4u);
  const auto parsed = parse_file_header(files_.content(wal_paths().back()));
  EXPECT_TRUE(parsed.value().is_recycled);
  const auto before = values();
  kill_and_open();
  EXPECT_EQ(values(), before);
  EXPECT_EQ(log_->recovery().torn_tail_bytes, 0u);
}

TEST_F(RecoveryTest, a_failed_sync_stops_the_log_and_loses_nothing_acknowledged) {
  open_new();
  ASSERT_TRUE(append("a").is_ok());
  files_.fail_sync_after(1, first_wal_);
  EXPECT_EQ(append("b").code(), StatusCode::io);
  while (failures_ == 0) std::this_thread::yield();
  EXPECT_EQ(append("c").code(), StatusCode::io);
  EXPECT_EQ(log_->create_topic("u", {}).status().code(), StatusCode::io);
  EXPECT_EQ(failures_, 1);
  EXPECT_THAT(values(), ElementsAre("a"));
  files_.crash();
  log_.reset();
  files_.restart();
  open();
  const auto found = values();
  ASSERT_GE(found.size(), 1u);
  EXPECT_EQ(found[0], "a");
  EXPECT_EQ(failures_, 1);
}

TEST_F(RecoveryTest, a_failed_write_stops_the_log) {
  open_new();
  ASSERT_TRUE(append("a").is_ok());
  files_.fail_write_after(1, first_wal_);
  EXPECT_EQ(append("b").code(), StatusCode::io);
  EXPECT_EQ(append("c").code(), StatusCode::io);
  kill_and_open();
  EXPECT_EQ(values()[0], "a");
}

TEST_F(RecoveryTest, a_full_disk_refuses_commits_before_they_are_placed_until_there_is_room) {
  open_new();
  files_.set_free_bytes(0);
  std::vector<std::string> acknowledged;
  Status refused;
  for (int i = 0; i < 100 && refused.is_ok(); ++i) {
    const std::string value = std::to_string(i) + std::string(2000, 'v');
    refused = append(value);
    if (refused.is_ok()) acknowledged.push_back(value);
  }
  EXPECT_EQ(refused.code(), StatusCode::overloaded);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("No space left"));
  EXPECT_EQ(failures_, 0);
  EXPECT_EQ(log_->offsets(kP).value().end.value, static_cast<std::int64_t>(acknowledged.size()));
  EXPECT_EQ(values(), acknowledged);
  kill_and_open();
  EXPECT_EQ(values(), acknowledged);
  // Somebody makes room; the log finds it by itself.
  files_.set_free_bytes(-1);
  while (!append("more").is_ok()) ASSERT_TRUE(log_->run_maintenance().is_ok());
  acknowledged.emplace_back("more");
  EXPECT_EQ(values(), acknowledged);
}

// A maintenance run that works has the next file tried again: whoever commits meanwhile may wait
// for that attempt, and must hear what hinders it, as before.
TEST_F(RecoveryTest, a_full_disk_says_so_whether_the_drain_works_or_not) {
  open_new();
  std::atomic<int> attempts{0};
  files_.set_hook([&](std::string_view operation, const std::string& path) {
    const bool is_next = operation == "create" || operation == "rename";
    if (!is_next || path.find("/wal/") == std::string::npos) return ok_status();
    ++attempts;
    return io_error("No space left on device");
  });
  std::vector<std::string> acknowledged;
  Status refused;
  while (refused.is_ok()) {
    const std::string value = std::to_string(acknowledged.size()) + std::string(2'000, 'v');
    refused = append(value);
    if (refused.is_ok()) acknowledged.push_back(value);
  }
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(refused.code(), StatusCode::overloaded);
    EXPECT_THAT(std::string(refused.message()), HasSubstr("No space left"));
    const int before = attempts;
    ASSERT_TRUE(log_->run_maintenance().is_ok());
    refused = log_->commit(commit_of(append_to(kP, make_batch({std::string(2'000, 'v').c_str()}))))
                  .status();
    while (attempts == before) std::this_thread::yield();
  }
  EXPECT_EQ(failures_, 0);
  EXPECT_EQ(values(), acknowledged);
  files_.set_hook(nullptr);
  ASSERT_TRUE(log_->run_maintenance().is_ok());
  ASSERT_TRUE(append("more").is_ok());
  acknowledged.emplace_back("more");
  kill_and_open();
  EXPECT_EQ(values(), acknowledged);
}

// The drain syncs a segment every few MiB while it fills it. A failed sync may have dropped what
// it was for, and the next one would say nothing of it (R17).
TEST_F(RecoveryTest, a_sync_that_fails_in_the_middle_of_a_drain_ends_the_log_and_loses_nothing) {
  options_.wal_file_bytes = 16 << 20;
  open_new();
  std::vector<std::string> all;
  for (int i = 0; i < 14; ++i) {
    all.push_back(std::to_string(i) + std::string(900'000, 'v'));
    ASSERT_TRUE(append(all.back()).is_ok());
  }
  std::atomic<int> segment_syncs{0};
  files_.set_hook([&](std::string_view operation, const std::string& path) {
    if (operation != "sync" || !path.ends_with(".log")) return ok_status();
    return ++segment_syncs == 2 ? io_error("input/output error") : ok_status();
  });
  EXPECT_EQ(log_->run_maintenance().code(), StatusCode::io);
  EXPECT_EQ(segment_syncs, 2);
  EXPECT_EQ(failures_, 1);
  // Nothing is tried again, and nothing more is accepted.
  EXPECT_EQ(log_->run_maintenance().code(), StatusCode::io);
  EXPECT_EQ(segment_syncs, 2);
  EXPECT_EQ(append("late").code(), StatusCode::io);
  files_.set_hook(nullptr);
  files_.crash();
  log_.reset();
  files_.restart();
  open();
  EXPECT_EQ(values(), all);
  ASSERT_TRUE(log_->run_maintenance().is_ok());
  kill_and_open();
  EXPECT_EQ(values(), all);
}

TEST_F(RecoveryTest, without_a_sync_per_commit_a_power_loss_takes_only_the_newest) {
  options_.sync_each_commit = false;
  for (int round = 0; round < 30; ++round) {
    SCOPED_TRACE(round);
    const std::string folder = "/data/log" + std::to_string(round);
    options_.folder = folder;
    open_new();
    std::vector<std::string> all;
    for (int i = 0; i < 40; ++i) {
      all.push_back(std::to_string(i) + std::string(700, 'v'));
      ASSERT_TRUE(append(all.back()).is_ok());
    }
    files_.crash();
    log_.reset();
    files_.restart();
    open();
    if (!log_->topic("t").is_ok()) continue;  // even that was not synced
    const auto found = values();
    ASSERT_LE(found.size(), all.size());
    EXPECT_TRUE(std::equal(found.begin(), found.end(), all.begin()));
    log_.reset();
  }
}

TEST_F(RecoveryTest, without_a_sync_per_commit_a_kill_loses_nothing) {
  options_.sync_each_commit = false;
  open_new();
  ASSERT_TRUE(append("a").is_ok());
  kill_and_open();
  EXPECT_THAT(values(), ElementsAre("a"));
}

TEST_F(RecoveryTest, a_missing_or_damaged_part_is_named) {
  open_new();
  ASSERT_TRUE(append("a").is_ok());
  ASSERT_TRUE(log_->close().is_ok());
  ASSERT_TRUE(try_open().is_ok());
  ASSERT_TRUE(append("b").is_ok());
  files_.kill();
  log_.reset();
  files_.restart();
  const auto expect_corrupt = [&](const std::string& path) {
    const Status status = try_open();
    EXPECT_EQ(status.code(), StatusCode::corrupt) << path;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  };
  std::string segment;
  for (const auto& path : files_.all_paths()) {
    if (path.ends_with(".log")) segment = path;
  }
  ASSERT_FALSE(segment.empty());
  for (const auto& path : {segment, std::string("/data/log/checkpoint"), wal_paths()[0]}) {
    ASSERT_TRUE(files_.rename(path, "/data/aside").is_ok());
    expect_corrupt(path);
    ASSERT_TRUE(files_.rename("/data/aside", path).is_ok());
  }
  flip("/data/log/checkpoint", 60);
  expect_corrupt("/data/log/checkpoint");
  flip("/data/log/checkpoint", 60);
  const std::string content = files_.content(segment);
  files_.resize(segment, content.size() - 1);
  expect_corrupt(segment);
  files_.resize(segment, content.size());
  files_.overwrite(segment, 0, content);
  open();
  EXPECT_THAT(values(), ElementsAre("a", "b"));
}

TEST_F(RecoveryTest, an_orderly_close_leaves_nothing_to_replay_and_ends_everything) {
  open_new();
  ASSERT_TRUE(append("a").is_ok());
  ASSERT_TRUE(log_->close().is_ok());
  EXPECT_EQ(append("b").code(), StatusCode::cancelled);
  EXPECT_EQ(log_->offsets(kP).status().code(), StatusCode::cancelled);
  EXPECT_TRUE(log_->wait_durable(log_->durable_sequence()).is_ok());
  open();
  EXPECT_EQ(log_->recovery().groups_replayed, 0u);
  EXPECT_THAT(values(), ElementsAre("a"));
}

TEST_F(RecoveryTest, folders_of_no_topic_are_removed) {
  open_new();
  log_.reset();
  const std::string folder = "/data/log/topics/old-0.99";
  ASSERT_TRUE(files_.make_folders(folder).is_ok());
  ASSERT_TRUE(files_.create(folder + "/00000000000000000000.log").is_ok());
  open();
  EXPECT_FALSE(files_.exists(folder).value());
}

TEST_F(RecoveryTest, append_times_never_go_back_with_the_clock) {
  open_new();
  ASSERT_TRUE(append("a").is_ok());
  clock_.advance_ms(-5000);
  ASSERT_TRUE(append("b").is_ok());
  kill_and_open();
  ASSERT_TRUE(append("c").is_ok());
  const auto records = read_all(*log_, kP).value();
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[1].append_time, records[0].append_time);
  EXPECT_EQ(records[2].append_time, records[0].append_time);
}

TEST_F(RecoveryTest, a_deleted_topics_folder_waits_for_the_checkpoint_that_does_not_name_it) {
  LogState state(files_, "/data/log", LogId{1, 2});
  state.create_topic({.name = "t", .topic_id = 1, .config = {}});
  state.delete_topic(*state.topics.find("t"), CommitSequence(5));
  EXPECT_TRUE(state.take_dead_folders(CommitSequence(4)).empty());
  EXPECT_THAT(state.take_dead_folders(CommitSequence(5)), ElementsAre("/data/log/topics/t-0.1"));
  EXPECT_TRUE(state.take_dead_folders(CommitSequence(5)).empty());
}

TEST_F(RecoveryTest, a_commit_that_fits_in_no_file_is_refused_with_the_limit) {
  open_new();
  const Status status = append(std::string(20'000, 'v'));
  EXPECT_EQ(status.code(), StatusCode::invalid);
  EXPECT_THAT(std::string(status.message()), HasSubstr("wal_file_bytes"));
}

TEST_F(RecoveryTest, too_much_unsynced_is_overloaded_and_passes) {
  options_.unsynced_bytes_max = 3000;
  open_new();
  std::atomic<bool> is_held{true};
  files_.set_hook([&](std::string_view operation, const std::string&) {
    while (operation == "sync" && is_held) std::this_thread::yield();
    return ok_status();
  });
  Status status;
  CommitSequence last;
  for (int i = 0; i < 20 && status.is_ok(); ++i) {
    auto appended = log_->commit(commit_of(append_to(kP, make_batch({std::string(500, 'v')}))));
    if (appended.is_ok()) last = appended->sequence;
    status = appended.status();
  }
  EXPECT_EQ(status.code(), StatusCode::overloaded);
  is_held = false;
  ASSERT_TRUE(log_->wait_durable(last).is_ok());
  files_.set_hook(nullptr);
  EXPECT_TRUE(append("a").is_ok());
}

// The process that made the log died between renaming the checkpoint and syncing its folder.
TEST_F(RecoveryTest, a_checkpoint_found_at_start_is_made_durable_before_it_counts) {
  files_.set_hook([](std::string_view operation, const std::string& path) {
    const bool is_it = operation == "sync_folder" && path == "/data/log";
    return is_it ? io_error("the process dies here") : ok_status();
  });
  EXPECT_EQ(try_open().code(), StatusCode::io);
  files_.set_hook(nullptr);
  files_.kill();
  files_.restart();
  open_new();
  ASSERT_TRUE(append("a").is_ok());
  for (int power_loss = 0; power_loss < 20; ++power_loss) {
    files_.crash();
    log_.reset();
    files_.restart();
    open();
    EXPECT_THAT(values(), ElementsAre("a"));
  }
}

TEST_F(RecoveryTest, nothing_is_written_after_a_checkpoint_whose_fate_is_unknown) {
  open_new();
  ASSERT_TRUE(append("a").is_ok());
  files_.set_hook([](std::string_view operation, const std::string& path) {
    const bool is_it = operation == "sync_folder" && path == "/data/log";
    return is_it ? io_error("the disk fails here") : ok_status();
  });
  EXPECT_EQ(log_->run_maintenance().code(), StatusCode::io);
  EXPECT_EQ(failures_, 1);
  bool has_written = false;
  files_.set_hook([&](std::string_view operation, const std::string&) {
    has_written |= operation == "create" || operation == "write" || operation == "truncate";
    return ok_status();
  });
  EXPECT_EQ(log_->run_maintenance().code(), StatusCode::io);
  EXPECT_FALSE(has_written);
  files_.set_hook(nullptr);
  kill_and_open();
  EXPECT_THAT(values(), ElementsAre("a"));
}

// Each start would otherwise give up before the drain, which a moment later would have helped.
TEST_F(RecoveryTest, a_full_write_ahead_log_has_room_right_after_the_start) {
  open_new();
  // Nothing is drained meanwhile.
  files_.set_hook([](std::string_view operation, const std::string& path) {
    const bool is_segment = path.find("/topics/") != std::string::npos;
    return operation == "create" && is_segment ? io_error("no segments") : ok_status();
  });
  const std::string large(6'000, 'x');
  const auto try_append = [&] {
    return log_->commit(commit_of(append_to(kP, make_batch(std::vector<std::string>{large}))));
  };
  int count = 0;
  while (try_append().is_ok() && count < 100) ++count;
  EXPECT_GT(count, 8);
  EXPECT_LT(count, 100);
  files_.set_hook(nullptr);
  kill_and_open();
  Commit commit = commit_of(append_to(kP, make_batch(std::vector<std::string>{large})));
  const auto taken = log_->commit(std::move(commit));
  EXPECT_TRUE(taken.is_ok()) << taken.status().to_string();
}

TEST(FirstStart, a_power_loss_at_any_step_leaves_a_folder_that_starts) {
  const ManualClock clock;
  EmbeddedLogOptions options;
  options.folder = "/data/log";
  options.wal_file_bytes = 16 << 10;
  for (std::uint64_t step = 1; step < 30; ++step) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      FaultFileSystem files(seed);
      ASSERT_TRUE(files.make_folders("/data").is_ok());
      ASSERT_TRUE(files.sync_folder("/").is_ok());
      files.die_after(step);
      static_cast<void>(EmbeddedLog::open(options, files, clock));
      files.crash();
      files.restart();
      const auto opened = EmbeddedLog::open(options, files, clock);
      EXPECT_TRUE(opened.is_ok()) << "step " << step << ", seed " << seed << ": "
                                  << opened.status().to_string();
    }
  }
}

}  // namespace
}  // namespace millrace::log
