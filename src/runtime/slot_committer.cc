#include "runtime/slot_committer.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "base/hash.h"

namespace millrace::runtime {
namespace {

constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr std::int64_t kIntervalMinNs = 10 * kNanosPerMilli;
constexpr std::int64_t kIntervalMaxNs = 25 * kNanosPerMilli;
constexpr std::size_t kPortBytesMax = 16 << 20;         // waiting, per task
constexpr std::size_t kTransactionBytesMax = 16 << 20;  // and at least one commit
constexpr std::int64_t kPauseMinMs = 10;
constexpr std::int64_t kPauseMaxMs = 2'000;
constexpr std::int64_t kNoMembershipMs = 20;
constexpr std::uint64_t kAttemptsToUnreachable = 10;

std::size_t bytes_of(const log::Commit& commit) {
  std::size_t bytes = 0;
  for (const auto& batch : commit.appends) bytes += batch.bytes.size();
  return bytes;
}

}  // namespace

struct SlotCommitter::PortState {
  std::shared_ptr<Shared> shared;
  TopicPartition source;
  // The rest is guarded by shared->mutex.
  bool is_dropped = false;
  bool is_in_transaction = false;
  std::optional<std::string> confirmed;  // metadata of the last commit known to be visible
  std::deque<log::Commit> waiting;
  std::size_t waiting_bytes = 0;
  std::uint64_t last_sequence = 0;  // handed out; those not waiting are in a transaction or durable
  std::uint64_t durable_sequence = 0;
};

struct SlotCommitter::Shared {
  Mutex mutex;
  Condition changed;
  bool is_stopping = false;
  std::vector<std::shared_ptr<PortState>> ports;  // not dropped
  SlotReport report;

