#include "ops/record_routes.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/hash.h"
#include "codec/foreign_batch.h"
#include "codec/record_batch.h"
#include "http/error_response.h"
#include "ops/record_json.h"
#include "ops/responses.h"

namespace millrace::ops {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kBatchPlainBytes = 256 << 10;  // a batch ends behind it
constexpr std::int64_t kRecordsDefault = 100;
constexpr std::int64_t kRecordsMax = 10'000;
constexpr std::int64_t kWaitMsMax = 60'000;
constexpr std::size_t kFetchBytes = 1 << 20;

Json places_json(const std::vector<RecordPlace>& places) {
  Json json = Json::array();
  for (const auto& place : places) {
    json.push_back({{"partition", place.partition}, {"offset", place.offset.value}});
  }
  return json;
}

Json answer_of(const RequestKeys::Served& served, bool is_repeat) {
  return {{"records", served.places ? places_json(*served.places) : Json()},
          {"duplicate", is_repeat}};
}

// The batches of one partition, in the order of their records.
class PartitionBatches {
 public:
  struct Finished {
    std::string bytes;
    std::vector<std::size_t> records;  // which of the request's
  };

  void append(const SentRecord& record, WallTime now, std::size_t index) {
    headers_.clear();
    for (const auto& [name, value] : record.headers) headers_.push_back({name, value});
    builder_.append(record.timestamp.value_or(now), record.key, record.value, headers_);
    records_.push_back(index);
    if (builder_.plain_bytes() >= kBatchPlainBytes) finish();
  }
  void finish() {
    if (builder_.empty()) return;
    auto& batch = finished_.emplace_back();
    builder_.finish(batch.bytes);
    batch.records = std::exchange(records_, {});
  }
  std::vector<Finished>& finished() { return finished_; }

 private:
  codec::RecordBatchBuilder builder_{codec::Compression::lz4};
  std::vector<codec::HeaderToAppend> headers_;
  std::vector<std::size_t> records_;
  std::vector<Finished> finished_;
};

Result<Json> records_report(const TopicPartition& source, Offset from, std::int64_t records_max,
                            const log::FetchResult& fetched) {
  Json records = Json::array();
  Offset next = from;
  codec::BatchReader reader;
  for (const auto& batch : fetched.batches) {
    const auto is_full = [&] { return std::cmp_greater_equal(records.size(), records_max); };
    if (is_full()) break;
    if (batch.kind == log::BatchKind::records) {
      MR_RETURN_IF_ERROR(reader.open(batch.bytes.view()));
      const RecordView* record = nullptr;
      while (!is_full() && (record = reader.next()) != nullptr) {
        next = std::max(next, record->offset + 1);
        if (record->offset < from) continue;
        records.push_back(record_json(source.topic, source.partition, *record));
      }
      MR_RETURN_IF_ERROR(reader.status());
      if (is_full()) break;
    }
    next = batch.next_offset;
  }
  return Json{{"records", std::move(records)},
              {"next_offset", next.value},
              {"start", fetched.offsets.start.value},
              {"high_watermark", fetched.offsets.high_watermark.value}};
}

}  // namespace

RecordRoutes::RecordRoutes(log::Log& log, log::DurableAnswers& answers, LongPolls& polls,
                           const Clock& clock, bool takes_keys)
    : log_(log),
      answers_(answers),
      polls_(polls),
      clock_(clock),
      keys_(log, clock),
      takes_keys_(takes_keys) {}

void RecordRoutes::add_routes(http::Router& router) {
  router.add(
      "POST /api/v1/topics/{topic}/records",
      [this](http::Request& request, const http::Responder& respond) { post(request, respond); });
  router.add(
      "GET /api/v1/topics/{topic}/records?partition&offset&max_records&wait_ms",
      [this](http::Request& request, const http::Responder& respond) { get(request, respond); });
}

