#pragma once

// Requests to a group coordinator, and what became of them. Only for tests.

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/group_coordinator.h"
#include "kafka_wire/consumer_protocol.h"

namespace millrace::kafka_wire {

inline std::ostream& operator<<(std::ostream& out, ErrorCode code) {
  return out << to_string(code);
}

}  // namespace millrace::kafka_wire

namespace millrace::broker {

using kafka_wire::ErrorCode;

class FakeStagedOffsets final : public StagedOffsets {
 public:
  [[nodiscard]] bool has_staged(const std::string& group,
                                const TopicPartition& partition) const override {
    return staged.contains({group, partition});
  }
  std::set<std::pair<std::string, TopicPartition>> staged;
};

// Counts what is asked and what is answered.
class AnswerLedger {
 public:
  void asked() {
    const std::lock_guard lock(mutex_);
    ++asked_;
  }
  // `note` runs under the lock.
  void given(const std::function<void(std::size_t order)>& note) {
    const std::lock_guard lock(mutex_);
    note(given_);
    ++given_;
    changed_.notify_all();
  }
  // Until all but `waiting` have been answered. Those that wait for the disk are given on another
  // thread.
  bool wait_for_all_but(std::size_t waiting) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] {
      return given_ + waiting >= asked_;
    }) && given_ + waiting == asked_;
  }
  template <typename Read>
  auto read(const Read& read) {
    const std::lock_guard lock(mutex_);
    return read();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t asked_ = 0;
  std::size_t given_ = 0;
};

// The answer to one request.
template <typename Response>
class Asked {
 public:
  explicit Asked(std::shared_ptr<AnswerLedger> ledger)
      : ledger_(std::move(ledger)), state_(std::make_shared<State>()) {
    ledger_->asked();
  }
  [[nodiscard]] std::function<void(Response)> answer() const {
    return [ledger = ledger_, state = state_](Response response) {
      ledger->given([&](std::size_t order) {
        EXPECT_FALSE(state->response.has_value()) << "answered twice";
        state->order = order;
        state->response = std::move(response);
      });
    };
  }
  [[nodiscard]] bool is_given() const {
    return ledger_->read([&] { return state_->response.has_value(); });
  }
  // Call only after it was given.
  [[nodiscard]] Response get() const {
    return ledger_->read([&] {
      EXPECT_TRUE(state_->response.has_value()) << "not answered";
      return state_->response.value_or(Response());
    });
  }
  [[nodiscard]] ErrorCode error() const { return get().error_code; }
  // Among all answers; once it was given.
  [[nodiscard]] std::size_t order() const {
    return ledger_->read([&] { return state_->order; });
  }

 private:
  struct State {
    std::optional<Response> response;
    std::size_t order = 0;
  };
  std::shared_ptr<AnswerLedger> ledger_;
  std::shared_ptr<State> state_;
};

using AskedJoin = Asked<kafka_wire::JoinGroupResponse>;
using AskedSync = Asked<kafka_wire::SyncGroupResponse>;

inline std::string subscription_to(const std::vector<std::string>& topics) {
  kafka_wire::ConsumerProtocolSubscription subscription;
  subscription.topics = topics;
  return kafka_wire::encode_subscription(subscription, 1);
}

struct JoinOptions {
  std::string member_id = {};
  std::optional<std::string> instance_id = {};
  std::int16_t version = 5;
  std::vector<std::pair<std::string, std::string>> protocols{{"range", subscription_to({"t"})}};
  std::string protocol_type = "consumer";
  std::int32_t session_ms = 10'000;
  std::int32_t rebalance_ms = 60'000;
  std::string client_id = "client";
};

}  // namespace millrace::broker
