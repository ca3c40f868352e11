#include "runtime/id_run_object.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cinttypes>
#include <cstdio>

#include "base/check.h"
#include "base/thread.h"

namespace millrace::runtime {
namespace {

constexpr std::size_t kBlocksPerRead = 64;
constexpr int kReadAttempts = 8;
constexpr std::chrono::milliseconds kFirstPause{10};  // twice as long after each attempt

constexpr const char* kRuns = "runs";
constexpr const char* kFingerprints = "fingerprints";

std::string key_of(const std::string& prefix, const char* folder, const Hash128& content) {
  char name[64];
  std::snprintf(name, sizeof name, "%s/%016" PRIx64 "%016" PRIx64, folder, content.high,
                content.low);
  return prefix + name;
}

// Reads a run from its first id to its last.
class RunCursor {
 public:
  RunCursor(std::unique_ptr<objects::ObjectReader> reader, const RunToMerge& run)
      : reader_(std::move(reader)), run_(run) {}

  [[nodiscard]] std::span<const Hash128> ids() const { return std::span(ids_).subspan(at_); }
  void skip(std::size_t count) { at_ += count; }
  // The next ids once none are left; none at the end.
  Status fill() {
    MR_CHECK(at_ == ids_.size());
    ids_.clear();
    at_ = 0;
    const auto count =
        std::min<std::uint64_t>(kBlocksPerRead, run_.name.block_count() - next_block_);
    bytes_.clear();
    MR_RETURN_IF_ERROR(reader_->read_at(next_block_ * task::kIdRunBlockBytes,
                                        count * task::kIdRunBlockBytes, bytes_));
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto begin = std::min<std::uint64_t>(bytes_.size(), i * task::kIdRunBlockBytes);
      const auto block = std::string_view(bytes_).substr(begin, task::kIdRunBlockBytes);
      auto status = task::check_block(block);
      if (!status.is_ok()) return std::move(status).with_context(run_.key);
      const auto in_block = task::ids_in_block(run_.name, next_block_ + i);
      MR_RETURN_IF_ERROR(take_block(block, in_block));
    }
    next_block_ += count;
    return ok_status();
  }

 private:
  // A whole block may still be one of another place.
  Status take_block(std::string_view block, std::size_t id_count) {
    for (std::size_t at = 0; at < id_count; ++at) {
      const auto id = task::id_at(block, at);
      if (last_ && !task::is_before(*last_, id)) {
        return corrupt_error(run_.key + ": its ids do not ascend");
      }
      ids_.push_back(id);
      last_ = id;
    }
    return ok_status();
  }

  std::unique_ptr<objects::ObjectReader> reader_;
  RunToMerge run_;
  std::uint64_t next_block_ = 0;
  std::optional<Hash128> last_;
  std::string bytes_;
  std::vector<Hash128> ids_;
  std::size_t at_ = 0;
};

Result<RunCursor> open_cursor(objects::ObjectStore& store, const RunToMerge& run) {
  MR_ASSIGN_OR_RETURN(auto reader, store.open_to_read(run.key));
  if (reader->bytes() != run.name.byte_count()) {
    return corrupt_error(run.key + " has another length than the snapshot says");
  }
  RunCursor cursor(std::move(reader), run);
  MR_RETURN_IF_ERROR(cursor.fill());
  return cursor;
}

}  // namespace

std::string id_run_key(const std::string& prefix, const Hash128& content,
                       const std::string& suffix) {
  return key_of(prefix, kRuns, content) + suffix;
}

std::string fingerprints_key(const std::string& prefix, const Hash128& content,
                             const std::string& suffix) {
  return key_of(prefix, kFingerprints, content) + suffix;
}

IdKeys find_id_keys(const std::string& prefix, std::span<const std::string> names) {
  IdKeys keys;
  for (const auto& name : names) {
    for (const char* folder : {kRuns, kFingerprints}) {
      const auto start = prefix + folder + "/";
      if (!name.starts_with(start) || name.size() < start.size() + 32) continue;
      Hash128 content;
      const char* at = name.data() + start.size();
      const auto high = std::from_chars(at, at + 16, content.high, 16);
      const auto low = std::from_chars(at + 16, at + 32, content.low, 16);
      if (high.ptr == at + 16 && low.ptr == at + 32) keys.emplace(content, name);
    }
  }
  return keys;
}