  // With the lock held.
  void drop(PortState& port) {
    port.is_dropped = true;
    port.waiting.clear();
    port.waiting_bytes = 0;
    std::erase_if(ports, [&](const auto& known) { return known.get() == &port; });
    changed.notify_all();
  }
};

// --- ports ---

Result<log::Appended> SlotCommitter::Port::commit(log::Commit&& commit) {
  MR_CHECK(commit.offsets.size() == 1 && commit.offsets[0].source == state_->source);
  auto& shared = *state_->shared;
  const std::lock_guard lock(shared.mutex);
  if (state_->is_dropped) return fenced_error("the task was dropped");
  const auto bytes = bytes_of(commit);
  if (!state_->waiting.empty() && state_->waiting_bytes + bytes > kPortBytesMax) {
    return overloaded_error("too many commits wait for the brokers");
  }
  state_->waiting_bytes += bytes;
  state_->waiting.push_back(std::move(commit));
  shared.changed.notify_all();
  log::Appended appended;  // where the batches come to lie is not known yet
  appended.sequence = log::CommitSequence(++state_->last_sequence);
  return appended;
}

Status SlotCommitter::Port::wait_durable(log::CommitSequence sequence) {
  auto& shared = *state_->shared;
  std::unique_lock lock(shared.mutex);
  shared.changed.wait(
      lock, [&] { return state_->is_dropped || state_->durable_sequence >= sequence.value; });
  if (state_->durable_sequence >= sequence.value) return ok_status();
  return fenced_error("the task was dropped");
}

log::CommitSequence SlotCommitter::Port::durable_sequence() const {
  const std::lock_guard lock(state_->shared->mutex);
  return log::CommitSequence(state_->durable_sequence);
}

bool SlotCommitter::Port::is_dropped() const {
  const std::lock_guard lock(state_->shared->mutex);
  return state_->is_dropped;
}

bool SlotCommitter::Port::is_in_transaction() const {
  const std::lock_guard lock(state_->shared->mutex);
  return state_->is_in_transaction;
}

void SlotCommitter::Port::drop() {
  const std::lock_guard lock(state_->shared->mutex);
  if (!state_->is_dropped) state_->shared->drop(*state_);
}

// --- the committer ---

SlotCommitter::SlotCommitter(log::SharedLog& log, log::GroupMember& member, const Clock& clock,
                             SlotCommitterOptions options)
    : log_(log),
      member_(member),
      clock_(clock),
      options_(std::move(options)),
      shared_(std::make_shared<Shared>()),
      random_(hash64(options_.transactional_id)),
      thread_([this] { run(); }) {}

SlotCommitter::~SlotCommitter() {
  stop();
}

void SlotCommitter::stop() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->is_stopping = true;
    while (!shared_->ports.empty()) shared_->drop(*shared_->ports.back());
    shared_->changed.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<SlotCommitter::Port> SlotCommitter::open_port(
    const TopicPartition& source, const std::optional<log::GroupOffset>& committed) {
  auto state = std::make_shared<PortState>();
  state->shared = shared_;
  state->source = source;
  if (committed) state->confirmed = committed->metadata;
  const std::lock_guard lock(shared_->mutex);
  if (shared_->is_stopping) {
    state->is_dropped = true;
  } else {
    shared_->ports.push_back(state);
  }
  return std::make_shared<Port>(std::move(state));
}

bool SlotCommitter::is_ready() const {
  return report().state == SlotReport::State::ready;
}

SlotReport SlotCommitter::report() const {
  const std::lock_guard lock(shared_->mutex);
  auto report = shared_->report;
  for (const auto& port : shared_->ports) report.waiting_commits += port->waiting.size();
  return report;
}

void SlotCommitter::run() {
  while (!initialize()) {
    if (!pause_ms(kPauseMinMs)) return;
  }
  while (wait_for_work()) {
    if (!gather()) continue;
    std::vector<std::shared_ptr<PortState>> involved;
    for (const auto& part : parts_) involved.push_back(part.port);
    send();
    const std::lock_guard lock(shared_->mutex);
    for (const auto& port : involved) port->is_in_transaction = false;
  }
}

// False when stopping.
bool SlotCommitter::pause_ms(std::int64_t ms) {
  std::unique_lock lock(shared_->mutex);
  const auto until = clock_.monotonic_now() + ms * kNanosPerMilli;
  while (!shared_->is_stopping) {
    const auto left = until - clock_.monotonic_now();
    if (left <= 0) break;
    shared_->changed.wait_for(lock, std::chrono::nanoseconds(left));
  }
  return !shared_->is_stopping;
}

void SlotCommitter::fail(std::string error) {
  const std::lock_guard lock(shared_->mutex);
  auto& report = shared_->report;
  report.last_error = std::move(error);
  if (++report.attempts >= kAttemptsToUnreachable) report.state = SlotReport::State::unreachable;
}

// A producer that was given up never sends again; the new one ends what it left open.
bool SlotCommitter::initialize() {
  producer_.reset();
  producer_ = log_.make_producer(options_.transactional_id);
  auto status = producer_->initialize();
  if (!status.is_ok()) {
    fail(status.to_string());
    return false;
  }
  const std::lock_guard lock(shared_->mutex);
  shared_->report.attempts = 0;
  if (parts_.empty()) shared_->report.state = SlotReport::State::ready;
  return true;
}

// Until some task has a commit and the interval is over. False when stopping.
bool SlotCommitter::wait_for_work() {
  std::unique_lock lock(shared_->mutex);
  const auto has_work = [&] {
    return std::any_of(shared_->ports.begin(), shared_->ports.end(),
                       [](const auto& port) { return !port->waiting.empty(); });
  };
  shared_->changed.wait(lock, [&] { return shared_->is_stopping || has_work(); });
  const auto interval = std::clamp(2 * last_duration_ns_, kIntervalMinNs, kIntervalMaxNs);
  const auto left = interval - (clock_.monotonic_now() - last_begin_);
  lock.unlock();
  return left <= 0 ? !shared_->is_stopping : pause_ms((left + kNanosPerMilli - 1) / kNanosPerMilli);
}

// Takes what waits into parts_; false when there is nothing.
bool SlotCommitter::gather() {
  MR_CHECK(parts_.empty() && transaction_.appends.empty());
  const std::lock_guard lock(shared_->mutex);
  std::size_t bytes = 0;
  for (const auto& port : shared_->ports) {
    if (port->waiting.empty()) continue;
    Part part;
    part.port = port;
    std::optional<log::OffsetCommit> offset;  // of the last commit
    while (!port->waiting.empty()) {
      const auto next = bytes_of(port->waiting.front());
      if (bytes > 0 && bytes + next > kTransactionBytesMax) break;
      bytes += next;
      port->waiting_bytes -= next;
      auto commit = std::move(port->waiting.front());
      port->waiting.pop_front();
      part.append_count += commit.appends.size();
      std::ranges::move(commit.appends, std::back_inserter(transaction_.appends));
      offset = std::move(commit.offsets[0]);
    }
    if (!offset) break;
    part.metadata = offset->metadata;
    transaction_.offsets.push_back(std::move(*offset));
    part.last_sequence = port->last_sequence - port->waiting.size();
    port->is_in_transaction = true;
    parts_.push_back(std::move(part));
  }
  // The largest share must not always be the same task's.
  if (!shared_->ports.empty()) {
    std::rotate(shared_->ports.begin(), shared_->ports.begin() + 1, shared_->ports.end());
  }
  return !parts_.empty();
}

// Leaves the parts that are still wanted, and gives the membership they are sent under, taken
// together: a task that was dropped is in no transaction of a later generation (R2). nullopt while
// this process is no member of the group.
std::optional<log::GroupMembership> SlotCommitter::begin() {
  const std::lock_guard lock(shared_->mutex);
  for (std::size_t i = 0; i < parts_.size();) {
    if (parts_[i].port->is_dropped) {
      erase_part(i);
    } else {
      ++i;
    }
  }
  auto membership = member_.membership();
  if (membership.generation < 0) return std::nullopt;
  return membership;
}

void SlotCommitter::erase_part(std::size_t index) {
  const auto at = [&](auto& list, std::size_t i) {
    return list.begin() + static_cast<std::ptrdiff_t>(i);
  };
  std::size_t first = 0;
  for (std::size_t i = 0; i < index; ++i) first += parts_[i].append_count;
  auto& appends = transaction_.appends;
  appends.erase(at(appends, first), at(appends, first + parts_[index].append_count));
  transaction_.offsets.erase(at(transaction_.offsets, index));
  parts_.erase(at(parts_, index));
}

void SlotCommitter::erase_parts() {
  parts_.clear();
  transaction_ = {};
}

// Sends parts_ until their fate is known; empty afterwards.
void SlotCommitter::send() {
  while (!parts_.empty()) {
    const auto membership = begin();
    if (!membership) {
      if (!pause_ms(kNoMembershipMs)) erase_parts();
      continue;
    }
    if (parts_.empty()) return;
    last_begin_ = clock_.monotonic_now();
    const auto outcome = producer_->commit(transaction_, *membership);
    last_duration_ns_ = clock_.monotonic_now() - last_begin_;
    switch (outcome) {
      case log::TransactionOutcome::committed: {
        const std::lock_guard lock(shared_->mutex);
        ++shared_->report.counters.transactions;
        for (auto& part : parts_) finish_part(part);
        erase_parts();
        break;
      }
      case log::TransactionOutcome::aborted: {
        {
          const std::lock_guard lock(shared_->mutex);
          ++shared_->report.counters.aborted;
        }
        resolve(outcome);
        break;
      }
      case log::TransactionOutcome::unknown:
        resolve(outcome);
        break;
      case log::TransactionOutcome::fenced: {
        // A rebalance that left us these partitions outdates the generation they were sent under,
        // too; whoever lost them was told before a new generation could be seen.
        const auto now = member_.membership();
        const bool is_outlived =
            now.generation > membership->generation && now.member_id == membership->member_id;
        {
          const std::lock_guard lock(shared_->mutex);
          auto& counters = shared_->report.counters;
          ++(is_outlived ? counters.outlived_generations : counters.fenced);
        }
        if (!is_outlived) drop_all();
        resolve(outcome);
        break;
      }
    }
  }
}

// With the lock held.
void SlotCommitter::finish_part(Part& part) {
  part.port->durable_sequence = part.last_sequence;
  part.port->confirmed = part.metadata;
  shared_->changed.notify_all();
}

void SlotCommitter::drop_all() {
  const std::lock_guard lock(shared_->mutex);
  while (!shared_->ports.empty()) shared_->drop(*shared_->ports.back());
}

// R4. Ends what may be open under our id, then asks the group about every part; those that did not
// make it stay in parts_, to be sent again unchanged.
void SlotCommitter::resolve(log::TransactionOutcome outcome) {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->report.state = SlotReport::State::resolving;
  }
  std::int64_t pause = kPauseMinMs;
  while (!initialize()) {
    if (!back_off(pause)) return erase_parts();
  }
  for (std::size_t i = 0; i < parts_.size();) {
    auto fate = Fate::aborted;
    while ((fate = ask(parts_[i], outcome)) == Fate::not_known_yet) {
      if (!back_off(pause)) return erase_parts();
    }
    if (fate == Fate::aborted) {
      ++i;
    } else {
      erase_part(i);
    }
  }
  const std::lock_guard lock(shared_->mutex);
  shared_->report.state = SlotReport::State::ready;
  shared_->report.attempts = 0;
}

