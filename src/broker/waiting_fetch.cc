#include "broker/waiting_fetch.h"

#include <algorithm>
#include <utility>

namespace millrace::broker {

using kafka_wire::FetchRequest;
using kafka_wire::FetchResponse;

namespace {

constexpr std::int64_t kWaitMsMax = 300'000;
// Of one answer, whatever the client asks for (Kafka's fetch.max.bytes of a broker, 55 MiB).
constexpr std::size_t kAnswerBytesMax = 55 << 20;

std::vector<std::string> names_of(const Services& services, const Call& call,
                                  const FetchRequest& request) {
  constexpr std::int16_t kFirstVersionWithIds = 13;
  std::vector<std::string> names;
  for (const auto& topic : request.topics) {
    names.push_back(call.api_version < kFirstVersionWithIds
                        ? topic.topic
                        : services.topic_ids->name_of(topic.topic_id).value_or(""));
  }
  return names;
}

}  // namespace

WaitingFetch::WaitingFetch(const Services& services, const Call& call, FetchRequest request,
                           Responder<FetchResponse> respond)
    : services_(services),
      exchange_(call.exchange),
      request_(std::move(request)),
      names_(names_of(services, call, request_)),
      respond_(std::move(respond)) {}

void WaitingFetch::start() {
  auto round = read();
  if (request_.max_wait_ms <= 0 || is_enough(round)) return finish(std::move(round));
  wait();
}

FetchRound WaitingFetch::read() const {
  const auto asked = static_cast<std::size_t>(std::max(0, request_.max_bytes));
  return read_fetch_round(services_, request_, names_,
                          std::min({asked, kAnswerBytesMax, exchange_->reply_bytes_allowed()}));
}

bool WaitingFetch::is_enough(const FetchRound& round) const {
  return round.is_complete ||
         round.record_bytes >= static_cast<std::size_t>(std::max(0, request_.min_bytes));
}

void WaitingFetch::wait() {
  timer_ = exchange_->loop().after_ms(std::min<std::int64_t>(request_.max_wait_ms, kWaitMsMax),
                                      [self = shared_from_this()] { self->finish(self->read()); });
  listen();
  exchange_->on_end_of_waiting([self = shared_from_this()] { self->finish(self->read()); });
  // What came between the first look and the listeners has told nobody.
  if (!is_done_) look_again();
}

// Most commits are heard of twice, placed and durable, and only the second shows anything: the loop
// is not woken for the first.
void WaitingFetch::listen() {
  for (std::size_t t = 0; t < request_.topics.size(); ++t) {
    for (const auto& partition : request_.topics[t].partitions) {
      const std::weak_ptr<WaitingFetch> weak = weak_from_this();
      auto& loop = exchange_->loop();
      listeners_.push_back(services_.log->add_listener(
          {names_[t], partition.partition}, [weak, &loop, t, &partition] {
            const auto self = weak.lock();
            if (self == nullptr || self->is_look_pending_ || !self->has_news(t, partition)) return;
            if (self->is_look_pending_.exchange(true)) return;
            loop.post([self] { self->look_again(); });
          }));
    }
  }
}

bool WaitingFetch::has_news(std::size_t topic, const FetchRequest::Partition& partition) const {
  const auto offsets = services_.log->offsets({names_[topic], partition.partition});
  if (!offsets.is_ok()) return true;
  return readable_end(*offsets, is_read_committed(request_)).value > partition.fetch_offset;
}

bool WaitingFetch::has_news() const {
  for (std::size_t t = 0; t < request_.topics.size(); ++t) {
    for (const auto& partition : request_.topics[t].partitions) {
      if (has_news(t, partition)) return true;
    }
  }
  return false;
}

void WaitingFetch::look_again() {
  is_look_pending_ = false;
  if (is_done_ || !has_news()) return;
  auto round = read();
  if (is_enough(round)) finish(std::move(round));
}

void WaitingFetch::finish(FetchRound round) {
  if (is_done_) return;
  is_done_ = true;
  timer_.reset();
  for (const auto id : listeners_) services_.log->remove_listener(id);
  listeners_.clear();
  respond_.send(round.response, std::move(round.owners));
}

}  // namespace millrace::broker
