#pragma once

// A cluster of brokers within the process, which speaks the protocol over byte streams and loses,
// delays and refuses what a test says. Only for tests.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "kafka_client/broker_pool.h"
#include "kafka_client/fake_transactions_for_tests.h"
#include "kafka_wire/fetch.h"
#include "kafka_wire/group_admin.h"
#include "kafka_wire/group_offsets.h"
#include "kafka_wire/metadata.h"
#include "kafka_wire/produce.h"
#include "kafka_wire/sasl.h"
#include "kafka_wire/transaction_admin.h"
#include "kafka_wire/transactions.h"

namespace millrace::kafka_client {

// What becomes of one request.
struct FakeFate {
  enum class Kind : std::uint8_t {
    answered,
    refused,     // with `error`, and without effect
    lost,        // never arrives; the connection ends
    unanswered,  // arrives; the connection ends
    late,        // the connection ends, and it arrives before some later request
  };
  Kind kind = Kind::answered;
  ErrorCode error = ErrorCode::none;
};

class FakeCluster;
// The answers: one per API, in fake_answers_for_tests.h.
template <class Request, class Response>
void fill(FakeCluster& cluster, std::int32_t node, const Request& request, Response& response,
          ErrorCode error);

class FakeCluster {
 public:
  using Fate = std::function<FakeFate(std::int32_t node, kafka_wire::ApiKey api)>;

  // Of all that follows, where the client has threads.
  Mutex mutex;
  FakeTransactions state;
  // What a broker that stood still has of a group, and gives to readers.
  std::map<std::pair<std::int32_t, std::string>, FakeGroup> stale_groups;
  std::int32_t broker_count = 1;
  Fate fate;
  std::map<std::string, kafka_wire::Uuid> topic_ids;
  std::map<std::string, std::int32_t> coordinators;  // of groups and ids; 1 unless named
  std::vector<std::pair<std::int32_t, kafka_wire::ApiKey>> requests;
  std::vector<std::string> late;          // frames that are still to arrive
  bool has_records = false;               // the last Fetch was answered with some
  std::size_t fetch_bytes_max = 1 << 20;  // of one partition's answer, a batch at least
  int pending_markers = 0;    // so many times a coordinator says that markers are missing
  std::string sasl_password;  // of PLAIN; empty: nobody need log in

  Dial dial() {
    return [this](const sys::TcpAddress& to, MonotonicTime) {
      return Result<std::unique_ptr<sys::ByteStream>>(
          std::make_unique<Stream>(*this, static_cast<std::int32_t>(to.port)));
    };
  }
  static KafkaLogOptions options(std::int32_t timeout_ms) {
    KafkaLogOptions out;
    out.bootstrap_servers = "fake:1";
    out.transaction_timeout_ms = timeout_ms;
    out.request_timeout_ms = timeout_ms;
    return out;
  }
  void add_topic(const std::string& name, std::int32_t partition_count) {
    topic_ids[name].bytes[0] = static_cast<unsigned char>(topic_ids.size() + 1);
    for (std::int32_t i = 0; i < partition_count; ++i) {
      state.partitions[{name, i}].leader = 1 + i % broker_count;
    }
  }
  [[nodiscard]] int count(kafka_wire::ApiKey api) const {
    return static_cast<int>(std::count_if(requests.begin(), requests.end(),
                                          [&](auto& one) { return one.second == api; }));
  }
  // One partition of a Fetch; the records are views into `state`.
  void fetch(std::int32_t node, const TopicPartition& at,
             const kafka_wire::FetchRequest::Partition& from,
             kafka_wire::FetchResponse::Partition& to, ErrorCode error) {
    const auto found = state.partitions.find(at);
    to.partition_index = at.partition;
    to.records = kafka_wire::Records::none();
    to.error_code = error;
    if (error == ErrorCode::none && found == state.partitions.end()) {
      to.error_code = ErrorCode::unknown_topic_id;
    } else if (error == ErrorCode::none && found->second.leader != node) {
      to.error_code = ErrorCode::not_leader_or_follower;
    }
    if (to.error_code != ErrorCode::none) return;
    const auto& partition = found->second;
    const auto stable = partition.last_stable();
    to.high_watermark = partition.end.value;
    to.last_stable_offset = stable.value;
    to.log_start_offset = partition.start.value;
    const Offset at_offset(from.fetch_offset);
    if (at_offset < partition.start || at_offset > partition.end) {
      to.error_code = ErrorCode::offset_out_of_range;
      return;
    }
    std::size_t bytes = 0;
    auto& aborted = to.aborted_transactions.emplace();
    for (const auto& batch : partition.batches) {
      if (batch.header.next_offset() <= at_offset || batch.header.base_offset >= stable) continue;
      if (bytes > 0 && bytes + batch.bytes.size() > fetch_bytes_max) {
        to.records.append(std::string_view(batch.bytes).substr(0, batch.bytes.size() / 2));
        break;  // what is cut off is to be left alone
      }
      bytes += batch.bytes.size();
      to.records.append(batch.bytes);
      has_records = true;
    }
    // The first batch of each aborted transaction whose marker is not below the offset, in the
    // order of the markers.
    std::map<std::int64_t, std::int64_t> first;
    for (const auto& batch : partition.batches) {
      const auto id = batch.header.producer_id.value;
      if (batch.is_aborted) first.try_emplace(id, batch.header.base_offset.value);
      if (!batch.header.is_control) continue;
      const auto begun = first.find(id);
      if (begun == first.end()) continue;
      if (batch.header.base_offset >= at_offset) aborted.push_back({id, begun->second});
      first.erase(begun);
    }
  }
  // What was late arrives now; answers to it reach nobody.
  void deliver_late() {
    auto frames = std::exchange(late, {});
    for (const auto& frame : frames) (void)handle(0, frame, ErrorCode::none);
  }

