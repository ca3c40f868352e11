#include "kafka_client/producer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <utility>

#include "kafka_client/offsets_call.h"

namespace millrace::kafka_client {
namespace {

using log::TransactionOutcome;

constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr int kFullQueuePollMs = 10;
// For an abort after the time is used up; without an answer the brokers abort by themselves.
constexpr int kAbortMsMin = 500;

}  // namespace

// A client that has sent anything under doubt never sends again; the new one's InitProducerId ends
// what it left open and outdates its epoch.
Status Producer::initialize() {
  must_initialize_ = true;
  handle_.reset();
  MR_ASSIGN_OR_RETURN(
      handle_, Handle::open(RD_KAFKA_PRODUCER, producer_settings(options_, id_), options_,
                            {.delivered = [this](const auto& message) { delivered(message); }}));
  const OwnedError error(
      rd_kafka_init_transactions(handle_->get(), options_.transaction_timeout_ms));
  auto status = status_of(error.get(), "InitProducerId of " + id_);
  if (!status.is_ok()) {
    const auto trouble = handle_->last_trouble();
    handle_.reset();
    if (status.code() == StatusCode::fenced) {  // by somebody who initialises at the same time
      return disconnected_error(std::string(status.message()));
    }
    return std::move(status).with_context(trouble.empty() ? "brokers" : trouble);
  }
  must_initialize_ = false;
  return ok_status();
}

TransactionOutcome Producer::commit(const log::Commit& commit,
                                    const log::GroupMembership& membership) {
  return run(commit, &membership);
}

TransactionOutcome Producer::commit_unchecked(const log::Commit& commit) {
  return run(commit, nullptr);
}

TransactionOutcome Producer::run(const log::Commit& commit,
                                 const log::GroupMembership* membership) {
  MR_CHECK(commit.markers.empty());
  failure_ = ok_status();
  error_ = RD_KAFKA_RESP_ERR_NO_ERROR;
  base_offsets_.assign(commit.appends.size(), log::kNoOffset);
  record_counts_.assign(commit.appends.size(), 0);
  if (must_initialize_) {
    failure_ = initialize();
    if (!failure_.is_ok()) return TransactionOutcome::aborted;
  }
  deadline_ = clock_.monotonic_now() + options_.transaction_timeout_ms * kNanosPerMilli;
  const auto trouble_before = handle_->trouble_count();
  if (!begin()) return give_up(TransactionStep::records);
  if (!send_records(commit)) return give_up(TransactionStep::records);
  if (!send_offsets(commit, membership)) return give_up(TransactionStep::offsets);
  if (!flush()) return give_up(TransactionStep::offsets);
  const OwnedError error(rd_kafka_commit_transaction(handle_->get(), std::max(left_ms(), 1)));
  rd_kafka_poll(handle_->get(), 0);
  if (error != nullptr) {
    fail(error.get());
    stop();
    return outcome_of(TransactionStep::end, error_);
  }
  // A repeat of this EndTxn may still be on its way and would end the next transaction: that one
  // gets an epoch of its own.
  must_initialize_ = handle_->trouble_count() != trouble_before;
  for (std::size_t i = 0; i < commit.appends.size(); ++i) {
    const auto& batch = commit.appends[i];
    readers_.note_bounds({batch.topic, batch.partition}, Offset(0),
                         base_offsets_[i] + record_counts_[i]);
  }
  return TransactionOutcome::committed;
}

bool Producer::begin() {
  const OwnedError error(rd_kafka_begin_transaction(handle_->get()));
  return error == nullptr || fail(error.get());
}

bool Producer::send_records(const log::Commit& commit) {
  for (std::size_t i = 0; i < commit.appends.size(); ++i) {
    if (!send_batch(commit.appends[i], i)) return false;
  }
  return true;
}

bool Producer::send_batch(const log::AppendBatch& batch, std::size_t index) {
  const OwnedTopic topic(rd_kafka_topic_new(handle_->get(), batch.topic.c_str(), nullptr));
  if (topic == nullptr) return fail(rd_kafka_last_error());
  BatchUnpack records;
  const auto opened = records.open(batch.bytes);
  if (!opened.is_ok()) return fail(RD_KAFKA_RESP_ERR__BAD_MSG, opened.message());
  while (const auto* record = records.next()) {
    if (!send_record(*topic, batch.partition, *record, index)) return false;
    ++record_counts_[index];
  }
  return records.status().is_ok() || fail(RD_KAFKA_RESP_ERR__BAD_MSG, records.status().message());
}

bool Producer::send_record(rd_kafka_topic_t& topic, std::int32_t partition,
                           const ReadMessage& record, std::size_t index) {
  Owned<rd_kafka_headers_t, rd_kafka_headers_destroy> headers;
  if (!record.headers.empty()) headers.reset(rd_kafka_headers_new(record.headers.size()));
  for (const auto& header : record.headers) {
    rd_kafka_header_add(headers.get(), header.key.data(), static_cast<ssize_t>(header.key.size()),
                        header.value ? header.value->data() : nullptr,
                        header.value ? static_cast<ssize_t>(header.value->size()) : 0);
  }
  std::array<rd_kafka_vu_t, 8> parts{};
  std::size_t count = 0;
  const auto part = [&](rd_kafka_vtype_t type) -> auto& {
    parts[count].vtype = type;
    return parts[count++].u;
  };
  part(RD_KAFKA_VTYPE_RKT).rkt = &topic;
  part(RD_KAFKA_VTYPE_PARTITION).i32 = partition;
  part(RD_KAFKA_VTYPE_MSGFLAGS).i = RD_KAFKA_MSG_F_COPY;
  part(RD_KAFKA_VTYPE_TIMESTAMP).i64 = record.timestamp.value;
  part(RD_KAFKA_VTYPE_OPAQUE).ptr = reinterpret_cast<void*>(index + 1);
  // Without a pointer it is a null; what is empty needs one, to whatever.
  static const char nothing = 0;
  const auto put = [](auto& to, std::string_view bytes) {
    to.mem.ptr = const_cast<char*>(bytes.empty() ? &nothing : bytes.data());
    to.mem.size = bytes.size();
  };
  if (record.key) put(part(RD_KAFKA_VTYPE_KEY), *record.key);
  if (record.value) put(part(RD_KAFKA_VTYPE_VALUE), *record.value);
  if (headers != nullptr) part(RD_KAFKA_VTYPE_HEADERS).headers = headers.get();
  while (true) {
    const OwnedError error(rd_kafka_produceva(handle_->get(), parts.data(), count));
    if (error == nullptr) {
      (void)headers.release();  // librdkafka's now
      return true;
    }
    const bool is_full = rd_kafka_error_code(error.get()) == RD_KAFKA_RESP_ERR__QUEUE_FULL;
    if (!is_full || left_ms() <= 0) return fail(error.get());
    rd_kafka_poll(handle_->get(), kFullQueuePollMs);
  }
}

// Called by polls and flushes of this thread.
void Producer::delivered(const rd_kafka_message_t& message) {
  const auto index = reinterpret_cast<std::size_t>(message._private);
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    fail(message.err);
    return;
  }
  if (index == 0 || index > base_offsets_.size()) return;
  auto& base = base_offsets_[index - 1];
  if (base == log::kNoOffset || Offset(message.offset) < base) base = Offset(message.offset);
}

