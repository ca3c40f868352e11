#include "features/feature_service.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "features/feature_test_support.h"
#include "features/store_format.h"

namespace millrace::features {
namespace {

constexpr std::int64_t kNoon = 1'340'280'000;  // 2012-06-21T12:00:00Z
const std::string kGroup = ticks_group().name;

std::optional<FeatureRecord> get(const FeatureService& service, const std::string& id,
                                 const std::string& group = kGroup) {
  auto record = service.get(group, id);
  EXPECT_TRUE(record.is_ok()) << record.status().to_string();
  return record.is_ok() ? *record : std::nullopt;
}

FeatureGroupReport only_group(const FeatureService& service) {
  const auto groups = service.groups();
  EXPECT_EQ(groups.size(), 1u);
  return groups.front();
}

TEST(FeatureService, the_newest_window_of_each_id_is_served) {
  LogFixture fixture;
  fixture.create_topic(ticks_group(), 2);
  const auto service = start_service(fixture.log(), make_memory_store(), {ticks_group()});
  EXPECT_EQ(get(*service, "KO"), std::nullopt);
  fixture.append(ticks_group(), 0, {{"KO", kNoon}, {"KO", kNoon + 60}, {"IBM", kNoon}});
  fixture.append(ticks_group(), 1, {{"MSFT", kNoon}});
  ASSERT_TRUE(service->wait_until_applied(kGroup).is_ok());
  EXPECT_EQ(get(*service, "KO"), (Result1m{"KO", kNoon + 60}.record()));
  EXPECT_EQ(get(*service, "MSFT"), (Result1m{"MSFT", kNoon}.record()));
  EXPECT_EQ(get(*service, "GE"), std::nullopt);

  const auto group = only_group(*service);
  EXPECT_EQ(group.group.name, "tick_features");
  EXPECT_EQ(group.record_count, 3u);
  EXPECT_EQ(group.feature_names,
            (std::vector<std::string>{"ticker", "window_end", "revision", "avg_price"}));
  EXPECT_EQ(group.lag_records, 0);
  EXPECT_EQ(group.counters.applied, 4u);
  EXPECT_EQ(group.counters.historic, 1u);
  expect_exact(service->audit());
}

TEST(FeatureService, event_time_then_revision_decides_whatever_order_they_come_in) {
  LogFixture fixture;
  fixture.create_topic(ticks_group(), 1);
  const auto service = start_service(fixture.log(), make_memory_store(), {ticks_group()});
  const auto expect_price = [&](const std::vector<Result1m>& results, const std::string& price) {
    fixture.append(ticks_group(), 0, results);
    ASSERT_TRUE(service->wait_until_applied(kGroup).is_ok());
    const auto record = get(*service, "KO");
    ASSERT_TRUE(record);
    EXPECT_NE(record->json.find("\"avg_price\":\"" + price + "\""), std::string::npos)
        << record->json;
  };
  // Against what is stored, one by one ...
  expect_price({{"KO", kNoon, 2, "2.00"}}, "2.00");
  expect_price({{"KO", kNoon, 1, "1.00"}}, "2.00");       // an older revision
  expect_price({{"KO", kNoon, 2, "2.50"}}, "2.00");       // equal: the first stays
  expect_price({{"KO", kNoon, 3, "3.00"}}, "3.00");       // a revision
  expect_price({{"KO", kNoon + 60, 1, "4.00"}}, "4.00");  // a later window, revision 1 again
  expect_price({{"KO", kNoon, 9, "9.00"}}, "4.00");       // a late revision of the older one
  // ... and within one batch.
  expect_price({{"KO", kNoon + 120, 2, "6.00"},
                {"KO", kNoon + 120, 1, "5.00"},
                {"KO", kNoon + 120, 2, "6.50"},
                {"KO", kNoon + 60, 9, "9.00"}},
               "6.00");
  EXPECT_EQ(only_group(*service).counters.historic, 3u + 3u);
  EXPECT_EQ(only_group(*service).record_count, 1u);
  expect_exact(service->audit());
}

TEST(FeatureService, a_restart_goes_on_at_the_offset_in_the_store) {
  LogFixture fixture;
  fixture.create_topic(ticks_group(), 1);
  const auto path = fixture.folder() / "store";
  {
    const auto service = start_service(fixture.log(), open_store(path), {ticks_group()});
    fixture.append(ticks_group(), 0, {{"KO", kNoon}, {"IBM", kNoon}});
    ASSERT_TRUE(service->wait_until_applied(kGroup).is_ok());
  }
  fixture.append(ticks_group(), 0, {{"KO", kNoon + 60}, {"GE", kNoon}});
  const auto service = start_service(fixture.log(), open_store(path), {ticks_group()});
  // start() has waited for the little that was left.
  EXPECT_EQ(get(*service, "KO"), (Result1m{"KO", kNoon + 60}.record()));
  const auto group = only_group(*service);
  EXPECT_EQ(group.record_count, 3u);
  EXPECT_EQ(group.counters.applied, 2u);  // and not the first two a second time
  EXPECT_EQ(group.counters.rebuilds, 0u);
  expect_exact(service->audit());
}

TEST(FeatureService, a_missing_or_older_store_is_made_again_from_the_topic) {
  LogFixture fixture;
  fixture.create_topic(ticks_group(), 2);
  fixture.append(ticks_group(), 0, {{"KO", kNoon}, {"KO", kNoon + 60}});
  fixture.append(ticks_group(), 1, {{"GE", kNoon}});
  const auto path = fixture.folder() / "store";
  const auto expect_all = [&](std::unique_ptr<OnlineStore> store, FeatureGroup with,
                              std::uint64_t rebuilds) {
    const auto service = start_service(fixture.log(), std::move(store), {std::move(with)});
    EXPECT_EQ(get(*service, "KO"), (Result1m{"KO", kNoon + 60}.record()));
    EXPECT_EQ(get(*service, "stale"), std::nullopt);
    EXPECT_EQ(only_group(*service).record_count, 2u);
    EXPECT_EQ(only_group(*service).counters.rebuilds, rebuilds);
    expect_exact(service->audit());
  };
  expect_all(open_store(path), ticks_group(), 1);
  expect_all(open_store(path), ticks_group(), 0);
  {
    auto store = open_store(path);
    StoreChange older;  // a group entry of a version nobody knows, and a record nobody wrote
    older.puts.push_back({group_key(kGroup), std::string("\0what", 5)});
    older.puts.push_back({record_key(kGroup, "stale"), "?"});
    ASSERT_TRUE(store->apply(older).is_ok());
  }
  expect_all(open_store(path), ticks_group(), 1);
  ASSERT_TRUE(fixture.files().remove_tree(path).is_ok());
  expect_all(open_store(path), ticks_group(), 1);
}

TEST(FeatureService, another_event_time_makes_the_group_again) {
  LogFixture fixture;
  fixture.create_topic(ticks_group(), 1);
  codec::RecordBatchBuilder builder;
  const std::string first =
      R"({"window_start":"2012-06-21T12:00:00Z","window_end":"2012-06-21T14:00:00Z"})";
  const std::string second =
      R"({"window_start":"2012-06-21T12:30:00Z","window_end":"2012-06-21T13:00:00Z"})";
  builder.append(WallTime(1), "KO", first, {});
  builder.append(WallTime(1), "KO", second, {});
  std::string bytes;
  builder.finish(bytes);
  fixture.append_bytes(ticks_group(), 0, bytes);
  const auto path = fixture.folder() / "store";
  {
    const auto service = start_service(fixture.log(), open_store(path), {ticks_group()});
    EXPECT_EQ(get(*service, "KO")->json, first);
  }
  auto by_start = ticks_group();
  by_start.event_time = "window_start";
  const auto service = start_service(fixture.log(), open_store(path), {by_start});
  EXPECT_EQ(get(*service, "KO")->json, second);
}

TEST(FeatureService, a_topic_made_again_drops_its_group_and_no_other) {
  LogFixture fixture;
  FeatureGroup other{"tick_features-2", "millrace.features.tick_features-2", "window_end"};
  fixture.create_topic(ticks_group(), 2);
  fixture.create_topic(other, 1);
  const auto path = fixture.folder() / "store";
  auto service = start_service(fixture.log(), open_store(path), {other, ticks_group()});
  fixture.append(ticks_group(), 0, {{"KO", kNoon + 600}, {"GE", kNoon}});
  fixture.append(ticks_group(), 1, {{"MSFT", kNoon}});
  fixture.append(other, 0, {{"KO", kNoon + 700}});
  ASSERT_TRUE(service->wait_until_all_applied().is_ok());

  // While it runs, with another number of partitions ...
  ASSERT_TRUE(fixture.log().delete_topic(ticks_group().topic).is_ok());
  fixture.create_topic(ticks_group(), 3);
  ASSERT_TRUE(service->wait_until_applied(kGroup).is_ok());
  EXPECT_EQ(get(*service, "GE"), std::nullopt);
  fixture.append(ticks_group(), 2, {{"KO", kNoon}});
  ASSERT_TRUE(service->wait_until_applied(kGroup).is_ok());
  EXPECT_EQ(get(*service, "KO"), (Result1m{"KO", kNoon}.record()));
  EXPECT_EQ(get(*service, "KO", other.name), (Result1m{"KO", kNoon + 700}.record()));
  expect_exact(service->audit());

  // ... and while it does not. The new one has as many records as the old.
  service.reset();
  ASSERT_TRUE(fixture.log().delete_topic(ticks_group().topic).is_ok());
  fixture.create_topic(ticks_group(), 3);
  fixture.append(ticks_group(), 2, {{"IBM", kNoon}});
  service = start_service(fixture.log(), open_store(path), {ticks_group(), other});
  EXPECT_EQ(get(*service, "KO"), std::nullopt);
  EXPECT_EQ(get(*service, "IBM"), (Result1m{"IBM", kNoon}.record()));
  EXPECT_EQ(get(*service, "KO", other.name), (Result1m{"KO", kNoon + 700}.record()));
  EXPECT_EQ(service->groups().size(), 2u);
  expect_exact(service->audit());
}

// A log restored from a backup: the same topic by name and number, with another past.
TEST(FeatureService, a_log_with_another_past_is_noticed) {
  LogFixture fixture;
  fixture.create_topic(ticks_group(), 1);
  const auto path = fixture.folder() / "store";
  const auto append = [&](const std::vector<std::string>& tickers) {
    for (const auto& ticker : tickers) fixture.append(ticks_group(), 0, {{ticker, kNoon}});
  };
  const auto expect = [&](std::size_t record_count, std::uint64_t rebuilds) {
    const auto service = start_service(fixture.log(), open_store(path), {ticks_group()});
    EXPECT_EQ(only_group(*service).record_count, record_count);
    EXPECT_EQ(only_group(*service).counters.rebuilds, rebuilds);
    expect_exact(service->audit());
  };
  const auto folder = fixture.folder() / "log";
  const auto backup = fixture.folder() / "backup";
  const auto restore = [&] {
    fixture.close();
    copy_folder(fixture.files(), backup, folder);
    fixture.open();
  };
  append({"KO", "GE"});
  fixture.close();
  copy_folder(fixture.files(), folder, backup);
  fixture.open();
  append({"IBM"});
  expect(3, 1);
  append({"MSFT"});
  expect(4, 0);  // the same past, and more
  restore();
  expect(2, 1);  // the store is ahead
  append({"IBM"});
  expect(3, 0);
  restore();
  append({"AA", "BA", "CAT"});
  expect(5, 1);  // it is not ahead, but elsewhere
}

TEST(FeatureService, foreign_records_are_passed_over_and_counted) {
  LogFixture fixture;
  fixture.create_topic(ticks_group(), 1);
  codec::RecordBatchBuilder builder;
  builder.append(WallTime(1), "KO", "no json", {});
  builder.append(WallTime(1), "KO", Result1m{"KO", kNoon}.json(), {});
  builder.append(WallTime(1), "KO", std::nullopt, {});
  std::string bytes;
  builder.finish(bytes);
  fixture.append_bytes(ticks_group(), 0, bytes);
  const auto service = start_service(fixture.log(), make_memory_store(), {ticks_group()});
  ASSERT_TRUE(service->wait_until_applied(kGroup).is_ok());
  EXPECT_EQ(get(*service, "KO"), (Result1m{"KO", kNoon}.record()));
  const auto group = only_group(*service);
  EXPECT_EQ(group.counters.unreadable, 2u);
  EXPECT_NE(group.last_unreadable.find("tick_features/0/2: "), std::string::npos)
      << group.last_unreadable;
  const auto checks = service->audit();
  ASSERT_EQ(checks.size(), 3u);
  EXPECT_TRUE(checks[0].ok && checks[1].ok);
  EXPECT_FALSE(checks[2].ok);
}

TEST(FeatureService, the_audit_finds_what_the_store_has_wrong) {
  LogFixture fixture;
  fixture.create_topic(ticks_group(), 1);
  fixture.append(ticks_group(), 0, {{"KO", kNoon, 2}, {"GE", kNoon}});
  const auto path = fixture.folder() / "store";
  {
    start_service(fixture.log(), open_store(path), {ticks_group()});
  }
  const auto audit_after = [&](const StoreChange& damage) {
    const auto copy = fixture.folder() / "copy";
    copy_folder(fixture.files(), path, copy);
    const auto store = open_store(copy);
    EXPECT_TRUE(store->apply(damage).is_ok());
    return audit_group(fixture.log(), *store, ticks_group());
  };
  expect_exact(audit_after({}));
  StoreChange removed;
  removed.removed = {record_key(kGroup, "KO"), record_key(kGroup, "KO") + '\0'};
  const auto missing = audit_after(removed);
  EXPECT_FALSE(missing[0].ok);
  EXPECT_NE(missing[0].detail.find("KO"), std::string::npos);
  EXPECT_FALSE(missing[1].ok);
  StoreChange older;
  older.puts.push_back(
      {record_key(kGroup, "KO"),
       encode_record(EventTime(kNoon * kMicrosPerSecond), 1, Result1m{"KO", kNoon, 1}.json())});
  EXPECT_FALSE(audit_after(older)[0].ok);
  EXPECT_TRUE(audit_after(older)[1].ok);
  StoreChange invented;
  invented.puts.push_back({record_key(kGroup, "XX"), encode_record(EventTime(1), 1, "{}")});
  EXPECT_FALSE(audit_after(invented)[0].ok);
  EXPECT_FALSE(audit_after(invented)[1].ok);
  StoreChange nothing;
  nothing.removed = {group_key(kGroup), group_key(kGroup) + '\0'};
  ASSERT_EQ(audit_after(nothing).size(), 1u);
  EXPECT_FALSE(audit_after(nothing)[0].ok);
}

TEST(FeatureService, unknown_groups_are_answered_with_the_known_ones) {
  LogFixture fixture;
  FeatureGroup other{"b", "millrace.features.b", "window_end"};
  fixture.create_topic(ticks_group(), 1);
  fixture.create_topic(other, 1);
  // Two pipelines may write to one group.
  const auto service =
      start_service(fixture.log(), make_memory_store(), {ticks_group(), other, ticks_group()});
  const auto missing = service->get("tick_feature", "KO").status();
  EXPECT_EQ(missing.code(), StatusCode::not_found);
  EXPECT_EQ(missing.message(),
            "feature group tick_feature does not exist; there are: b, tick_features");
  EXPECT_EQ(service->wait_until_applied("x").code(), StatusCode::not_found);
  EXPECT_EQ(service->scan("x", 1).status().code(), StatusCode::not_found);
  const auto none = start_service(fixture.log(), make_memory_store(), {});
  EXPECT_EQ(none->get("x", "KO").status().code(), StatusCode::not_found);
  EXPECT_TRUE(none->wait_until_all_applied().is_ok());
}

TEST(FeatureService, groups_that_cannot_be_are_refused) {
  LogFixture fixture;
  fixture.create_topic(ticks_group(), 1);
  auto by_start = ticks_group();
  by_start.event_time = "window_start";
  FeatureServiceOptions options;
  options.groups = {ticks_group(), by_start};
  EXPECT_EQ(FeatureService::start(fixture.log(), make_memory_store(), options).status().code(),
            StatusCode::invalid);
  options.groups = {{"x", "millrace.features.x", "window_end"}};
  EXPECT_EQ(FeatureService::start(fixture.log(), make_memory_store(), options).status().code(),
            StatusCode::not_found);
}

TEST(FeatureService, scan_goes_by_id_and_can_be_continued) {
  LogFixture fixture;
  FeatureGroup other{"tick_features-2", "millrace.features.tick_features-2", "window_end"};
  fixture.create_topic(ticks_group(), 1);
  fixture.create_topic(other, 1);
  fixture.append(ticks_group(), 0, {{"c", kNoon}, {"", kNoon}, {"a", kNoon}, {"a/b", kNoon}});
  fixture.append(other, 0, {{"z", kNoon}});
  const auto service = start_service(fixture.log(), make_memory_store(), {ticks_group(), other});
  const auto ids = [&](std::size_t limit, const std::string& after) {
    std::string text;
    const auto records = service->scan(kGroup, limit, after);
    for (const auto& record : *records) text += "[" + record.record_id + "]";
    return text;
  };
  EXPECT_EQ(ids(10, ""), "[][a][a/b][c]");
  EXPECT_EQ(ids(2, ""), "[][a]");
  EXPECT_EQ(ids(2, "a"), "[a/b][c]");
  EXPECT_EQ(ids(2, "c"), "");
  EXPECT_EQ(service->scan(kGroup, 1'000'000).status().code(), StatusCode::invalid);
}

// The operating system's files, whose syncs can be made to fail.
class UnsyncedFiles final : public sys::FileSystem {
 public:
  void fail_syncs() { is_failing_ = true; }

