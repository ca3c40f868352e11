#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "broker/dispatch_table.h"
#include "broker/fetch_round.h"
#include "broker/services.h"
#include "kafka_wire/fetch.h"

namespace millrace::broker {

// One Fetch request, until it has min_bytes or max_wait is over. On the connection's thread; the
// log's listeners only ask that thread to look again, when there is something. Kept alive by its
// listeners, its timer and its exchange, all of which go with the answer.
class WaitingFetch : public std::enable_shared_from_this<WaitingFetch> {
 public:
  WaitingFetch(const Services& services, const Call& call, kafka_wire::FetchRequest request,
               Responder<kafka_wire::FetchResponse> respond);

  void start();

 private:
  [[nodiscard]] FetchRound read() const;
  [[nodiscard]] bool is_enough(const FetchRound& round) const;
  void wait();
  void listen();
  void look_again();
  [[nodiscard]] bool has_news() const;
  // From any thread.
  [[nodiscard]] bool has_news(std::size_t topic,
                              const kafka_wire::FetchRequest::Partition& partition) const;
  void finish(FetchRound round);

  const Services& services_;
  std::shared_ptr<Exchange> exchange_;
  const kafka_wire::FetchRequest request_;
  const std::vector<std::string> names_;  // per topic
  Responder<kafka_wire::FetchResponse> respond_;
  std::vector<std::uint64_t> listeners_;
  std::unique_ptr<Timer> timer_;
  std::atomic<bool> is_look_pending_{false};
  bool is_done_ = false;
};

}  // namespace millrace::broker
