#include "broker/coordinator_apis.h"
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
using kafka_wire::InitProducerIdRequest;
using kafka_wire::InitProducerIdResponse;
using kafka_wire::ListTransactionsRequest;
using kafka_wire::ListTransactionsResponse;
using kafka_wire::TxnOffsetCommitRequest;
using kafka_wire::TxnOffsetCommitResponse;
using kafka_wire::WriteTxnMarkersRequest;
using kafka_wire::WriteTxnMarkersResponse;

void add_transaction_apis(DispatchTable& table, const Services& services,
                          TransactionCoordinator& coordinator) {
  // May wait for the disk, to reserve the next ids.
  table.add<InitProducerIdRequest, InitProducerIdResponse>(
      [&services, &coordinator](const Call& call, InitProducerIdRequest& request,
                                const Responder<InitProducerIdResponse>& respond) {
        services.blocking->run(
            [&coordinator, request = std::move(request), version = call.api_version, respond] {
              coordinator.init_producer_id(request, version, respond);
            });
      });
  table.add<AddPartitionsToTxnRequest, AddPartitionsToTxnResponse>(
      [&coordinator](const Call& call, AddPartitionsToTxnRequest& request,
                     const Responder<AddPartitionsToTxnResponse>& respond) {
        coordinator.add_partitions(request, call.api_version, respond);
      });
  table.add<AddOffsetsToTxnRequest, AddOffsetsToTxnResponse>(
      [&coordinator](const Call& call, AddOffsetsToTxnRequest& request,
                     const Responder<AddOffsetsToTxnResponse>& respond) {
        coordinator.add_offsets(request, call.api_version, respond);
      });
  table.add<TxnOffsetCommitRequest, TxnOffsetCommitResponse>(
      [&coordinator](const Call& call, TxnOffsetCommitRequest& request,
                     const Responder<TxnOffsetCommitResponse>& respond) {
        coordinator.commit_offsets(request, call.api_version, respond);
      });
  table.add<EndTxnRequest, EndTxnResponse>(
      [&coordinator](const Call& call, EndTxnRequest& request,
                     const Responder<EndTxnResponse>& respond) {
        coordinator.end(request, call.api_version, respond);
      });
  table.add<WriteTxnMarkersRequest, WriteTxnMarkersResponse>(
      [&coordinator](const Call&, WriteTxnMarkersRequest& request,
                     const Responder<WriteTxnMarkersResponse>& respond) {
        coordinator.write_markers(request, respond);
      });
  table.add<DescribeProducersRequest, DescribeProducersResponse>(
      [&coordinator](const Call&, DescribeProducersRequest& request,
                     const Responder<DescribeProducersResponse>& respond) {
        coordinator.describe_producers(request, respond);
      });
  table.add<DescribeTransactionsRequest, DescribeTransactionsResponse>(
      [&coordinator](const Call&, DescribeTransactionsRequest& request,
                     const Responder<DescribeTransactionsResponse>& respond) {
        coordinator.describe(request, respond);
      });
  table.add<ListTransactionsRequest, ListTransactionsResponse>(
      [&coordinator](const Call&, ListTransactionsRequest& request,
                     const Responder<ListTransactionsResponse>& respond) {
        coordinator.list(request, respond);
      });
}

}  // namespace millrace::broker
