#include "broker/produce_commit.h"

#include <algorithm>
#include <utility>

#include "broker/errors.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;
using kafka_wire::ProduceResponse;

namespace {

constexpr std::int64_t kRetryMs = 1;
constexpr std::int64_t kTimeoutMsMax = 30'000;
constexpr std::int64_t kNsPerMs = 1'000'000;

}  // namespace

ProduceCommit::ProduceCommit(const Services& services, std::shared_ptr<Exchange> exchange,
                             ProduceResponse response, Responder<ProduceResponse> respond)
    : services_(services),
      exchange_(std::move(exchange)),
      response_(std::move(response)),
      respond_(std::move(respond)) {}

ProduceResponse::Partition& ProduceCommit::at(Place place) {
  return response_.responses[place.topic].partition_responses[place.partition];
}

void ProduceCommit::fail(Place place, ErrorCode code, std::string message) {
  auto& partition = at(place);
  partition.error_code = code;
  partition.base_offset = -1;
  partition.error_message = std::move(message);
}

void ProduceCommit::fail_all(ErrorCode code) {
  for (auto& topic : response_.responses) {
    for (auto& partition : topic.partition_responses) partition.error_code = code;
  }
}

void ProduceCommit::add(Place place, log::AppendBatch batch,
                        const std::optional<log::ProducerIdentity>& transaction) {
  // Each is checked against its transaction by itself.
  is_one_by_one_ = is_one_by_one_ || transaction.has_value();
  transactions_.push_back(transaction);
  places_.push_back(place);
  commit_.appends.push_back(std::move(batch));
}

void ProduceCommit::start(bool wants_answer, std::int32_t timeout_ms) {
  wants_answer_ = wants_answer;
  give_up_ns_ = services_.clock->monotonic_now().value +
                std::clamp<std::int64_t>(timeout_ms, kRetryMs, kTimeoutMsMax) * kNsPerMs;
  go_on();
}

void ProduceCommit::go_on() {
  timer_.reset();
  const bool is_done = is_one_by_one_ ? commit_one_by_one() : commit_all();
  if (!is_done) return try_later();
  // Here, not when it is durable: the next request's batches come behind these now.
  hold_back_.reset();
  if (!wants_answer_) return respond_.send_nothing();
  answer_when_durable();
}

void ProduceCommit::try_later() {
  if (services_.clock->monotonic_now().value >= give_up_ns_) {
    for (; next_ < places_.size(); ++next_) {
      fail(places_[next_], ErrorCode::request_timed_out, "too much waits for the disk");
    }
    is_one_by_one_ = true;
    return go_on();
  }
  timer_ = exchange_->loop().after_ms(kRetryMs, [self = shared_from_this()] { self->go_on(); });
  if (hold_back_ != nullptr) return;
  hold_back_ = exchange_->hold_back_the_next();
  exchange_->on_end_of_waiting([self = shared_from_this()] {
    self->give_up_ns_ = 0;
    self->go_on();
  });
}

bool ProduceCommit::commit_all() {
  if (places_.empty()) return true;
  auto appended = services_.log->commit(std::move(commit_));
  if (appended.is_ok()) {
    take_in(*appended, 0);
    return true;
  }
  if (appended.status().code() == StatusCode::overloaded) return false;
  // One of them is wrong; the others shall not suffer.
  is_one_by_one_ = true;
  return commit_one_by_one();
}

bool ProduceCommit::commit_one_by_one() {
  for (; next_ < places_.size(); ++next_) {
    log::Commit single;
    single.appends.push_back(std::move(commit_.appends[next_]));
    auto refused = ErrorCode::none;
    auto appended = commit_single(single, refused);
    if (refused != ErrorCode::none) {
      fail(places_[next_], refused, "the batch is not part of this producer's open transaction");
    } else if (appended.is_ok()) {
      take_in(*appended, next_);
    } else if (appended.status().code() == StatusCode::overloaded) {
      commit_.appends[next_] = std::move(single.appends.front());
      return false;
    } else {
      fail(places_[next_], error_code_of(appended.status(), ErrorContext::produce),
           message_of(appended.status()));
    }
  }
  return true;
}

// `refused`: what the transaction's coordinator has against it; the result then says nothing.
Result<log::Appended> ProduceCommit::commit_single(log::Commit& single, ErrorCode& refused) {
  const auto& transaction = transactions_[next_];
  if (!transaction) return services_.log->commit(std::move(single));
  Result<log::Appended> appended = cancelled_error("not tried");
  refused = services_.transactions->append(transactional_id_, *transaction, std::move(single),
                                           is_joining_, appended);
  return appended;
}

void ProduceCommit::take_in(const log::Appended& appended, std::size_t first) {
  sequence_ = std::max(sequence_, appended.sequence);
  for (std::size_t i = 0; i < appended.batches.size(); ++i) {
    const Place place = places_[first + i];
    at(place).base_offset = appended.batches[i].base_offset.value;
    placed_.push_back(place);
  }
}

void ProduceCommit::answer_when_durable() {
  if (placed_.empty()) return answer();
  services_.durable->after(sequence_, [self = shared_from_this()](const Status& status) {
    if (!status.is_ok()) self->fail_placed(status);
    for (const Place place : self->placed_) {
      auto& topic = self->response_.responses[place.topic];
      auto& partition = topic.partition_responses[place.partition];
      const auto offsets = self->services_.log->offsets({topic.name, partition.index});
      if (offsets.is_ok()) partition.log_start_offset = offsets->start.value;
    }
    self->answer();
  });
}

void ProduceCommit::fail_placed(const Status& status) {
  for (const Place place : placed_) {
    fail(place, error_code_of(status, ErrorContext::produce), message_of(status));
  }
}

}  // namespace millrace::broker
