#include "runtime/id_store.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <map>
#include <ranges>
#include <tuple>
#include <utility>

#include "base/check.h"

namespace millrace::runtime {
namespace {

constexpr std::size_t kDumpStepBytes = 256 << 10;  // encoded between two batches
constexpr std::size_t kDumpPartBytes = 8 << 20;
constexpr std::size_t kDumpPartsInFlightMax = 4;
// The fingerprints are dumped when this part of all ids is in none: 28 bytes written per id.
constexpr std::uint64_t kDumpShare = 8;
constexpr std::uint64_t kPartSeed = 0x66696e6765727072;  // part of the name of a part of a dump
constexpr std::size_t kTidiedBlocks = 256;  // of the fingerprints, between two batches: 50 us
constexpr std::int64_t kRetryNs = 1'000'000'000;
constexpr std::int64_t kMergeRetryNs = 60 * kRetryNs;
constexpr std::chrono::milliseconds kWait{100};

// Runs of one tier are within a factor of 8 of each other.
int tier_of(const task::IdRunName& run) {
  return static_cast<int>(std::bit_width(run.id_count)) / 3;
}

bool load_dump(objects::ObjectStore& store, const IdKeys& keys, task::Dedup& dedup) {
  if (dedup.dump_parts().empty()) return false;
  dedup.begin_fingerprints(true);
  for (const auto& part : std::views::reverse(dedup.dump_parts())) {
    const auto key = keys.find(part.content);
    if (key == keys.end()) return false;
    const auto bytes = store.get(key->second);
    if (!bytes.is_ok() || hash128(*bytes, kPartSeed) != part.content) return false;
    if (!dedup.load_dump_part(*bytes).is_ok()) return false;
  }
  return dedup.end_dump_parts().is_ok();
}

Status load_fingerprints(objects::ObjectStore& store, const IdKeys& keys, task::Dedup& dedup) {
  // Without the dump, or with half of it, everything is read from the runs.
  const bool has_dump = load_dump(store, keys, dedup);
  if (!has_dump) {
    dedup.begin_fingerprints(false);
    MR_RETURN_IF_ERROR(dedup.end_dump_parts());
  }
  for (const auto& run : dedup.runs()) {
    if (!run.is_attached || run.is_unlisted || (has_dump && run.is_covered)) continue;
    MR_RETURN_IF_ERROR(read_id_run(
        store, keys.at(run.name.content), run.name,
        [&](std::span<const Hash128> ids) { dedup.add_fingerprints(run.name.content, ids); }));
  }
  dedup.finish_fingerprints();
  return ok_status();
}

}  // namespace

Status attach_ids(objects::ObjectStore& store, const IdKeys& keys,
                  const std::shared_ptr<OpenObjects>& open, task::Dedup& dedup,
                  const std::vector<objects::ObjectInfo>& existing) {
  std::map<std::string, std::uint64_t> bytes_of;
  for (const auto& object : existing) bytes_of.emplace(object.key, object.bytes);
  for (const auto& run : dedup.runs()) {
    const auto known = keys.find(run.name.content);
    if (known == keys.end()) return corrupt_error("it does not name one of its runs of ids");
    const auto& key = known->second;
    const auto found = bytes_of.find(key);
    if (found == bytes_of.end()) return not_found_error("it names " + key + ", which is not there");
    if (found->second != run.name.byte_count()) {
      return corrupt_error(key + " has another length than the snapshot says");
    }
    MR_CHECK(dedup.attach_run(run.name.content, std::make_shared<StoredRun>(open, key, run.name)));
  }
  for (const auto& run : dedup.runs()) {
    if (!run.is_attached) return corrupt_error("it names one of its runs of ids twice");
  }
  for (const auto& part : dedup.dump_parts()) {
    if (keys.contains(part.content)) continue;
    return corrupt_error("it does not name one of the parts of its fingerprints");
  }
  return load_fingerprints(store, keys, dedup);
}

void IdStore::Mailbox::put(Event event) {
  {
    const std::lock_guard lock(mutex);
    events.push_back(std::move(event));
  }
  changed.notify_all();
}

IdStore::IdStore(const void* owner, objects::ObjectStore& store, SnapshotWriter& writer,
                 const Clock& clock, TaskObjects& objects, std::uint64_t dump_ids_min,
                 DedupMemory* memory, DedupMemory::Kind kind)
    : owner_(owner),
      store_(store),
      writer_(writer),
      clock_(clock),
      objects_(objects),
      dump_ids_min_(dump_ids_min),
      memory_(memory),
      open_(std::make_shared<OpenObjects>(store)) {
  if (memory_ != nullptr) claim_.emplace(*memory_, kind);
}

std::shared_ptr<task::IdRunReader> IdStore::reader(const task::IdRunName& name) {
  return std::make_shared<StoredRun>(open_, key_of(name.content), name);
}

const std::string& IdStore::key_of(const Hash128& content) const {
  const auto known = keys_.find(content);
  MR_CHECK(known != keys_.end());
  return known->second;
}

Status IdStore::attach(task::Dedup& dedup, const std::vector<objects::ObjectInfo>& existing,
                       std::span<const std::string> names) {
  keys_ = find_id_keys(objects_.prefix(), names);
  if (claim_) claim_->apply_to(dedup);
  return attach_ids(store_, keys_, open_, dedup, existing);
}

Status IdStore::follow(task::Dedup& dedup, const task::Dedup& owner,
                       std::span<const std::string> names) {
  auto keys = find_id_keys(objects_.prefix(), names);
  MR_RETURN_IF_ERROR(dedup.follow_runs(owner));
  for (const auto& run : dedup.runs()) {
    const auto key = keys.find(run.name.content);
    if (key == keys.end()) return corrupt_error("it does not name one of its runs of ids");
    // The same ids may have been stored again, and the object from before may go.
    const auto known = keys_.find(run.name.content);
    if (run.is_attached && known != keys_.end() && known->second == key->second) continue;
    dedup.attach_run(run.name.content, std::make_shared<StoredRun>(open_, key->second, run.name));
  }
  keys_ = std::move(keys);
  return ok_status();
}

void IdStore::tidy(task::Dedup& dedup) {
  if (claim_) claim_->apply_to(dedup);
  dedup.tidy(kTidiedBlocks);
}

void IdStore::begin_to_store() {
  if (memory_ != nullptr) claim_.emplace(*memory_);
}

bool IdStore::pump(task::Dedup& dedup) {
  if (claim_) claim_->apply_to(dedup);
  bool did_work = take_events(dedup);
  did_work |= dedup.tidy(kTidiedBlocks);
  take_sealed(dedup);
  if (is_trying()) {
    submit_pending();
    did_work |= continue_dump(dedup);
    const bool may_merge = merging_.empty() && clock_.monotonic_now() >= merge_not_before_;
    if (!dump_ && may_merge && seen_version_ != dedup.runs_version()) {
      seen_version_ = dedup.runs_version();
      start_merge(dedup);
    }
  }
  return did_work;
}

bool IdStore::is_trying() const {
  return clock_.monotonic_now() >= idle_until_;
}

void IdStore::try_later() {
  idle_until_ = clock_.monotonic_now() + kRetryNs;
}

void IdStore::take_sealed(task::Dedup& dedup) {
  for (auto& run : dedup.take_sealed_runs()) {
    const auto key = id_run_key(objects_.prefix(), run->name().content, objects_.new_suffix());
    keys_.insert_or_assign(run->name().content, key);
    objects_.know(key);
    pending_.push_back({run->name(), std::make_shared<PendingObject>(key, run->bytes(), run)});
  }
}

void IdStore::submit_pending() {
  for (auto& run : pending_) {
    if (std::exchange(run.is_submitted, true)) continue;
    writer_.run(
        owner_, SnapshotWriter::Turn::in_order,
        [mailbox = mailbox_, object = run.object, content = run.name.content](
            objects::ObjectStore& store) { mailbox->put(RunStored{content, object->put(store)}); });
  }
}

bool IdStore::take_events(task::Dedup& dedup) {
  std::vector<Event> events;
  {
    const std::lock_guard lock(mailbox_->mutex);
    events.swap(mailbox_->events);
  }
  for (auto& event : events) {
    std::visit([&](auto& known) { take_event(dedup, known); }, event);
  }
  return !events.empty();
}

void IdStore::take_event(task::Dedup& dedup, RunStored& event) {
  const auto run = std::ranges::find(
      pending_, event.content, [](const PendingRun& pending) { return pending.name.content; });
  MR_CHECK(run != pending_.end());
  last_failure_ = std::move(event.status);
  if (!last_failure_.is_ok()) {
    run->is_submitted = false;
    return try_later();
  }
  // Its bucket may have expired meanwhile.
  dedup.attach_run(run->name.content, reader(run->name));
  pending_.erase(run);
}

void IdStore::take_event(task::Dedup&, PartStored& event) {
  MR_CHECK(dump_.has_value());
  --dump_->in_flight;
  if (event.status.is_ok()) return;
  dump_->has_failed = true;
  last_failure_ = std::move(event.status);
  try_later();
}

void IdStore::take_event(task::Dedup& dedup, Merged& event) {
  const auto inputs = std::exchange(merging_, {});
  if (!event.result.is_ok()) {
    // Of a damaged run, say: whoever looks an id up in it says so.
    merge_not_before_ = clock_.monotonic_now() + kMergeRetryNs;
    seen_version_ = 0;
    return;
  }
  // Known before, so that it is garbage when the bucket has expired meanwhile.
  objects_.know(event.key);
  keys_.insert_or_assign(event.result->content, event.key);
  dedup.replace_runs(inputs, *event.result, reader(*event.result));
}

// A bucket that gets no more runs is merged as far as kIdsPerRunMax allows; the newest one when
// enough runs of a size have come together. Runs that the dump covers stay apart from others, so
// that a restore does not read their ids again.
void IdStore::start_merge(const task::Dedup& dedup) {
  struct Group {
    std::vector<task::IdRunName> runs;
    std::uint64_t id_count = 0;
  };
  std::map<std::tuple<std::int64_t, bool, int>, Group> groups;
  auto runs = dedup.runs();
  std::optional<std::int64_t> newest;
  for (const auto& run : runs) {
    if (run.is_newest_bucket) newest = run.bucket;
  }
  std::ranges::sort(runs, {},
                    [](const auto& run) { return std::pair(run.name.id_count, run.name.content); });
  for (const auto& run : runs) {
    if (!run.is_attached) continue;
    auto& group =
        groups[{run.bucket, run.is_covered, run.is_newest_bucket ? tier_of(run.name) : 0}];
    const bool is_full = group.runs.size() == kMergeFanIn ||
                         group.id_count + run.name.id_count > task::kIdsPerRunMax;
    if (is_full) continue;
    group.id_count += run.name.id_count;
    group.runs.push_back(run.name);
    const bool is_due = group.runs.size() == kMergeFanIn;
    if (is_due) return submit_merge(run.bucket, std::move(group.runs));
  }
  for (auto& [of, group] : groups) {
    const auto bucket = std::get<0>(of);
    if (bucket != newest && group.runs.size() > 1) {
      return submit_merge(bucket, std::move(group.runs));
    }
  }
}

void IdStore::submit_merge(std::int64_t bucket, std::vector<task::IdRunName> inputs) {
  merging_ = inputs;
  std::vector<RunToMerge> runs;
  for (const auto& name : inputs) {
    runs.push_back({key_of(name.content), name});
  }
  writer_.run(owner_, SnapshotWriter::Turn::later,
              [mailbox = mailbox_, bucket, runs = std::move(runs), prefix = objects_.prefix(),
               suffix = objects_.new_suffix()](objects::ObjectStore& store) {
                auto merged = merge_id_runs(store, bucket, runs);
                if (!merged.is_ok()) return mailbox->put(Merged{merged.status(), ""});
                const auto& [name, bytes] = *merged;
                const auto key = id_run_key(prefix, name.content, suffix);
                auto status = store.put(key, bytes, false);
                mailbox->put(Merged{status.is_ok() ? Result<task::IdRunName>(name)
                                                   : Result<task::IdRunName>(std::move(status)),
                                    key});
              });
}

bool IdStore::is_dump_due(const task::Dedup& dedup) const {
  const auto uncovered = dedup.uncovered_ids();
  return uncovered > dump_ids_min_ && uncovered > dedup.counts().live_ids / kDumpShare;
}

bool IdStore::continue_dump(task::Dedup& dedup) {
  if (!dump_) {
    if (seen_version_ == dedup.runs_version() || !is_dump_due(dedup)) return false;
    dump_.emplace(Dump{});
    dedup.begin_dump();
  }
  if (dump_->has_failed || dump_->is_encoded) {
    if (dump_->in_flight > 0) return false;
    if (dump_->has_failed) {
      dedup.abandon_dump();
    } else {
      dedup.finish_dump(std::move(dump_->parts));
    }
    dump_.reset();
    return true;
  }
  if (dump_->in_flight >= kDumpPartsInFlightMax) return false;
  const auto step = dedup.continue_dump(kDumpStepBytes, dump_->part);
  dump_->is_encoded = step == task::Dedup::DumpStep::done;
  const bool is_full = dump_->part.size() >= kDumpPartBytes;
  if (is_full || step != task::Dedup::DumpStep::more) submit_part();
  return true;
}

void IdStore::submit_part() {
  const auto bytes = std::make_shared<const std::string>(std::exchange(dump_->part, {}));
  const auto content = hash128(*bytes, kPartSeed);
  const auto key = fingerprints_key(objects_.prefix(), content, objects_.new_suffix());
  keys_.insert_or_assign(content, key);
  objects_.know(key);
  dump_->parts.push_back({content, bytes->size()});
  ++dump_->in_flight;
  writer_.run(owner_, SnapshotWriter::Turn::in_order,
              [mailbox = mailbox_, key, bytes](objects::ObjectStore& store) {
                mailbox->put(PartStored{store.put(key, *bytes, false)});
              });
}

bool IdStore::wait() {
  std::unique_lock lock(mailbox_->mutex);
  return mailbox_->changed.wait_for(lock, kWait, [this] { return !mailbox_->events.empty(); });
}

Status IdStore::flush(task::Dedup& dedup, int waits_max) {
  for (int waits = 0; waits < waits_max;) {
    take_sealed(dedup);
    submit_pending();
    const bool wants_dump = dump_ || dedup.uncovered_ids() > dump_ids_min_;
    if (pending_.empty() && !wants_dump) return ok_status();
    if (pending_.empty() && !dump_) {
      dump_.emplace(Dump{});
      dedup.begin_dump();
    }
    const bool is_encoding = dump_ && continue_dump(dedup);
    if (!is_encoding) waits = wait() ? 0 : waits + 1;
    take_events(dedup);
    if (!last_failure_.is_ok()) return std::exchange(last_failure_, {});
  }
  return overloaded_error("the object store has not taken the runs of ids for " +
                          std::to_string(kWait.count() * waits_max) + " ms");
}

std::vector<std::string> IdStore::named_keys(const task::Dedup& dedup) const {
  std::vector<std::string> keys;
  for (const auto& run : dedup.runs()) keys.push_back(key_of(run.name.content));
  for (const auto& part : dedup.dump_parts()) keys.push_back(key_of(part.content));
  return keys;
}

std::vector<std::shared_ptr<PendingObject>> IdStore::pending() const {
  std::vector<std::shared_ptr<PendingObject>> objects;
  for (const auto& run : pending_) objects.push_back(run.object);
  return objects;
}

std::set<std::string> IdStore::keys_in_use(const task::Dedup& dedup) {
  std::set<Hash128> contents;
  for (const auto& run : dedup.runs()) contents.insert(run.name.content);
  for (const auto& part : dedup.dump_parts()) contents.insert(part.content);
  for (const auto& run : pending_) contents.insert(run.name.content);
  for (const auto& run : merging_) contents.insert(run.content);
  if (dump_) {
    for (const auto& part : dump_->parts) contents.insert(part.content);
  }
  std::erase_if(keys_, [&](const auto& known) { return !contents.contains(known.first); });
  std::set<std::string> keys;
  for (const auto& [content, key] : keys_) keys.insert(key);
  return keys;
}

}  // namespace millrace::runtime
