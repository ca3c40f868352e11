#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/dispatch_table.h"
#include "broker/services.h"
#include "kafka_wire/produce.h"

namespace millrace::broker {

// The appends of one Produce request: places them in the log and answers once they are durable. The
// fate of one partition is independent of the others'. Kept alive by what it waits for; on the
// connection's thread, except for the answer.
class ProduceCommit : public std::enable_shared_from_this<ProduceCommit> {
 public:
  // A partition of the request, by position.
  struct Place {
    std::size_t topic = 0;
    std::size_t partition = 0;
  };

  ProduceCommit(const Services& services, std::shared_ptr<Exchange> exchange,
                kafka_wire::ProduceResponse response,
                Responder<kafka_wire::ProduceResponse> respond);

  void fail(Place place, kafka_wire::ErrorCode code, std::string message);
  void name_records(Place place, std::vector<kafka_wire::ProduceResponse::RecordError> records) {
    at(place).record_errors = std::move(records);
  }
  void fail_all(kafka_wire::ErrorCode code);
  // `transaction`: within whose transaction, if any.
  void add(Place place, log::AppendBatch batch,
           const std::optional<log::ProducerIdentity>& transaction);
  // `is_joining`: partitions join the transaction with their first batch (KIP-890).
  void set_transactional_id(std::string id, bool is_joining) {
    transactional_id_ = std::move(id);
    is_joining_ = is_joining;
  }
  // Nothing is added any more. While the log has too much to write, the connection's next requests
  // are held back, so that batches keep their order, up to the request's time-out.
  void start(bool wants_answer, std::int32_t timeout_ms);
  void answer() { respond_(response_); }

 private:
  void go_on();
  // False when it has to be tried again later.
  bool commit_all();
  bool commit_one_by_one();
  Result<log::Appended> commit_single(log::Commit& single, kafka_wire::ErrorCode& refused);
  void try_later();
  void take_in(const log::Appended& appended, std::size_t first);
  void answer_when_durable();
  void fail_placed(const Status& status);
  [[nodiscard]] kafka_wire::ProduceResponse::Partition& at(Place place);

  const Services& services_;
  std::shared_ptr<Exchange> exchange_;
  kafka_wire::ProduceResponse response_;
  Responder<kafka_wire::ProduceResponse> respond_;
  log::Commit commit_;         // of all; its batches move to single ones when that fails
  std::vector<Place> places_;  // per batch of commit_
  std::vector<std::optional<log::ProducerIdentity>> transactions_;  // per batch of commit_
  std::string transactional_id_;
  bool is_joining_ = false;
  std::size_t next_ = 0;  // when one by one: the first not yet tried
  bool is_one_by_one_ = false;
  bool wants_answer_ = true;
  std::int64_t give_up_ns_ = 0;
  std::vector<Place> placed_;
  log::CommitSequence sequence_{0};  // of the newest commit
  std::shared_ptr<void> hold_back_;
  std::unique_ptr<Timer> timer_;
};

}  // namespace millrace::broker
