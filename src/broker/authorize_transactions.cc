#include "broker/authorize_internal.h"
#include "kafka_wire/transaction_admin.h"
#include "kafka_wire/transactions.h"

namespace millrace::broker {

using kafka_wire::AddOffsetsToTxnRequest;
using kafka_wire::AddOffsetsToTxnResponse;
using kafka_wire::AddPartitionsToTxnRequest;
using kafka_wire::AddPartitionsToTxnResponse;
using kafka_wire::DescribeProducersRequest;
using kafka_wire::DescribeProducersResponse;
using kafka_wire::DescribeTransactionsRequest;
using kafka_wire::DescribeTransactionsResponse;
using kafka_wire::EndTxnRequest;
using kafka_wire::EndTxnResponse;
using kafka_wire::ErrorCode;
using kafka_wire::InitProducerIdRequest;
using kafka_wire::InitProducerIdResponse;
using kafka_wire::ListTransactionsRequest;
using kafka_wire::ListTransactionsResponse;
using kafka_wire::TxnOffsetCommitRequest;
using kafka_wire::TxnOffsetCommitResponse;
using kafka_wire::WriteTxnMarkersRequest;
using kafka_wire::WriteTxnMarkersResponse;
using enum AclOperation;

namespace {

constexpr ErrorCode kIdRefused = ErrorCode::transactional_id_authorization_failed;
constexpr std::int16_t kFirstBetweenBrokers = 4;

template <typename Response>
bool refuse(const Responder<Response>& respond, ErrorCode code) {
  Response response;
  response.error_code = code;
  respond(response);
  return false;
}

void guard_init(const Authorization& to) {
  guard<InitProducerIdRequest, InitProducerIdResponse>(
      to, [](const Access& access, const Call&, InitProducerIdRequest& request,
             Responder<InitProducerIdResponse>& respond) {
        if (const auto& id = request.transactional_id) {
          const bool may =
              access.on_transactional_id(write, *id) &&
              (!request.enable_2pc || access.on_transactional_id(two_phase_commit, *id));
          return may || refuse(respond, kIdRefused);
        }
        // KIP-679: whoever may write anywhere may do so idempotently.
        const bool may =
            access.on_cluster(idempotent_write) || access.on_any(write, ResourceType::topic);
        return may || refuse(respond, ErrorCode::cluster_authorization_failed);
      });
}

void guard_add_partitions(const Authorization& to) {
  guard<AddPartitionsToTxnRequest, AddPartitionsToTxnResponse>(
      to, [](const Access& access, const Call& call, AddPartitionsToTxnRequest& request,
             Responder<AddPartitionsToTxnResponse>& respond) {
        if (call.api_version >= kFirstBetweenBrokers) {
          return access.on_cluster(cluster_action) ||
                 refuse(respond, ErrorCode::cluster_authorization_failed);
        }
        const bool may = access.on_transactional_id(write, request.v3_and_below_transactional_id);
        AddPartitionsToTxnResponse response;
        bool is_refused = !may;
        for (const auto& topic : request.v3_and_below_topics) {
          const bool may_write = access.on_topic(write, topic.name);
          is_refused |= !may_write;
          auto& out = response.results_by_topic_v3_and_below.emplace_back();
          out.name = topic.name;
          // None is added when one cannot be.
          const auto code = !may         ? kIdRefused
                            : !may_write ? ErrorCode::topic_authorization_failed
                                         : ErrorCode::operation_not_attempted;
          for (const auto index : topic.partitions) {
            out.results_by_partition.push_back({index, code});
          }
        }
        if (is_refused) respond(response);
        return !is_refused;
      });
}

void guard_offsets_in_transactions(const Authorization& to) {
  guard<AddOffsetsToTxnRequest, AddOffsetsToTxnResponse>(
      to, [](const Access& access, const Call&, AddOffsetsToTxnRequest& request,
             Responder<AddOffsetsToTxnResponse>& respond) {
        if (!access.on_transactional_id(write, request.transactional_id)) {
          return refuse(respond, kIdRefused);
        }
        return access.on_group(read, request.group_id) ||
               refuse(respond, ErrorCode::group_authorization_failed);
      });
  guard<TxnOffsetCommitRequest, TxnOffsetCommitResponse>(
      to, [](const Access& access, const Call&, TxnOffsetCommitRequest& request,
             Responder<TxnOffsetCommitResponse>& respond) {
        auto all = ErrorCode::none;
        if (!access.on_transactional_id(write, request.transactional_id)) {
          all = kIdRefused;
        } else if (!access.on_group(read, request.group_id)) {
          all = ErrorCode::group_authorization_failed;
        }
        const auto refused = take_refused(request.topics, [&](const auto& topic) {
          return all == ErrorCode::none && access.on_topic(read, topic.name);
        });
        if (refused.empty()) return true;
        TxnOffsetCommitResponse response;
        const auto code = all == ErrorCode::none ? ErrorCode::topic_authorization_failed : all;
        for (const auto& topic : refused) {
          auto& out = response.topics.emplace_back();
          out.name = topic.name;
          for (const auto& partition : topic.partitions) {
            out.partitions.push_back({partition.partition_index, code});
          }
        }
        if (request.topics.empty()) {
          respond(response);
          return false;
        }
        respond.set_amendment([errors = std::move(response.topics)](TxnOffsetCommitResponse& out) {
          out.topics.insert(out.topics.end(), errors.begin(), errors.end());
        });
        return true;
      });
}

void guard_end(const Authorization& to) {
  guard<EndTxnRequest, EndTxnResponse>(
      to, [](const Access& access, const Call&, EndTxnRequest& request,
             Responder<EndTxnResponse>& respond) {
        return access.on_transactional_id(write, request.transactional_id) ||
               refuse(respond, kIdRefused);
      });
  guard<WriteTxnMarkersRequest, WriteTxnMarkersResponse>(
      to, [](const Access& access, const Call&, WriteTxnMarkersRequest& request,
             Responder<WriteTxnMarkersResponse>& respond) {
        if (access.on_cluster(alter) || access.on_cluster(cluster_action)) return true;
        WriteTxnMarkersResponse response;
        for (const auto& marker : request.markers) {
          auto& out = response.markers.emplace_back();
          out.producer_id = marker.producer_id;
          for (const auto& topic : marker.topics) {
            auto& errors = out.topics.emplace_back();
            errors.name = topic.name;
            for (const auto index : topic.partition_indexes) {
              errors.partitions.push_back({index, ErrorCode::cluster_authorization_failed});
            }
          }
        }
        respond(response);
        return false;
      });
}

void guard_describe_producers(const Authorization& to) {
  guard<DescribeProducersRequest, DescribeProducersResponse>(
      to, [](const Access& access, const Call&, DescribeProducersRequest& request,
             Responder<DescribeProducersResponse>& respond) {
        auto refused = take_refused(
            request.topics, [&](const auto& topic) { return access.on_topic(read, topic.name); });
        if (refused.empty()) return true;
        respond.set_amendment([refused = std::move(refused)](DescribeProducersResponse& response) {
          for (const auto& topic : refused) {
            auto& out = response.topics.emplace_back();
            out.name = topic.name;
            for (const auto index : topic.partition_indexes) {
              auto& answer = out.partitions.emplace_back();
              answer.partition_index = index;
              answer.error_code = ErrorCode::topic_authorization_failed;
            }
          }
        });
        return true;
      });
}

void guard_describe(const Authorization& to) {
  guard<DescribeTransactionsRequest, DescribeTransactionsResponse>(
      to, [](const Access& access, const Call&, DescribeTransactionsRequest& request,
             Responder<DescribeTransactionsResponse>& respond) {
        auto refused = take_refused(request.transactional_ids, [&](const auto& id) {
          return access.on_transactional_id(describe, id);
        });
        respond.set_amendment(
            [access, refused = std::move(refused)](DescribeTransactionsResponse& response) {
              for (auto& transaction : response.transaction_states) {
                std::erase_if(transaction.topics, [&](const auto& topic) {
                  return !access.on_topic(describe, topic.topic);
                });
              }
              for (const auto& id : refused) {
                auto& out = response.transaction_states.emplace_back();
                out.transactional_id = id;
                out.error_code = kIdRefused;
              }
            });
        return true;
      });
  guard<ListTransactionsRequest, ListTransactionsResponse>(
      to, [](const Access& access, const Call&, ListTransactionsRequest&,
             Responder<ListTransactionsResponse>& respond) {
        respond.set_amendment([access](ListTransactionsResponse& response) {
          std::erase_if(response.transaction_states, [&](const auto& transaction) {
            return !access.on_transactional_id(describe, transaction.transactional_id);
          });
        });
        return true;
      });
}

}  // namespace

void guard_transactions(const Authorization& to) {
  guard_init(to);
  guard_add_partitions(to);
  guard_offsets_in_transactions(to);
  guard_end(to);
  guard_describe_producers(to);
  guard_describe(to);
}

}  // namespace millrace::broker
