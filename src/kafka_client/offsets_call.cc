#include "kafka_client/offsets_call.h"

#include <chrono>
#include <mutex>
#include <thread>
#include <utility>

#include "base/thread.h"

namespace millrace::kafka_client {
namespace {

constexpr std::chrono::milliseconds kMargin{1'000};

// Of both threads, whichever is the last.
struct Shared {
  OffsetsCall call;
  Mutex mutex;
  Condition changed;
  bool has_ended = false;
  OwnedError error;
};

}  // namespace

std::optional<OwnedError> run_offsets_call(OffsetsCall call, int timeout_ms) {
  const auto shared = std::make_shared<Shared>();
  shared->call = std::move(call);
  std::thread([shared, timeout_ms] {
    OwnedError error(
        rd_kafka_send_offsets_to_transaction(shared->call.client->get(), shared->call.offsets.get(),
                                             shared->call.membership.get(), timeout_ms));
    const std::lock_guard lock(shared->mutex);
    shared->error = std::move(error);
    shared->has_ended = true;
    shared->changed.notify_all();
  }).detach();
  std::unique_lock lock(shared->mutex);
  const auto wait = std::chrono::milliseconds(timeout_ms) + kMargin;
  if (!shared->changed.wait_for(lock, wait, [&] { return shared->has_ended; })) {
    shared->call.client->disown();
    return std::nullopt;
  }
  shared->call.client.reset();
  return std::move(shared->error);
}

}  // namespace millrace::kafka_client
