#include "runtime/snapshot_catalog.h"

#include <algorithm>
#include <optional>

#include "base/coding.h"
#include "codec/record_batch.h"
#include "log/partition_scan.h"

namespace millrace::runtime {
namespace {

constexpr std::string_view kTopic = "millrace.snapshots";
constexpr std::uint8_t kFormatVersion = 1;
constexpr std::size_t kNameBytesMax = 63;

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

std::string key_of(const std::string& pipeline, const std::string& name) {
  return pipeline + "/" + name;
}

}  // namespace

bool is_snapshot_name(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax || !is_letter_or_digit(name.front())) {
    return false;
  }
  return std::all_of(name.begin(), name.end(), [](char c) {
    return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.';
  });
}

std::string encode_named_snapshot(const NamedSnapshot& snapshot) {
  std::string value;
  Encoder to(value);
  to.u8(kFormatVersion);
  to.zigzag(snapshot.version);
  to.u64(snapshot.file.low);
  to.u64(snapshot.file.high);
  to.zigzag(snapshot.created.value);
  to.varint(snapshot.parts.size());
  for (const auto& part : snapshot.parts) {
    to.bytes(part.stage);
    to.zigzag(part.partition);
    to.bytes(part.snapshot.object_key);
    to.zigzag(part.snapshot.next_offset.value);
    to.varint(part.snapshot.journal_sequence);
    to.u64(part.snapshot.content.low);
    to.u64(part.snapshot.content.high);
    to.varint(part.snapshot.content_bytes);
  }
  return value;
}

Result<NamedSnapshot> decode_named_snapshot(std::string_view key, std::string_view value) {
  const auto slash = key.rfind('/');
  if (slash == std::string_view::npos || !is_snapshot_name(key.substr(slash + 1))) {
    return corrupt_error("named snapshot: the key is not PIPELINE/NAME");
  }
  Decoder from(value);
  if (from.u8() != kFormatVersion) return corrupt_error("named snapshot: unknown format version");
  NamedSnapshot snapshot;
  snapshot.pipeline = key.substr(0, slash);
  snapshot.name = key.substr(slash + 1);
  snapshot.version = static_cast<std::int32_t>(from.zigzag());
  snapshot.file.low = from.u64();
  snapshot.file.high = from.u64();
  snapshot.created = WallTime(from.zigzag());
  const auto part_count = from.varint();
  for (std::uint64_t i = 0; i < part_count && !from.has_failed(); ++i) {
    auto& part = snapshot.parts.emplace_back();
    part.stage = from.bytes();
    part.partition = static_cast<std::int32_t>(from.zigzag());
    part.snapshot.object_key = from.bytes();
    part.snapshot.next_offset = Offset(from.zigzag());
    part.snapshot.journal_sequence = from.varint();
    part.snapshot.content.low = from.u64();
    part.snapshot.content.high = from.u64();
    part.snapshot.content_bytes = from.varint();
  }
  MR_RETURN_IF_ERROR(from.finish("named snapshot"));
  return snapshot;
}

Status SnapshotCatalog::load() {
  log::TopicConfig config;
  config.is_compacted = true;
  config.is_internal = true;
  auto created = log_.create_topic(std::string(kTopic), config);
  if (!created.is_ok() && created.status().code() != StatusCode::exists) {
    return std::move(created).take_status();
  }
  std::map<std::string, std::string> values;
  const auto take = [&](const RecordView& record) {
    if (!record.key) return corrupt_error("named snapshot: a record has no key");
    const std::string key(*record.key);
    values.erase(key);
    if (record.value) values.emplace(key, *record.value);
    return ok_status();
  };
  MR_RETURN_IF_ERROR(log::scan_partition(log_, {std::string(kTopic), 0}, Offset(0), take).status());
  const std::lock_guard lock(mutex_);
  for (const auto& [key, value] : values) {
    MR_ASSIGN_OR_RETURN(auto snapshot, decode_named_snapshot(key, value));
    for (const auto& part : snapshot.parts) protected_.insert(part.snapshot.object_key);
    const Name name{snapshot.pipeline, snapshot.name};
    snapshots_.insert_or_assign(name, std::move(snapshot));
  }
  return ok_status();
}

