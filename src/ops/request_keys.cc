#include "ops/request_keys.h"

#include <algorithm>

#include "base/check.h"
#include "base/coding.h"
#include "codec/record_batch.h"
#include "log/partition_scan.h"

namespace millrace::ops {
namespace {

constexpr std::uint64_t kIdSeed = 0x6964656d706f7465;  // format: do not change
constexpr std::uint64_t kBodySeed = 0x72657175657374;  // format: do not change
constexpr std::uint8_t kFormat = 1;
constexpr std::size_t kEntriesPerCleanup = 4096;
constexpr std::size_t kEntryBytes = 160;  // about what maps and queues take for one

Hash128 id_of(std::string_view topic, std::string_view key) {
  std::string text(topic);
  text.push_back('\0');
  text.append(key);
  return hash128(text, kIdSeed);
}

void put_hash(Encoder& to, const Hash128& hash) {
  to.u64(hash.low);
  to.u64(hash.high);
}
Hash128 take_hash(Decoder& from) {
  Hash128 hash;
  hash.low = from.u64();
  hash.high = from.u64();
  return hash;
}

log::AppendBatch batch_of(const Hash128& id, const Hash128& body,
                          const std::vector<RecordPlace>* places, WallTime now) {
  std::string key;
  Encoder key_to(key);
  put_hash(key_to, id);
  std::string value;
  Encoder to(value);
  to.u8(kFormat);
  put_hash(to, body);
  to.boolean(places != nullptr);
  if (places != nullptr) {
    to.varint(places->size());
    for (const auto& place : *places) {
      to.varint(static_cast<std::uint64_t>(place.partition));
      to.varint(static_cast<std::uint64_t>(place.offset.value));
    }
  }
  codec::RecordBatchBuilder builder;
  builder.append(now, key, value, {});
  log::AppendBatch batch{std::string(RequestKeys::kTopic), 0, {}};
  builder.finish(batch.bytes);
  return batch;
}

bool is_visible_ascii(std::string_view key) {
  return std::all_of(key.begin(), key.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

RequestKeys::RequestKeys(log::Log& log, const Clock& clock) : log_(log), clock_(clock) {}

Status RequestKeys::load() {
  log::TopicConfig config;
  config.retention_ms = kKeptMs;
  config.segment_bytes = 8 << 20;
  config.is_internal = true;
  const auto created = log_.create_topic(std::string(kTopic), config);
  if (created.is_ok()) return ok_status();
  if (created.status().code() != StatusCode::exists) return created.status();
  const std::lock_guard lock(mutex_);
  return log::scan_partition(log_, {std::string(kTopic), 0}, Offset(0),
                             [this](const RecordView& record) { return load_one(record); })
      .status();
}

Status RequestKeys::load_one(const RecordView& record) {
  Decoder key(record.key.value_or(std::string_view()));
  const auto id = take_hash(key);
  MR_RETURN_IF_ERROR(key.finish("the key of a request"));
  Decoder from(record.value.value_or(std::string_view()));
  if (from.u8() != kFormat) from.fail();
  Entry entry{.body = take_hash(from), .at = record.timestamp, .served = {}};
  if (from.boolean()) {
    auto& places = entry.served.places.emplace();
    for (auto left = from.varint(); left > 0 && !from.has_failed(); --left) {
      const auto partition = static_cast<std::int32_t>(from.varint());
      places.push_back({partition, Offset(static_cast<std::int64_t>(from.varint()))});
    }
  }
  MR_RETURN_IF_ERROR(from.finish("a request"));
  take(id, std::move(entry));
  // Entries of every earlier day may come first: no more of them than are kept.
  if (entries_.size() % kEntriesPerCleanup == 0) forget_old(clock_.wall_now());
  return ok_status();
}

Result<std::optional<RequestKeys::Served>> RequestKeys::begin(std::string_view topic,
                                                              std::string_view key,
                                                              std::string_view body,
                                                              log::Commit& commit) {
  if (key.empty() || key.size() > kKeyBytesMax || !is_visible_ascii(key)) {
    return invalid_error("Idempotency-Key must be 1 to " + std::to_string(kKeyBytesMax) +
                         " printable ASCII characters");
  }
  const auto id = id_of(topic, key);
  const auto hash = hash128(body, kBodySeed);
  const auto now = clock_.wall_now();
  const std::lock_guard lock(mutex_);
  forget_old(now);
  if (const auto known = entries_.find(id); known != entries_.end()) {
    const Entry& entry = known->second;
    if (entry.body != hash) {
      return invalid_error("Idempotency-Key " + std::string(key) +
                           " was used for a request with another body; each request needs its own");
    }
    if (entry.is_pending) {
      return exists_error("a request with Idempotency-Key " + std::string(key) +
                          " is being served; repeat this one in a moment for its answer");
    }
    return std::optional(entry.served);
  }
  take(id, {.body = hash, .at = now, .is_pending = true, .served = {}});
  commit.appends.push_back(batch_of(id, hash, nullptr, now));
  return std::optional<Served>();
}

void RequestKeys::end(std::string_view topic, std::string_view key,
                      const Result<log::Appended>& appended,
                      const std::vector<RecordPlace>& places) {
  const auto id = id_of(topic, key);
  std::optional<log::AppendBatch> answer;
  {
    const std::lock_guard lock(mutex_);
    const auto known = entries_.find(id);
    if (known == entries_.end()) return;  // the bound was reached meanwhile
    if (!appended.is_ok()) {
      bytes_ -= bytes_of(known->second);
      entries_.erase(known);
      return;
    }
    Entry served = known->second;
    served.is_pending = false;
    served.served = {appended->sequence, places};
    answer = batch_of(id, served.body, &places, served.at);
    take(id, std::move(served));
  }
  // Nobody waits for it: without it a repeat after a crash is not told the offsets.
  std::ignore = log_.commit({{std::move(*answer)}, {}});
}

std::size_t RequestKeys::bytes_of(const Entry& entry) {
  return kEntryBytes +
         (entry.served.places ? entry.served.places->size() * sizeof(RecordPlace) : 0);
}

void RequestKeys::take(const Hash128& id, Entry entry) {
  const auto [at, is_new] = entries_.try_emplace(id);
  // A key that was forgotten and used again has two ages in the log.
  if (is_new || at->second.at != entry.at) by_age_.emplace_back(entry.at, id);
  if (!is_new) bytes_ -= bytes_of(at->second);
  at->second = std::move(entry);
  bytes_ += bytes_of(at->second);
}

void RequestKeys::forget_old(WallTime now) {
  while (!by_age_.empty() && (bytes_ > kBytesMax || now - by_age_.front().first > kKeptMs)) {
    const auto& [at, id] = by_age_.front();
    const auto known = entries_.find(id);
    if (known != entries_.end() && known->second.at == at) {
      bytes_ -= bytes_of(known->second);
      entries_.erase(known);
    }
    by_age_.pop_front();
  }
}

}  // namespace millrace::ops