 private:
  class Stream final : public sys::ByteStream {
   public:
    Stream(FakeCluster& cluster, std::int32_t node) : cluster_(cluster), node_(node) {}
    Status write(std::span<const std::string_view> pieces, MonotonicTime) override {
      if (is_closed_) return disconnected_error("fake: closed");
      for (const auto piece : pieces) in_ += piece;
      while (in_.size() >= 4) {
        const auto bytes = static_cast<std::size_t>(load_big<std::int32_t>(in_.data()));
        if (in_.size() < 4 + bytes) break;
        if (!is_closed_) take(in_.substr(4, bytes));
        in_.erase(0, 4 + bytes);
      }
      return ok_status();
    }
    Result<std::size_t> read_some(char* to, std::size_t bytes_max, MonotonicTime) override {
      if (std::exchange(has_waited_, true) == false) pause_for(std::chrono::milliseconds(1));
      if (out_.empty()) return disconnected_error("fake: no answer");
      const auto count = std::min(bytes_max, out_.size());
      std::memcpy(to, out_.data(), count);
      out_.erase(0, count);
      return count;
    }
    bool is_quiet() override { return !is_closed_ && out_.empty(); }
    void shut_down() override { is_closed_ = true; }

   private:
    void take(const std::string& frame) {
      using Kind = FakeFate::Kind;
      const auto api = static_cast<kafka_wire::ApiKey>(load_big<std::int16_t>(frame.data()));
      const std::lock_guard lock(cluster_.mutex);
      cluster_.requests.emplace_back(node_, api);
      const auto fated = cluster_.fate ? cluster_.fate(node_, api) : FakeFate{};
      if (fated.kind == Kind::late) cluster_.late.push_back(frame);
      is_closed_ = fated.kind != Kind::answered && fated.kind != Kind::refused;
      if (fated.kind == Kind::lost || fated.kind == Kind::late) return;
      cluster_.has_records = false;
      auto answer = cluster_.handle(node_, frame, fated.error);
      has_waited_ = api != kafka_wire::ApiKey::fetch || cluster_.has_records;
      if (!is_closed_) out_ += answer;
    }
    FakeCluster& cluster_;
    const std::int32_t node_;
    bool is_closed_ = false;
    bool has_waited_ = true;  // false: the answer has nothing in it, and took a broker's wait
    std::string in_;
    std::string out_;
  };

  // The answer, as it travels.
  std::string handle(std::int32_t node, const std::string& frame, ErrorCode error) {
    namespace wire = kafka_wire;
    using wire::ApiKey;
    const auto parsed = wire::parse_request(frame);
    EXPECT_TRUE(parsed.is_ok() && parsed->has_known_version);
    const auto answer = [&]<class Request, class Response>() {
      Request request;
      Response response;
      EXPECT_TRUE(wire::decode(parsed->body, parsed->header.api_version, request).is_ok());
      fill(*this, node, request, response, error);
      wire::WireBytes out;
      wire::append_response(response, parsed->header.api_version, parsed->header.correlation_id,
                            out);
      return out.joined();
    };
#define MR_FAKE(key, Name) \
  case ApiKey::key:        \
    return answer.template operator()<wire::Name##Request, wire::Name##Response>();
    switch (static_cast<ApiKey>(parsed->header.api_key)) {
      MR_FAKE(api_versions, ApiVersions)
      MR_FAKE(sasl_handshake, SaslHandshake)
      MR_FAKE(sasl_authenticate, SaslAuthenticate)
      MR_FAKE(metadata, Metadata)
      MR_FAKE(find_coordinator, FindCoordinator)
      MR_FAKE(init_producer_id, InitProducerId)
      MR_FAKE(add_partitions_to_txn, AddPartitionsToTxn)
      MR_FAKE(add_offsets_to_txn, AddOffsetsToTxn)
      MR_FAKE(produce, Produce)
      MR_FAKE(txn_offset_commit, TxnOffsetCommit)
      MR_FAKE(offset_fetch, OffsetFetch)
      MR_FAKE(end_txn, EndTxn)
      MR_FAKE(describe_transactions, DescribeTransactions)
      MR_FAKE(fetch, Fetch)
      default:
        ADD_FAILURE() << "no fake of api " << parsed->header.api_key;
        return {};
    }
#undef MR_FAKE
  }
};

}  // namespace millrace::kafka_client
