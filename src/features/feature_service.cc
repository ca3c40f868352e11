#include "features/feature_service.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "base/thread.h"
#include "features/store_format.h"

namespace millrace::features {
namespace {

constexpr std::size_t kScanRecordsMax = 100'000;
constexpr std::chrono::milliseconds kRepeatInterval{200};
constexpr std::chrono::seconds kPollInterval{1};

std::int64_t lag_of(const log::Log& log, const FeatureGroup& group, const GroupPosition& position) {
  std::int64_t lag = 0;
  for (std::size_t i = 0; i < position.partitions.size(); ++i) {
    const auto offsets = log.offsets({group.topic, static_cast<std::int32_t>(i)});
    if (!offsets.is_ok()) continue;
    const auto behind = offsets->high_watermark - position.partitions[i].next_offset;
    lag += std::max<std::int64_t>(0, behind);
  }
  return lag;
}

// What is durable in a topic, and which topic that is.
struct Durable {
  std::uint64_t incarnation = 0;
  std::vector<Offset> ends;
};

Result<Durable> durable_now(const log::Log& log, const std::string& name) {
  MR_ASSIGN_OR_RETURN(const auto topic, log.topic(name));
  Durable durable{topic.incarnation, {}};
  for (std::int32_t p = 0; p < topic.config.partition_count; ++p) {
    MR_ASSIGN_OR_RETURN(const auto offsets, log.offsets({name, p}));
    durable.ends.push_back(offsets.last_stable);
  }
  return durable;
}

bool has_applied(const GroupPosition& position, const Durable& durable) {
  if (position.incarnation != durable.incarnation) return false;
  for (std::size_t i = 0; i < durable.ends.size(); ++i) {
    if (durable.ends[i] == Offset(0)) continue;  // a partition too new to be known
    if (i >= position.partitions.size()) return false;
    if (position.partitions[i].next_offset < durable.ends[i]) return false;
  }
  return true;
}

}  // namespace

FeatureService::FeatureService(log::Log& log, std::unique_ptr<OnlineStore> store,
                               FeatureServiceOptions options)
    : log_(log), store_(std::move(store)), options_(std::move(options)) {
  MR_CHECK(store_ != nullptr);
}

FeatureService::~FeatureService() {
  stop();
}

Result<std::unique_ptr<FeatureService>> FeatureService::start(log::Log& log,
                                                              std::unique_ptr<OnlineStore> store,
                                                              FeatureServiceOptions options) {
  std::unique_ptr<FeatureService> service(
      new FeatureService(log, std::move(store), std::move(options)));
  MR_RETURN_IF_ERROR(service->open());
  if (service->appliers_.empty()) return service;
  service->listen();
  service->thread_ = Thread([raw = service.get()] { raw->run(); });
  std::unique_lock lock(service->mutex_);
  service->advanced_.wait_for(lock, std::chrono::milliseconds(service->options_.catch_up_ms),
                              [&] { return service->have_all_caught_up(); });
  lock.unlock();
  return service;
}

Status FeatureService::open() {
  auto groups = options_.groups;
  std::sort(groups.begin(), groups.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  for (auto& group : groups) {
    if (!appliers_.empty() && appliers_.back()->group().name == group.name) {
      if (appliers_.back()->group() == group) continue;
      return invalid_error("feature group " + group.name +
                           " is written by two pipelines that differ in its event_time");
    }
    appliers_.push_back(std::make_unique<GroupApplier>(log_, *store_, std::move(group)));
    auto status = appliers_.back()->open();
    if (!status.is_ok()) {
      return std::move(status).with_context("feature group " + appliers_.back()->group().name);
    }
  }
  listened_.resize(appliers_.size());
  return ok_status();
}

// --- the applying thread ---

// To what is not listened to yet: a topic may get more partitions.
void FeatureService::listen() {
  for (std::size_t i = 0; i < appliers_.size(); ++i) {
    const auto count = appliers_[i]->progress().position.partitions.size();
    for (; listened_[i] < count; ++listened_[i]) {
      const TopicPartition source{appliers_[i]->group().topic,
                                  static_cast<std::int32_t>(listened_[i])};
      listeners_.push_back(log_.add_listener(source, [this] { wake(); }));
    }
  }
}

void FeatureService::wake() {
  {
    const std::lock_guard lock(mutex_);
    ++wake_count_;
  }
  wanted_.notify_one();
}

void FeatureService::run() {
  std::unique_lock lock(mutex_);
  while (!is_stopping_) {
    // What comes while it steps is counted, and so is not slept over.
    const auto seen = wake_count_;
    lock.unlock();
    const auto steps = step_all();
    lock.lock();
    if (steps.did_work) continue;
    const auto is_wanted = [&] { return wake_count_ != seen || is_stopping_; };
    if (options_.step_interval_ms > 0) {
      wanted_.wait_for(lock, std::chrono::milliseconds(options_.step_interval_ms),
                       [&] { return is_stopping_; });
      if (!steps.is_to_repeat) wanted_.wait_for(lock, kPollInterval, is_wanted);
    } else if (steps.is_to_repeat) {
      wanted_.wait_for(lock, kRepeatInterval, is_wanted);
    } else {
      wanted_.wait(lock, is_wanted);
    }
  }
}

FeatureService::Steps FeatureService::step_all() {
  Steps steps;
  for (const auto& applier : appliers_) {
    if (applier->has_failed()) continue;
    const auto stepped = applier->step();
    if (stepped.is_ok()) {
      steps.did_work |= *stepped;
      continue;
    }
    if (!applier->has_failed()) {
      steps.is_to_repeat = true;
      continue;
    }
    if (options_.on_failure) options_.on_failure(applier->group().name, stepped.status());
  }
  if (steps.did_work) listen();
  // Even after nothing was done: somebody may wait for a topic that is gone. Whoever looked before
  // and is about to sleep holds the lock in between.
  {
    const std::lock_guard lock(mutex_);
  }
  advanced_.notify_all();
  return steps;
}

void FeatureService::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wanted_.notify_all();
  advanced_.notify_all();
  if (thread_.joinable()) thread_.join();
  for (const auto id : listeners_) log_.remove_listener(id);
  listeners_.clear();
}

bool FeatureService::have_all_caught_up() const {
  return std::all_of(appliers_.begin(), appliers_.end(), [](const auto& applier) {
    const auto progress = applier->progress();
    return progress.has_caught_up || !progress.failure.is_ok();
  });
}

// --- reads ---

std::string FeatureService::known_groups() const {
  std::string names;
  for (const auto& applier : appliers_) {
    names += (names.empty() ? "" : ", ") + applier->group().name;
  }
  return names;
}

Result<GroupApplier*> FeatureService::find(std::string_view group) const {
  for (const auto& applier : appliers_) {
    if (applier->group().name == group) return applier.get();
  }
  return not_found_error("feature group " + std::string(group) + " does not exist; " +
                         (appliers_.empty() ? "there is none, as no pipeline has such a sink"
                                            : "there are: " + known_groups()));
}

Result<GroupApplier*> FeatureService::find_readable(std::string_view group) const {
  MR_ASSIGN_OR_RETURN(auto* applier, find(group));
  if (applier->is_readable()) return applier;
  const auto progress = applier->progress();
  if (!progress.failure.is_ok()) return progress.failure;
  if (progress.has_caught_up) return applier;
  const auto lag = lag_of(log_, applier->group(), progress.position);
  return cancelled_error("feature group " + std::string(group) + " is being restored, " +
                         std::to_string(lag) + " records of its topic are left; ask again");
}

Result<std::optional<FeatureRecord>> FeatureService::get(std::string_view group,
                                                         std::string_view record_id) const {
  MR_ASSIGN_OR_RETURN(const auto* applier, find_readable(group));
  MR_ASSIGN_OR_RETURN(const auto bytes, store_->get(record_key(applier->group().name, record_id)));
  if (!bytes) return std::optional<FeatureRecord>();
  MR_ASSIGN_OR_RETURN(auto record, decode_record(record_id, *bytes));
  return std::optional(std::move(record));
}

Result<std::vector<FeatureRecord>> FeatureService::scan(std::string_view group, std::size_t limit,
                                                        std::string_view after) const {
  if (limit > kScanRecordsMax) {
    return invalid_error("at most " + std::to_string(kScanRecordsMax) + " records at once");
  }
  MR_RETURN_IF_ERROR(find_readable(group).status());
  const auto keys = record_keys(group);
  // The smallest key behind `after`'s; without one the group's first, whose id may be empty.
  const auto first = after.empty() ? keys.first : record_key(group, after) + '\0';
  std::vector<FeatureRecord> records;
  const auto cursor = store_->cursor();
  for (cursor->seek(first); records.size() < limit && cursor->is_at_entry(); cursor->advance()) {
    if (cursor->key() >= keys.end) break;
    const auto id = record_id_of(cursor->key(), group);
    MR_ASSIGN_OR_RETURN(auto record, decode_record(id, cursor->value()));
    records.push_back(std::move(record));
  }
  MR_RETURN_IF_ERROR(cursor->status());
  return records;
}

std::vector<FeatureGroupReport> FeatureService::groups() const {
  std::vector<FeatureGroupReport> reports;
  for (const auto& applier : appliers_) {
    auto progress = applier->progress();
    FeatureGroupReport report;
    report.group = applier->group();
    report.record_count = progress.position.record_count;
    report.lag_records = lag_of(log_, report.group, progress.position);
    report.feature_names = std::move(progress.position.feature_names);
    report.counters = progress.counters;
    report.last_unreadable = std::move(progress.last_unreadable);
    report.failure = std::move(progress.failure);
    reports.push_back(std::move(report));
  }
  return reports;
}

Status FeatureService::wait_until_applied(std::string_view group) {
  MR_ASSIGN_OR_RETURN(auto* applier, find(group));
  const auto& topic = applier->group().topic;
  MR_ASSIGN_OR_RETURN(const auto durable, durable_now(log_, topic));
  wake();  // a topic that was made again is seen without a commit to it
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto progress = applier->progress();
    if (!progress.failure.is_ok()) return progress.failure;
    if (has_applied(progress.position, durable)) return ok_status();
    if (is_stopping_) return cancelled_error("the feature store is stopping");
    advanced_.wait(lock);
    lock.unlock();
    const auto now = log_.topic(topic);
    // What was waited for is gone with its topic.
    if (!now.is_ok() || now->incarnation != durable.incarnation) return ok_status();
    lock.lock();
  }
}

Status FeatureService::wait_until_all_applied() {
  for (const auto& applier : appliers_) {
    MR_RETURN_IF_ERROR(wait_until_applied(applier->group().name));
  }
  return ok_status();
}

std::vector<AuditCheck> FeatureService::audit() const {
  std::vector<AuditCheck> checks;
  for (const auto& applier : appliers_) {
    for (auto& check : audit_group(log_, *store_, applier->group())) {
      checks.push_back(std::move(check));
    }
  }
  return checks;
}

}  // namespace millrace::features
