#include "ops/records_body.h"

#include "base/arena.h"
#include "base/time_text.h"
#include "codec/json.h"
#include "model/value.h"

namespace millrace::ops {
namespace {

constexpr std::int32_t kPartitionMax = 1'000'000;
constexpr std::size_t kHeadersMax = 1'000;

Status set_text(const Value& value, std::string_view name, std::optional<std::string>& out) {
  if (value.kind() == ValueKind::null) return ok_status();
  if (value.kind() != ValueKind::string) {
    return invalid_error(std::string(name) + " must be a string or null");
  }
  out = std::string(value.as_string());
  return ok_status();
}

Status set_bytes(const Value& value, std::string_view name, std::optional<std::string>& out) {
  if (value.kind() != ValueKind::string) {
    return invalid_error(std::string(name) + " must be a string");
  }
  auto bytes = codec::base64_decode(value.as_string());
  if (!bytes.is_ok()) return invalid_error(std::string(name) + " is not base64");
  out = std::move(bytes).value();
  return ok_status();
}

Status set_value(const Value& value, std::optional<std::string>& out) {
  if (value.kind() == ValueKind::string || value.kind() == ValueKind::null) {
    return set_text(value, "value", out);
  }
  codec::append_json(out.emplace(), value, false);
  return ok_status();
}

Status set_headers(const Value& value, SentRecord& record) {
  if (value.kind() != ValueKind::map || value.as_map().size() > kHeadersMax) {
    return invalid_error(R"(headers must be like {"name":"text"}, at most )" +
                         std::to_string(kHeadersMax));
  }
  for (const auto& header : value.as_map()) {
    auto& added = record.headers.emplace_back(header.key.as_string(), std::nullopt);
    MR_RETURN_IF_ERROR(set_text(header.value, "header " + added.first, added.second));
  }
  return ok_status();
}

Status set_partition(const Value& value, SentRecord& record) {
  if (value.kind() != ValueKind::int64 || value.as_int64() < 0 ||
      value.as_int64() > kPartitionMax) {
    return invalid_error("partition must be a whole number from 0");
  }
  record.partition = static_cast<std::int32_t>(value.as_int64());
  return ok_status();
}

Status set_timestamp(const Value& value, SentRecord& record) {
  const auto instant = value.kind() == ValueKind::string ? parse_instant(value.as_string())
                                                         : std::optional<Instant>();
  if (!instant) return invalid_error("timestamp must be like \"2012-06-21T13:30:00.017Z\"");
  record.timestamp = WallTime(instant->seconds * 1'000 + instant->nanos / 1'000'000);
  return ok_status();
}

Status set_member(std::string_view name, const Value& value, SentRecord& record) {
  if (name == "value") return set_value(value, record.value);
  if (name == "value_base64") return set_bytes(value, name, record.value);
  if (name == "key") return set_text(value, name, record.key);
  if (name == "key_base64") return set_bytes(value, name, record.key);
  if (name == "headers") return set_headers(value, record);
  if (name == "partition") return set_partition(value, record);
  if (name == "timestamp") return set_timestamp(value, record);
  return invalid_error("\"" + std::string(name) +
                       "\" is not known; there are value, value_base64, key, key_base64, headers, "
                       "partition and timestamp");
}

Result<SentRecord> parse_record(const Value& value) {
  if (value.kind() != ValueKind::map) {
    return invalid_error(R"(a record must be an object like {"value":{"price":"1.50"}})");
  }
  SentRecord record;
  bool has_value = false;
  bool has_key = false;
  for (const auto& member : value.as_map()) {
    const auto name = member.key.as_string();
    bool* const seen = name.starts_with("value") ? &has_value
                       : name.starts_with("key") ? &has_key
                                                 : nullptr;
    if (seen != nullptr && std::exchange(*seen, true)) {
      return invalid_error("a record has either text or base64, not both");
    }
    MR_RETURN_IF_ERROR(set_member(name, member.value, record));
  }
  if (!has_value) return invalid_error("a record must have a value; null is one");
  return record;
}

}  // namespace

Result<std::vector<SentRecord>> parse_records_body(std::string_view body) {
  Arena arena;
  MR_ASSIGN_OR_RETURN(const Value json, codec::parse_json(body, arena));
  std::span<const Value> sent(&json, 1);
  if (json.kind() == ValueKind::map && json.as_map().size() == 1 &&
      json.as_map()[0].key.as_string() == "records") {
    const Value& list = json.as_map()[0].value;
    if (list.kind() != ValueKind::list) return invalid_error("records must be a list");
    sent = list.as_list();
  }
  if (sent.empty()) return invalid_error("there must be at least one record");
  if (sent.size() > kRecordsPerRequestMax) {
    return invalid_error("one request may have " + std::to_string(kRecordsPerRequestMax) +
                         " records, this one has " + std::to_string(sent.size()));
  }
  std::vector<SentRecord> records;
  records.reserve(sent.size());
  for (const Value& value : sent) {
    auto record = parse_record(value);
    if (!record.is_ok()) {
      return std::move(record).take_status().with_context("record " +
                                                          std::to_string(records.size()));
    }
    records.push_back(std::move(record).value());
  }
  return records;
}

}  // namespace millrace::ops