Status SnapshotCatalog::append(const Name& name, const std::string* value, WallTime time) {
  codec::RecordBatchBuilder builder(codec::Compression::none);
  const std::optional<std::string_view> bytes =
      value != nullptr ? std::optional<std::string_view>(*value) : std::nullopt;
  builder.append(time, key_of(name.first, name.second), bytes, {});
  log::AppendBatch batch{std::string(kTopic), 0, {}};
  builder.finish(batch.bytes);
  auto appended = log::append_and_wait(log_, std::move(batch));
  return appended.is_ok() ? ok_status() : std::move(appended).take_status();
}

Status SnapshotCatalog::add(const NamedSnapshot& snapshot) {
  if (!is_snapshot_name(snapshot.name)) {
    return invalid_error("\"" + snapshot.name +
                         "\" is no name for a snapshot: up to 63 lower-case letters, digits, "
                         "'-', '_' and '.', a letter or digit first");
  }
  const Name name{snapshot.pipeline, snapshot.name};
  {
    const std::lock_guard lock(mutex_);
    if (snapshots_.contains(name) || !names_in_use_.insert(name).second) {
      return exists_error("pipeline " + snapshot.pipeline + " has a snapshot " + snapshot.name +
                          " already; delete it first or take another name");
    }
  }
  const auto value = encode_named_snapshot(snapshot);
  auto status = append(name, &value, snapshot.created);
  const std::lock_guard lock(mutex_);
  names_in_use_.erase(name);
  if (!status.is_ok()) return status;
  for (const auto& part : snapshot.parts) protected_.insert(part.snapshot.object_key);
  snapshots_.emplace(name, snapshot);
  return ok_status();
}

Status SnapshotCatalog::remove(const std::string& pipeline, const std::string& name) {
  WallTime created;
  {
    MR_ASSIGN_OR_RETURN(const auto known, find(pipeline, name));
    created = known.created;
  }
  MR_RETURN_IF_ERROR(append({pipeline, name}, nullptr, created));
  const std::lock_guard lock(mutex_);
  const auto it = snapshots_.find({pipeline, name});
  if (it == snapshots_.end()) return ok_status();  // somebody else was faster
  for (const auto& part : it->second.parts) {
    protected_.erase(protected_.find(part.snapshot.object_key));
  }
  snapshots_.erase(it);
  return ok_status();
}

std::string SnapshotCatalog::known_names(const std::string& pipeline) const {
  std::string names;
  for (const auto& [name, snapshot] : snapshots_) {
    if (name.first == pipeline) names += (names.empty() ? "" : ", ") + name.second;
  }
  return names.empty() ? "it has none" : "it has " + names;
}

Result<NamedSnapshot> SnapshotCatalog::find(const std::string& pipeline,
                                            const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto it = snapshots_.find({pipeline, name});
  if (it != snapshots_.end()) return it->second;
  return not_found_error("pipeline " + pipeline + " has no snapshot " + name + "; " +
                         known_names(pipeline));
}

std::vector<NamedSnapshot> SnapshotCatalog::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<NamedSnapshot> all;
  for (const auto& [name, snapshot] : snapshots_) all.push_back(snapshot);
  return all;
}

bool SnapshotCatalog::protects(const std::string& object_key) const {
  const std::lock_guard lock(mutex_);
  return protected_.contains(object_key);
}

bool SnapshotCatalog::retire(const std::string& object_key) {
  const std::lock_guard lock(mutex_);
  if (protected_.contains(object_key)) return false;
  retiring_.insert(object_key);
  return true;
}

void SnapshotCatalog::forget_retired(const std::string& object_key) {
  const std::lock_guard lock(mutex_);
  retiring_.erase(object_key);
}

std::unique_ptr<SnapshotCatalog::Hold> SnapshotCatalog::hold(std::string object_key) {
  const std::lock_guard lock(mutex_);
  if (retiring_.contains(object_key)) return nullptr;
  protected_.insert(object_key);
  return std::unique_ptr<Hold>(new Hold(*this, std::move(object_key)));
}

SnapshotCatalog::Hold::~Hold() {
  const std::lock_guard lock(catalog_.mutex_);
  catalog_.protected_.erase(catalog_.protected_.find(object_key_));
}

}  // namespace millrace::runtime
