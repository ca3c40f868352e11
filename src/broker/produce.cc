#include "kafka_wire/produce.h"

#include <memory>
#include <utility>

#include "broker/apis.h"
#include "broker/produce_check.h"
#include "broker/produce_commit.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;
using kafka_wire::ProduceRequest;
using kafka_wire::ProduceResponse;

namespace {

constexpr std::int16_t kAcksNone = 0;
constexpr std::int16_t kAcksLeader = 1;
constexpr std::int16_t kAcksAll = -1;
constexpr std::int16_t kFirstVersionThatJoins = 12;
constexpr std::int16_t kFirstVersionWithIds = 13;

bool are_valid_acks(std::int16_t acks) {
  return acks == kAcksNone || acks == kAcksLeader || acks == kAcksAll;
}

// From version 13 on a topic comes with its id alone (KIP-516); one that nobody has stays nameless.
void find_names(const Services& services, std::int16_t version, ProduceRequest& request) {
  if (version < kFirstVersionWithIds) return;
  for (auto& topic : request.topic_data) {
    topic.name = services.topic_ids->name_of(topic.topic_id).value_or("");
  }
}

ProduceResponse answer_for(const ProduceRequest& request) {
  ProduceResponse response;
  response.responses.resize(request.topic_data.size());
  for (std::size_t t = 0; t < request.topic_data.size(); ++t) {
    const auto& topic = request.topic_data[t];
    auto& out = response.responses[t];
    out.name = topic.name;
    out.topic_id = topic.topic_id;
    out.partition_responses.resize(topic.partition_data.size());
    for (std::size_t p = 0; p < topic.partition_data.size(); ++p) {
      out.partition_responses[p].index = topic.partition_data[p].index;
      out.partition_responses[p].base_offset = -1;
    }
  }
  return response;
}

}  // namespace

// Acknowledged is what is on the disk, with acks = 1, too: a log of one copy has no weaker promise
// to make. With acks = 0 the client learns nothing, whatever happens (but see Kafka, which closes
// the connection upon an error).
void add_produce(DispatchTable& table, const Services& services) {
  table.add<ProduceRequest, ProduceResponse>([&services](
                                                 const Call& call, ProduceRequest& request,
                                                 const Responder<ProduceResponse>& respond) {
    find_names(services, call.api_version, request);
    auto work =
        std::make_shared<ProduceCommit>(services, call.exchange, answer_for(request), respond);
    work->set_transactional_id(request.transactional_id.value_or(""),
                               call.api_version >= kFirstVersionThatJoins);
    const bool wants_answer = request.acks != kAcksNone;
    if (!are_valid_acks(request.acks)) {
      work->fail_all(ErrorCode::invalid_required_acks);
      return work->answer();
    }
    for (std::size_t t = 0; t < request.topic_data.size(); ++t) {
      auto& topic = request.topic_data[t];
      ProduceTopicCheck check(services, topic.name, request.transactional_id, call.api_version);
      for (std::size_t p = 0; p < topic.partition_data.size(); ++p) {
        const auto& partition = topic.partition_data[p];
        std::optional<log::ProducerIdentity> transaction;
        auto error = check.check(partition.index, partition.records, transaction);
        if (topic.name.empty() && call.api_version >= kFirstVersionWithIds) {
          work->fail({t, p}, ErrorCode::unknown_topic_id, "no topic has this id");
        } else if (error) {
          work->fail({t, p}, error->code, std::move(error->message));
          if (error->code == ErrorCode::invalid_record) {
            work->name_records({t, p}, check.invalid_records(partition.records));
          }
        } else {
          work->add({t, p}, {topic.name, partition.index, std::string(partition.records.view())},
                    transaction);
        }
      }
    }
    work->start(wants_answer, request.timeout_ms);
  });
}

}  // namespace millrace::broker
