#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "lake/lake_service.h"
#include "log/partition_scan.h"

// The service on a log that several processes share: a flush is asked of all of them.

namespace millrace::lake {
namespace {

constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr std::chrono::milliseconds kFlushPoll{100};
constexpr std::int64_t kAskAgainNs = 5'000 * kNanosPerMilli;

// Whether anything behind `from` is more than a marker. True when the log does not say.
bool has_records(const log::Log& log, const TopicPartition& source, Offset from) {
  const auto end = log::scan_partition(
      log, source, from, [](const RecordView&) { return exists_error("there is a record"); });
  return !end.is_ok();
}

}  // namespace

// A log on other machines may be away for a moment.
Status LakeService::patiently(const std::function<Status()>& attempt) const {
  if (!options_.sharing) return attempt();
  const runtime::Perseverance how{&clock_, [this] { return is_stopping(); },
                                  options_.sharing->log_wait_ms_max,
                                  hash64(options_.sharing->process)};
  return runtime::persevere(how, attempt);
}

Status LakeService::open_sharing() {
  MR_CHECK(options_.sharing->log == &log_);
  requests_ = std::make_unique<FlushRequests>(log_, clock_);
  return patiently([this] { return requests_->open(); });
}

// Where everything that readers may see now has been delivered.
Result<std::vector<LakeService::FlushTarget>> LakeService::flush_targets() const {
  std::vector<FlushTarget> targets;
  for (const auto& slot : slots_) {
    MR_ASSIGN_OR_RETURN(const auto offsets, log_.offsets(slot.manifest.source));
    if (offsets.last_stable > offsets.start) targets.push_back({&slot, offsets.last_stable});
  }
  return targets;
}

std::vector<LakeService::FlushTarget> LakeService::undelivered(
    const std::vector<FlushTarget>& targets) const {
  std::map<std::string, std::map<TopicPartition, Offset>> groups;
  for (const auto& target : targets) {
    const auto& group = target.slot->manifest.group;
    if (groups.contains(group)) continue;
    auto& delivered = groups[group];
    for (const auto& known : log_.group_offsets(group)) delivered[known.source] = known.next_offset;
  }
  std::vector<FlushTarget> left;
  for (const auto& target : targets) {
    const auto& delivered = groups[target.slot->manifest.group];
    const auto known = delivered.find(target.slot->manifest.source);
    const auto from = known == delivered.end() ? Offset(0) : known->second;
    if (from < target.end && has_records(log_, target.slot->manifest.source, from)) {
      left.push_back(target);
    }
  }
  return left;
}

// What may pass within the asker's patience is not told.
void LakeService::flush_as_asked() {
  const auto status = flush_all();
  const bool may_pass = Delivery::is_wait(status) || status.code() == StatusCode::cancelled;
  if (status.is_ok() || may_pass) return;
  (void)requests_->tell_failure(options_.sharing->process, status);  // the asker asks again
}

Status LakeService::flush_everywhere() {
  const auto& sharing = *options_.sharing;
  MR_ASSIGN_OR_RETURN(auto left, flush_targets());
  const auto begun = clock_.monotonic_now();
  std::optional<MonotonicTime> asked;
  while (true) {
    const auto now = clock_.monotonic_now();
    if (!asked || now - *asked > kAskAgainNs) {
      if (requests_->ask(sharing.process).is_ok()) asked = now;
    }
    MR_RETURN_IF_ERROR(flush_here().with_context("process " + sharing.process));
    left = undelivered(left);
    if (left.empty()) return ok_status();
    if (const auto failure = requests_->failure_since(begun, sharing.process)) {
      return io_error(*failure);
    }
    if (now - begun > sharing.flush_wait_ms_max * kNanosPerMilli) {
      return overloaded_error(
          "lake " + left.front().slot->manifest.sink + ": " +
          left.front().slot->manifest.source.to_string() + " is not delivered up to offset " +
          std::to_string(left.front().end.value) + " yet; the process that has it says why");
    }
    std::unique_lock lock(mutex_);
    if (is_stopping_) return cancelled_error("the lake is stopping");
    changed_.wait_for(lock, kFlushPoll, [this] { return is_stopping_; });
  }
}

}  // namespace millrace::lake
