#include "app/topic_reader.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "ops/batches_body.h"

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

// Behind what the answer leaves out, which is markers and records of aborted transactions.
std::optional<std::int64_t> next_offset_of(const http::Response& response) {
  const auto text = response.headers.find("millrace-next-offset");
  if (!text) return std::nullopt;
  std::int64_t next = 0;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), next);
  if (parsed.ec != std::errc() || parsed.ptr != text->data() + text->size()) return std::nullopt;
  return next;
}

}  // namespace

Result<std::vector<PartitionRange>> find_partitions(ApiClient& client, const std::string& topic) {
  MR_ASSIGN_OR_RETURN(const auto topics, client.get("/api/v1/topics"));
  for (const auto& known : topics.value("topics", Json::array())) {
    if (known.value("topic", "") != topic) continue;
    std::vector<PartitionRange> found;
    for (const auto& at : known.value("offsets", Json::array())) {
      found.push_back({at.value("partition", 0), at.value("start", std::int64_t{0}),
                       at.value("high_watermark", std::int64_t{0})});
    }
    return found;
  }
  return not_found_error("topic " + topic + " does not exist; `millrace topics` lists them");
}

PartitionReader::PartitionReader(ApiClient& client, std::string topic, std::int32_t partition,
                                 std::int64_t offset)
    : client_(&client), topic_(std::move(topic)), partition_(partition), offset_(offset) {}

Result<bool> PartitionReader::read(int wait_ms,
                                   const std::function<bool(const RecordView&)>& visit) {
  const auto target = "/api/v1/topics/" + topic_ +
                      "/batches?partition=" + std::to_string(partition_) +
                      "&offset=" + std::to_string(offset_) + "&wait_ms=" + std::to_string(wait_ms);
  MR_ASSIGN_OR_RETURN(const auto response, client_->request("GET", target, {}, {}));
  MR_ASSIGN_OR_RETURN(const auto batches, ops::parse_batches_body(response.body));
  for (const auto& batch : batches) {
    MR_RETURN_IF_ERROR(reader_.open(batch.bytes));
    while (const RecordView* record = reader_.next()) {
      if (record->offset.value < offset_) continue;
      if (!visit(*record)) return false;
      offset_ = record->offset.value + 1;
    }
    MR_RETURN_IF_ERROR(reader_.status());
    offset_ = reader_.header().next_offset().value;
  }
  const auto next = next_offset_of(response);
  const bool has_moved = !batches.empty() || next.value_or(0) > offset_;
  offset_ = std::max(offset_, next.value_or(0));
  return has_moved;
}

}  // namespace millrace::app