  Result<std::unique_ptr<sys::File>> open(const std::string& path) override {
    return wrap(files_.open(path));
  }
  Result<std::unique_ptr<sys::File>> open_to_read(const std::string& path) override {
    return files_.open_to_read(path);
  }
  Result<std::unique_ptr<sys::File>> create(const std::string& path) override {
    return wrap(files_.create(path));
  }
  Status rename(const std::string& from, const std::string& to) override {
    return files_.rename(from, to);
  }
  Status link_new(const std::string& from, const std::string& to) override {
    return files_.link_new(from, to);
  }
  Status remove(const std::string& path) override { return files_.remove(path); }
  Status make_folders(const std::string& path) override { return files_.make_folders(path); }
  Status sync_folder(const std::string& path) override { return files_.sync_folder(path); }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return files_.list(path);
  }
  Result<bool> exists(const std::string& path) override { return files_.exists(path); }
  Status remove_tree(const std::string& path) override { return files_.remove_tree(path); }
  Result<std::unique_ptr<sys::FolderLock>> lock_folder(const std::string& path) override {
    return files_.lock_folder(path);
  }

 private:
  class UnsyncedFile final : public sys::File {
   public:
    UnsyncedFile(std::unique_ptr<sys::File> file, const std::atomic<bool>& is_failing)
        : file_(std::move(file)), is_failing_(is_failing) {}
    Status read_at(std::uint64_t position, std::size_t size, std::string& out) const override {
      return file_->read_at(position, size, out);
    }
    Status write_at(std::uint64_t position, std::string_view bytes) override {
      return file_->write_at(position, bytes);
    }
    Status write_at(std::uint64_t position, const std::vector<std::string_view>& buffers) override {
      return file_->write_at(position, buffers);
    }
    Status sync() override { return is_failing_ ? io_error("the disk is gone") : file_->sync(); }
    Status truncate(std::uint64_t bytes) override { return file_->truncate(bytes); }
    Status allocate(std::uint64_t bytes) override { return file_->allocate(bytes); }
    [[nodiscard]] Result<std::uint64_t> size() const override { return file_->size(); }