// False when stopping.
bool SlotCommitter::back_off(std::int64_t& pause) {
  const auto jitter = random_.below(static_cast<std::uint64_t>(pause));
  const bool goes_on = pause_ms(pause / 2 + static_cast<std::int64_t>(jitter));
  pause = std::min(2 * pause, kPauseMaxMs);
  return goes_on;
}

// The whole metadata is compared: a successor's commit may have the same sequence, but never the
// same transactional id.
SlotCommitter::Fate SlotCommitter::ask(Part& part, log::TransactionOutcome outcome) {
  if (outcome == log::TransactionOutcome::aborted) return Fate::aborted;
  {
    const std::lock_guard lock(shared_->mutex);
    if (part.port->is_dropped) return Fate::lost;
  }
  const auto committed = producer_->decided_offset(options_.group, part.port->source);
  if (!committed.is_ok()) {
    fail(committed.status().to_string());
    return Fate::not_known_yet;
  }
  std::optional<std::string> metadata;
  if (*committed) metadata = (*committed)->metadata;
  const bool was_unknown = outcome == log::TransactionOutcome::unknown;
  const std::lock_guard lock(shared_->mutex);
  auto& counters = shared_->report.counters;
  if (metadata == part.metadata) {
    if (was_unknown) ++counters.unknown_committed;
    finish_part(part);
    return Fate::committed;
  }
  if (metadata == part.port->confirmed) {
    if (was_unknown) ++counters.unknown_aborted;
    return Fate::aborted;
  }
  ++counters.unknown_lost;
  shared_->drop(*part.port);
  return Fate::lost;
}

}  // namespace millrace::runtime