Result<RecordRoutes::Prepared> RecordRoutes::batches_of(const log::TopicInfo& topic,
                                                        const std::vector<SentRecord>& records) {
  const auto now = clock_.wall_now();
  const auto count = topic.config.partition_count;
  const auto keyless =
      static_cast<std::int32_t>(next_partition_++ % static_cast<std::uint32_t>(count));
  std::map<std::int32_t, PartitionBatches> batches;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const auto& record = records[i];
    const auto partition = record.partition ? *record.partition
                           : record.key     ? partition_for_key(*record.key, count)
                                            : keyless;
    if (partition >= count) {
      return invalid_error("record " + std::to_string(i) + ": topic " + topic.name + " has " +
                           std::to_string(count) + " partitions, counted from 0");
    }
    batches[partition].append(record, now, i);
  }
  // The same door as that of batches: whatever is made of a record must fit, too.
  const codec::ForeignBatchLimits limits{.needs_keys = topic.config.is_compacted};
  codec::BatchReader reader;
  Prepared prepared;
  prepared.places.resize(records.size());
  prepared.append_of.resize(records.size());
  for (auto& [partition, of_partition] : batches) {
    of_partition.finish();
    for (auto& batch : of_partition.finished()) {
      auto plain = codec::check_foreign_batch(batch.bytes, limits, reader);
      if (!plain.is_ok()) {
        return std::move(plain).take_status().with_context("the batch that begins with record " +
                                                           std::to_string(batch.records.front()));
      }
      for (std::size_t i = 0; i < batch.records.size(); ++i) {
        prepared.places[batch.records[i]] = {partition, Offset(static_cast<std::int64_t>(i))};
        prepared.append_of[batch.records[i]] = prepared.commit.appends.size();
      }
      prepared.commit.appends.push_back({topic.name, partition, std::move(batch.bytes)});
    }
  }
  return prepared;
}

Result<RecordRoutes::Prepared> RecordRoutes::prepare(const http::Request& request) {
  const auto& name = request.parameter("topic");
  MR_ASSIGN_OR_RETURN(const auto topic, log_.topic(name));
  if (topic.config.is_internal) {
    return invalid_error("topic " + name + " is internal; only pipelines write to it");
  }
  MR_ASSIGN_OR_RETURN(const auto records, parse_records_body(request.body));
  return batches_of(topic, records);
}

Result<RequestKeys::Served> RecordRoutes::append(Prepared prepared, std::string_view topic,
                                                 std::optional<std::string_view> key) {
  auto appended = log_.commit(std::move(prepared.commit));
  auto& places = prepared.places;
  if (appended.is_ok()) {
    for (std::size_t i = 0; i < places.size(); ++i) {
      const auto base = appended->batches[prepared.append_of[i]].base_offset;
      places[i].offset = base + places[i].offset.value;
    }
  }
  if (key) keys_.end(topic, *key, appended, places);
  if (!appended.is_ok()) return std::move(appended).take_status();
  return RequestKeys::Served{appended->sequence, std::move(places)};
}

void RecordRoutes::post(const http::Request& request, const http::Responder& respond) {
  auto prepared = prepare(request);
  if (!prepared.is_ok()) return respond(http::error_response(prepared.status()));
  const auto& topic = request.parameter("topic");
  const auto key = request.headers.find("idempotency-key");
  std::optional<RequestKeys::Served> known;
  if (key && !takes_keys_) {
    return respond(http::error_response(unsupported_error(
        "on a log that several processes share a repeated request is not recognized: leave "
        "Idempotency-Key out, and let the pipeline deduplicate by id")));
  }
  if (key) {
    auto begun = keys_.begin(topic, *key, request.body, prepared->commit);
    if (!begun.is_ok()) return respond(http::error_response(begun.status()));
    known = std::move(begun).value();
  }
  const bool is_repeat = known.has_value();
  if (!known) {
    auto appended = append(std::move(prepared).value(), topic, key);
    if (!appended.is_ok()) return respond(append_error_response(appended.status()));
    known = std::move(appended).value();
  }
  answers_.after(known->sequence,
                 [respond, body = answer_of(*known, is_repeat)](const Status& status) {
                   if (!status.is_ok()) return respond(append_error_response(status));
                   respond(json_response(body));
                 });
}

void RecordRoutes::get(const http::Request& request, const http::Responder& respond) {
  const auto partition = request.query.number_or("partition", 0, 0, 1'000'000);
  const auto offset = request.query.number_or("offset", 0, 0, INT64_MAX);
  const auto records_max = request.query.number_or("max_records", kRecordsDefault, 1, kRecordsMax);
  const auto wait_ms = request.query.number_or("wait_ms", 0, 0, kWaitMsMax);
  for (const auto* number : {&partition, &offset, &records_max, &wait_ms}) {
    if (!number->is_ok()) return respond(http::error_response(number->status()));
  }
  const TopicPartition source{request.parameter("topic"), static_cast<std::int32_t>(*partition)};
  polls_.fetch({source, Offset(*offset), kFetchBytes, *wait_ms,
                [respond, source, from = Offset(*offset),
                 max = *records_max](const Result<log::FetchResult>& fetched) {
                  if (!fetched.is_ok()) return respond(http::error_response(fetched.status()));
                  const auto report = records_report(source, from, max, *fetched);
                  respond(report.is_ok() ? json_response(*report)
                                         : http::error_response(report.status()));
                }});
}

}  // namespace millrace::ops
