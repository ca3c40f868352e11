// Random results, deletions of the topic, kills and power cuts, against a std::map.

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "features/feature_test_support.h"
#include "features/store_format.h"

namespace millrace::features {
namespace {

constexpr std::int32_t kPartitionCount = 3;

class ModelRun {
 public:
  explicit ModelRun(std::uint64_t seed) : random_(seed) {
    log_.create_topic(group_, kPartitionCount);
    start();
  }

  void run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) step();
    check();
  }

 private:
  void start() { service_ = start_service(log_.log(), open_store(store_path()), {group_}); }
  [[nodiscard]] std::string store_path() const {
    return log_.folder() / ("store-" + std::to_string(generation_));
  }

  void step() {
    switch (random_.below(40)) {
      case 0:
        return check();
      case 1:
        service_.reset();
        return start();
      case 2:
        return kill(false);
      case 3:
        return kill(true);
      case 4:
        return recreate_topic();
      case 5:
        service_.reset();  // and the store with it
        ++generation_;
        return start();
      case 6: {
        service_.reset();
        log_.close();
        log_.open();
        return start();
      }
      default:
        return append();
    }
  }

  void append() {
    const auto partition = static_cast<std::int32_t>(random_.below(kPartitionCount));
    std::vector<Result1m> results(1 + random_.below(6));
    for (auto& result : results) {
      // An id stays in its partition, as the hash of a key does.
      result.ticker = std::to_string(random_.below(5) * kPartitionCount +
                                     static_cast<std::uint64_t>(partition));
      result.window_end_s = static_cast<std::int64_t>(60 * random_.below(4));
      result.revision = static_cast<std::int64_t>(random_.below(4));
      result.price = std::to_string(random_.next());
      const auto record = result.record();
      const auto [known, is_first] = twin_.try_emplace(record.record_id, record);
      const auto age = [](const FeatureRecord& r) { return std::pair(r.event_time, r.revision); };
      if (!is_first && age(known->second) < age(record)) known->second = record;
    }
    log_.append(group_, partition, results);
  }

  void recreate_topic() {
    if (random_.one_in(2)) service_.reset();
    EXPECT_TRUE(log_.log().delete_topic(group_.topic).is_ok());
    log_.create_topic(group_, kPartitionCount);
    twin_.clear();
    if (!service_) start();
  }

  // Goes on with the files as they are, the newest write-ahead file cut anywhere after a power cut.
  void kill(bool is_power_cut) {
    ASSERT_TRUE(service_->wait_until_all_applied().is_ok());  // nothing is writing the files
    const auto from = store_path();
    ++generation_;
    copy_folder(log_.files(), from, store_path());
    service_.reset();
    ASSERT_TRUE(log_.files().remove_tree(from).is_ok());
    if (is_power_cut) cut_newest_file();
    {
      // Before anything is applied: records and offsets are of one moment, whichever it is.
      const auto store = open_store(store_path());
      if (is_of_this_topic(*store)) {
        expect_exact(audit_group(log_.log(), *store, group_));
      }
    }
    start();
  }

  // A cut may have taken all of it, or gone back behind the making of the topic.
  bool is_of_this_topic(const OnlineStore& store) {
    const auto bytes = store.get(group_key(group_.name));
    EXPECT_TRUE(bytes.is_ok());
    if (!*bytes) return false;
    const auto position = decode_position(**bytes);
    EXPECT_TRUE(position.is_ok());
    return position->incarnation == log_.log().topic(group_.topic)->incarnation;
  }

  void cut_newest_file() {
    const auto names = log_.files().list(store_path());
    ASSERT_TRUE(names.is_ok());
    std::string newest;
    for (const auto& name : *names) {
      if (name.size() == 10 && name.ends_with(".log")) newest = std::max(newest, name);
    }
    ASSERT_FALSE(newest.empty());
    auto bytes = log_.files().read_file(store_path() + "/" + newest);
    ASSERT_TRUE(bytes.is_ok());
    bytes->resize(random_.below(bytes->size() + 1));
    ASSERT_TRUE(log_.files().write_file_atomically(store_path() + "/" + newest, *bytes).is_ok());
  }

  void check() {
    ASSERT_TRUE(service_->wait_until_applied(group_.name).is_ok());
    const auto stored = service_->scan(group_.name, 1000);
    ASSERT_TRUE(stored.is_ok()) << stored.status().to_string();
    std::map<std::string, FeatureRecord> found;
    for (const auto& record : *stored) found.emplace(record.record_id, record);
    EXPECT_EQ(found.size(), twin_.size());
    for (const auto& [id, record] : twin_) {
      const auto one = service_->get(group_.name, id);
      ASSERT_TRUE(one.is_ok() && *one) << id;
      EXPECT_EQ(**one, record);
      EXPECT_EQ(found[id], record);
    }
    const auto report = service_->groups().front();
    EXPECT_EQ(report.record_count, twin_.size());
    EXPECT_EQ(report.lag_records, 0);
    expect_exact(service_->audit());
  }

  Random random_;
  const FeatureGroup group_ = ticks_group();
  LogFixture log_;
  int generation_ = 0;
  std::map<std::string, FeatureRecord> twin_;
  std::unique_ptr<FeatureService> service_;
};

TEST(FeatureModel, the_store_is_the_newest_of_each_id_whatever_happened) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ModelRun(seed).run(120);
  }
}

}  // namespace
}  // namespace millrace::features