Result<const objects::ObjectReader*> OpenObjects::open(const std::string& key) {
  const auto known = std::ranges::find(open_, key, &Open::key);
  if (known != open_.end()) {
    open_.splice(open_.begin(), open_, known);
    return open_.front().reader.get();
  }
  MR_ASSIGN_OR_RETURN(auto reader, store_.open_to_read(key));
  if (open_.size() == kOpenMax) open_.pop_back();
  open_.push_front({key, std::move(reader)});
  return open_.front().reader.get();
}

void OpenObjects::close(const std::string& key) {
  std::erase_if(open_, [&](const Open& open) { return open.key == key; });
}

bool may_pass(const Status& status) {
  return status.code() == StatusCode::io || status.code() == StatusCode::overloaded ||
         status.code() == StatusCode::disconnected;
}

// An answer decides whether an event is a duplicate, so there is no going on without one.
Result<bool> StoredRun::contains(const Hash128& id) {
  auto found = find(id);
  auto pause = kFirstPause;
  for (int attempt = 1; attempt < kReadAttempts && !found.is_ok(); ++attempt) {
    if (!may_pass(found.status())) break;
    open_->close(key_);
    pause_for(pause);
    pause *= 2;
    found = find(id);
  }
  if (found.is_ok()) return found;
  const bool is_away = may_pass(found.status());
  return std::move(found).take_status().with_context(
      key_ + (is_away ? ": not readable in " + std::to_string(kReadAttempts) + " attempts" : ""));
}

Result<bool> StoredRun::find(const Hash128& id) {
  MR_ASSIGN_OR_RETURN(const auto* const reader, open_->open(key_));
  if (!index_) {
    std::string tail;
    MR_RETURN_IF_ERROR(
        reader->read_at(name_.index_position(), name_.byte_count() - name_.index_position(), tail));
    MR_ASSIGN_OR_RETURN(index_, task::IdRunIndex::parse(name_, tail));
  }
  const auto [first, last] = index_->blocks_for(id);
  for (auto block = first; block < last; ++block) {
    block_.clear();
    MR_RETURN_IF_ERROR(
        reader->read_at(block * task::kIdRunBlockBytes, task::kIdRunBlockBytes, block_));
    MR_RETURN_IF_ERROR(task::check_block(block_));
    if (task::is_in_block(block_, task::ids_in_block(name_, block), id)) return true;
  }
  return false;
}

Status read_id_run(objects::ObjectStore& store, const std::string& key, const task::IdRunName& name,
                   const std::function<void(std::span<const Hash128>)>& take) {
  MR_ASSIGN_OR_RETURN(auto cursor, open_cursor(store, {key, name}));
  while (!cursor.ids().empty()) {
    take(cursor.ids());
    cursor.skip(cursor.ids().size());
    MR_RETURN_IF_ERROR(cursor.fill());
  }
  return ok_status();
}

Result<std::pair<task::IdRunName, std::string>> merge_id_runs(objects::ObjectStore& store,
                                                              std::int64_t bucket,
                                                              std::span<const RunToMerge> inputs) {
  std::vector<RunCursor> cursors;
  for (const auto& input : inputs) {
    MR_ASSIGN_OR_RETURN(auto cursor, open_cursor(store, input));
    cursors.push_back(std::move(cursor));
  }
  std::uint64_t id_count = 0;
  for (const auto& input : inputs) id_count += input.name.id_count;
  task::IdRunEncoder encoder(bucket, id_count);
  while (!cursors.empty()) {
    auto smallest = cursors.begin();
    for (auto it = smallest + 1; it != cursors.end(); ++it) {
      if (task::is_before(it->ids().front(), smallest->ids().front())) smallest = it;
    }
    encoder.add(smallest->ids().front());
    smallest->skip(1);
    if (!smallest->ids().empty()) continue;
    MR_RETURN_IF_ERROR(smallest->fill());
    if (smallest->ids().empty()) cursors.erase(smallest);
  }
  auto merged = encoder.finish();
  if (merged.first.id_count != id_count) {
    return corrupt_error("runs of ids of one bucket have ids in common, from " +
                         inputs.front().key + " on");
  }
  return merged;
}

}  // namespace millrace::runtime