   private:
    std::unique_ptr<sys::File> file_;
    const std::atomic<bool>& is_failing_;
  };
  Result<std::unique_ptr<sys::File>> wrap(Result<std::unique_ptr<sys::File>> opened) {
    if (!opened.is_ok()) return opened;
    return std::unique_ptr<sys::File>(
        std::make_unique<UnsyncedFile>(std::move(opened).value(), is_failing_));
  }

  sys::PosixFileSystem files_;
  std::atomic<bool> is_failing_{false};
};

// R17: an append that is not synced may be lost, so nobody outside may see it.
TEST(FeatureService, what_is_not_synced_is_not_served) {
  sys::RealClock clock;
  const sys::TemporaryFolder folder;
  UnsyncedFiles files;
  log::EmbeddedLogOptions options;
  options.folder = folder / "log";
  ASSERT_TRUE(files.make_folders(options.folder).is_ok());
  auto log = log::EmbeddedLog::open(options, files, clock);
  ASSERT_TRUE(log.is_ok());
  const auto group = ticks_group();
  log::TopicConfig config;
  ASSERT_TRUE((*log)->create_topic(group.topic, config).is_ok());
  const auto service = start_service(**log, make_memory_store(), {group});
  ASSERT_TRUE(log::append_and_wait(**log, {group.topic, 0, batch_of({{"KO", kNoon}})}).is_ok());
  files.fail_syncs();
  log::Commit commit;
  commit.appends.push_back({group.topic, 0, batch_of({{"KO", kNoon + 60}})});
  const auto appended = (*log)->commit(std::move(commit));
  ASSERT_TRUE(appended.is_ok());
  EXPECT_FALSE((*log)->wait_durable(appended->sequence).is_ok());
  // One that was there, and one that finds both records at once.
  const auto late = start_service(**log, make_memory_store(), {group});
  for (auto* each : {service.get(), late.get()}) {
    ASSERT_TRUE(each->wait_until_applied(kGroup).is_ok());
    EXPECT_EQ(get(*each, "KO"), (Result1m{"KO", kNoon}.record()));
    EXPECT_EQ(only_group(*each).counters.applied, 1u);
  }
}

// A store whose disk is full after some changes.
class FullStore final : public OnlineStore {
 public:
  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view key) const override {
    return entries_->get(key);
  }
  Status apply(const StoreChange& change) override {
    if (++changes_ > 2) return io_error("no space left on device");
    return entries_->apply(change);
  }
  [[nodiscard]] std::unique_ptr<StoreCursor> cursor() const override { return entries_->cursor(); }