bool Producer::send_offsets(const log::Commit& commit, const log::GroupMembership* membership) {
  std::map<std::string, Offsets> by_group;
  for (const auto& offset : commit.offsets) {
    if (offset.next_offset != log::kNoOffset) by_group[offset.group].push_back(&offset);
  }
  for (const auto& [group, offsets] : by_group) {
    const auto as = [&] {
      return OwnedMembership(
          membership == nullptr
              ? rd_kafka_consumer_group_metadata_new(group.c_str())
              : rd_kafka_consumer_group_metadata_new_with_genid(
                    group.c_str(), membership->generation, membership->member_id.c_str(), nullptr));
    };
    if (!send_group_offsets(offsets, as)) return false;
  }
  return true;
}

bool Producer::send_group_offsets(const Offsets& offsets,
                                  const std::function<OwnedMembership()>& membership) {
  const OwnedPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (const auto* offset : offsets) {
    auto* at = rd_kafka_topic_partition_list_add(list.get(), offset->source.topic.c_str(),
                                                 offset->source.partition);
    at->offset = offset->next_offset.value;
    if (offset->metadata.empty()) continue;
    // Freed with the list, by free().
    at->metadata = ::strndup(offset->metadata.data(), offset->metadata.size());
    at->metadata_size = offset->metadata.size();
  }
  while (true) {
    OffsetsCall call{handle_, OwnedPartitions(rd_kafka_topic_partition_list_copy(list.get())),
                     membership()};
    const auto ended = run_offsets_call(std::move(call), std::max(left_ms(), 1));
    if (!ended) {
      handle_.reset();  // what it left open is ended by the next one's InitProducerId
      return fail(RD_KAFKA_RESP_ERR__TIMED_OUT, "the group's coordinator has gone");
    }
    const auto* error = ended->get();
    if (error == nullptr) return true;
    const bool may_repeat =
        rd_kafka_error_is_retriable(error) != 0 && rd_kafka_error_txn_requires_abort(error) == 0;
    if (!may_repeat || left_ms() <= 0) return fail(error);
  }
}

bool Producer::flush() {
  const auto error = rd_kafka_flush(handle_->get(), std::max(left_ms(), 1));
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return fail(error, "not delivered in time");
  return error_ == RD_KAFKA_RESP_ERR_NO_ERROR;
}

// Nothing was asked to be committed, and this client never will ask for it: what the brokers do not
// abort now they abort at the next InitProducerId, or after the transaction's time-out.
TransactionOutcome Producer::give_up(TransactionStep step) {
  if (handle_ == nullptr) {
    stop();
    return outcome_of(step, error_);
  }
  // What the calls return after a fatal error is merely that there was one.
  std::array<char, 512> why{};
  const auto fatal = rd_kafka_fatal_error(handle_->get(), why.data(), why.size());
  if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR) {
    error_ = fatal;
    failure_ = status_of(fatal, "transaction of " + id_, why.data());
  } else {
    const OwnedError error(
        rd_kafka_abort_transaction(handle_->get(), std::max(left_ms(), kAbortMsMin)));
  }
  stop();
  return outcome_of(step, error_);
}

void Producer::stop() {
  must_initialize_ = true;
  handle_.reset();
}

bool Producer::fail(rd_kafka_resp_err_t error, std::string_view detail) {
  if (error_ != RD_KAFKA_RESP_ERR_NO_ERROR) return false;
  error_ = error;
  failure_ = status_of(error, "transaction of " + id_, detail);
  return false;
}

bool Producer::fail(const rd_kafka_error_t* error) {
  return fail(rd_kafka_error_code(error), rd_kafka_error_string(error));
}

int Producer::left_ms() const {
  return static_cast<int>((deadline_ - clock_.monotonic_now()) / kNanosPerMilli);
}

}  // namespace millrace::kafka_client
