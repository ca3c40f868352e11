#include "runtime/exclusive_append.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "base/random.h"
#include "base/thread.h"

namespace millrace::runtime {
namespace {

constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr std::int64_t kPauseMinMs = 10;
constexpr std::int64_t kPauseMaxMs = 1'000;

// Brokers hear of a new topic one after the other, and any of them may be asked.
bool is_passing(StatusCode code) {
  return code == StatusCode::disconnected || code == StatusCode::overloaded ||
         code == StatusCode::not_found;
}

Status try_append(log::SharedLog& log, const std::string& transactional_id, const Decide& decide) {
  // Whatever the id had open before has ended, and its markers are written, once it is ours.
  const auto producer = log.make_producer(transactional_id);
  auto status = producer->initialize();
  if (!status.is_ok()) return disconnected_error(std::string(status.message()));
  MR_ASSIGN_OR_RETURN(auto missing, decide());
  if (!missing) return ok_status();
  log::Commit commit;
  commit.appends.push_back(std::move(*missing));
  const auto outcome = producer->commit(commit, {});
  // Committed or not: seen at the next attempt, which waits for the markers.
  return outcome == log::TransactionOutcome::committed
             ? overloaded_error("what was appended is not visible yet")
             : overloaded_error("another process appends under " + transactional_id);
}

}  // namespace

Status persevere(const Perseverance& how, const std::function<Status()>& attempt) {
  MR_CHECK(how.clock != nullptr);
  Random random(how.seed);
  const auto until = how.clock->monotonic_now() + how.wait_ms_max * kNanosPerMilli;
  for (auto pause = kPauseMinMs;; pause = std::min(2 * pause, kPauseMaxMs)) {
    auto status = attempt();
    if (status.is_ok() || !is_passing(status.code())) return status;
    if (how.is_cancelled && how.is_cancelled()) return cancelled_error("it is being stopped");
    if (how.clock->monotonic_now() >= until) return status;
    const auto jitter = random.below(static_cast<std::uint64_t>(pause));
    pause_for(std::chrono::milliseconds(pause / 2 + static_cast<std::int64_t>(jitter)));
  }
}

Status append_exclusively(log::SharedLog& log, const std::string& transactional_id,
                          const Perseverance& how, const Decide& decide) {
  return persevere(how, [&] { return try_append(log, transactional_id, decide); });
}

}  // namespace millrace::runtime