 private:
  std::unique_ptr<OnlineStore> entries_ = make_memory_store();
  int changes_ = 0;
};

TEST(FeatureService, a_commit_to_a_partition_that_was_added_is_heard) {
  LogFixture fixture;
  fixture.create_topic(ticks_group(), 1);
  const auto service = start_service(fixture.log(), make_memory_store(), {ticks_group()});
  auto config = fixture.log().topic(ticks_group().topic)->config;
  config.partition_count = 2;
  ASSERT_TRUE(fixture.log().alter_topic(ticks_group().topic, config).is_ok());
  fixture.append(ticks_group(), 0, {{"KO", kNoon}});
  ASSERT_TRUE(service->wait_until_applied(kGroup).is_ok());
  // Waiting for it would wake the service.
  fixture.append(ticks_group(), 1, {{"GE", kNoon}});
  constexpr std::int64_t kLongestNs = 20'000'000'000;
  const sys::RealClock clock;
  const auto begin = clock.monotonic_now();
  while (!get(*service, "GE")) {
    ASSERT_LT(clock.monotonic_now() - begin, kLongestNs);
    std::this_thread::yield();
  }
  expect_exact(service->audit());
}

TEST(FeatureService, a_store_that_fails_answers_with_its_error_and_stops_nothing_else) {
  LogFixture fixture;
  fixture.create_topic(ticks_group(), 1);
  std::string failed;
  FeatureServiceOptions options;
  options.groups = {ticks_group()};
  options.on_failure = [&](const std::string& group, const Status&) { failed = group; };
  const auto service =
      FeatureService::start(fixture.log(), std::make_unique<FullStore>(), std::move(options));
  ASSERT_TRUE(service.is_ok());
  fixture.append(ticks_group(), 0, {{"KO", kNoon}});
  ASSERT_TRUE((*service)->wait_until_applied(kGroup).is_ok());
  EXPECT_EQ(get(**service, "KO"), (Result1m{"KO", kNoon}.record()));
  // From here on what it has would be out of date.
  fixture.append(ticks_group(), 0, {{"KO", kNoon + 60}});
  EXPECT_EQ((*service)->wait_until_applied(kGroup).code(), StatusCode::io);
  EXPECT_EQ(failed, kGroup);
  EXPECT_EQ((*service)->get(kGroup, "KO").status().code(), StatusCode::io);
  EXPECT_EQ(only_group(**service).failure.code(), StatusCode::io);
  EXPECT_EQ(only_group(**service).lag_records, 1);
  fixture.append(ticks_group(), 0, {{"KO", kNoon}});
  EXPECT_EQ((*service)->wait_until_applied(kGroup).code(), StatusCode::io);
}

// A store whose first changes do not get through.
class UnreachableStore final : public OnlineStore {
 public:
  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view key) const override {
    return entries_->get(key);
  }
  Status apply(const StoreChange& change) override {
    ++changes_;
    if (changes_ == 2) return disconnected_error("the cable is out");
    if (changes_ == 3) return overloaded_error("too many ask at once");
    return entries_->apply(change);
  }
  [[nodiscard]] std::unique_ptr<StoreCursor> cursor() const override { return entries_->cursor(); }
  [[nodiscard]] int changes() const { return changes_.load(); }

 private:
  std::unique_ptr<OnlineStore> entries_ = make_memory_store();
  std::atomic<int> changes_ = 0;
};

TEST(FeatureService, what_may_pass_is_tried_again_without_being_woken) {
  for (const int interval_ms : {0, 5}) {
    LogFixture fixture;
    fixture.create_topic(ticks_group(), 1);
    fixture.append(ticks_group(), 0, {{"KO", kNoon}});
    FeatureServiceOptions options;
    options.groups = {ticks_group()};
    options.catch_up_ms = 0;
    options.step_interval_ms = interval_ms;
    int failure_count = 0;
    options.on_failure = [&](const std::string&, const Status&) { ++failure_count; };
    auto store = std::make_unique<UnreachableStore>();
    const auto& changes = *store;
    const auto service = FeatureService::start(fixture.log(), std::move(store), std::move(options));
    ASSERT_TRUE(service.is_ok());
    // Waiting for it would wake the service.
    constexpr std::int64_t kLongestNs = 20'000'000'000;
    const sys::RealClock clock;
    const auto begin = clock.monotonic_now();
    while (changes.changes() < 4) {
      ASSERT_LT(clock.monotonic_now() - begin, kLongestNs);
      std::this_thread::yield();
    }
    ASSERT_TRUE((*service)->wait_until_applied(kGroup).is_ok());
    EXPECT_EQ(get(**service, "KO"), (Result1m{"KO", kNoon}.record()));
    EXPECT_EQ(changes.changes(), 4);
    EXPECT_EQ(failure_count, 0);
    EXPECT_TRUE(only_group(**service).failure.is_ok());
  }
}

}  // namespace
}  // namespace millrace::features
