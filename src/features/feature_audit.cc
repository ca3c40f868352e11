#include "features/feature_audit.h"

#include <unordered_map>

#include "base/hash.h"
#include "codec/record_batch.h"
#include "features/store_format.h"

namespace millrace::features {
namespace {

constexpr std::size_t kFetchBytes = 1 << 20;
constexpr std::uint64_t kSeed = 0x6665617475726573;

struct Newest {
  EventTime event_time;
  std::int64_t revision = 0;
  Hash128 json;
};

class GroupAudit {
 public:
  GroupAudit(const log::Log& log, const OnlineStore& store, const FeatureGroup& group)
      : log_(log), group_(group), cursor_(store.cursor()), decoder_(group.event_time) {}

  Result<std::vector<AuditCheck>> run() {
    MR_RETURN_IF_ERROR(read_position());
    for (std::size_t i = 0; i < position_.partitions.size(); ++i) {
      MR_RETURN_IF_ERROR(read_partition(i));
    }
    const auto expected_count = newest_.size();
    MR_RETURN_IF_ERROR(compare());
    const auto counts = std::to_string(position_.record_count) + " counted, " +
                        std::to_string(stored_count_) + " stored, " +
                        std::to_string(expected_count) + " ids in " +
                        std::to_string(record_count_) + " records of the topic";
    return std::vector<AuditCheck>{
        {name("every record is the newest of its id"), fault_.empty(),
         fault_.empty() ? counts : fault_},
        {name("the record count is exact"),
         position_.record_count == stored_count_ && stored_count_ == expected_count, counts},
        {name("every record of the topic is readable"), unreadable_.empty(),
         unreadable_.empty() ? counts : unreadable_}};
  }

  [[nodiscard]] std::string name(const std::string& what) const {
    return "features " + group_.name + ": " + what;
  }

 private:
  Status read_position() {
    const auto key = group_key(group_.name);
    cursor_->seek(key);
    MR_RETURN_IF_ERROR(cursor_->status());
    if (!cursor_->is_at_entry() || cursor_->key() != key) {
      return not_found_error("the store has nothing of the group");
    }
    MR_ASSIGN_OR_RETURN(position_, decode_position(cursor_->value()));
    MR_ASSIGN_OR_RETURN(const auto topic, log_.topic(group_.topic));
    if (topic.incarnation != position_.incarnation) {
      return invalid_error("topic " + group_.topic + " was made again and is not applied yet");
    }
    return ok_status();
  }

  Status read_partition(std::size_t index) {
    const TopicPartition source{group_.topic, static_cast<std::int32_t>(index)};
    MR_ASSIGN_OR_RETURN(const auto offsets, log_.offsets(source));
    const auto end = position_.partitions[index].next_offset;
    for (Offset next = offsets.start; next < end;) {
      MR_ASSIGN_OR_RETURN(const auto fetched,
                          log_.fetch(source, next, kFetchBytes, log::Visibility::durable));
      if (fetched.batches.empty()) {
        return out_of_range_error(source.to_string() + " ends at " + std::to_string(next.value) +
                                  ", the store stands at " + std::to_string(end.value));
      }
      for (const auto& batch : fetched.batches) {
        if (batch.base_offset >= end) return ok_status();
        if (batch.kind == log::BatchKind::records) {
          MR_RETURN_IF_ERROR(read_batch(source, batch, next, end));
        }
        next = batch.next_offset;
      }
    }
    return ok_status();
  }

  Status read_batch(const TopicPartition& source, const log::FetchedBatch& batch, Offset from,
                    Offset end) {
    MR_RETURN_IF_ERROR(reader_.open(batch.bytes.view()));
    while (const auto* record = reader_.next()) {
      if (record->offset < from || record->offset >= end) continue;
      ++record_count_;
      const auto feature = decoder_.decode(*record);
      if (!feature.is_ok()) {
        unreadable_ = source.to_string() + "/" + std::to_string(record->offset.value) + ": " +
                      std::string(feature.status().message());
        continue;
      }
      take(*feature);
    }
    if (newest_.size() > kAuditedIdsMax) {
      return overloaded_error("there are more than " + std::to_string(kAuditedIdsMax) +
                              " record ids, too many to audit");
    }
    return reader_.status();
  }

  // Written a second time on purpose, not shared with what it checks.
  void take(const DecodedFeature& feature) {
    const Newest now{feature.event_time, feature.revision, hash128(feature.json, kSeed)};
    const auto [known, is_first] = newest_.try_emplace(std::string(feature.record_id), now);
    if (is_first) return;
    const auto& before = known->second;
    const bool wins = now.event_time > before.event_time ||
                      (now.event_time == before.event_time && now.revision > before.revision);
    if (wins) known->second = now;
  }

  // Takes from newest_ what the store has.
  Status compare() {
    const auto keys = record_keys(group_.name);
    for (cursor_->seek(keys.first); cursor_->is_at_entry() && cursor_->key() < keys.end;
         cursor_->advance()) {
      ++stored_count_;
      const auto id = std::string(record_id_of(cursor_->key(), group_.name));
      MR_ASSIGN_OR_RETURN(const auto stored, decode_record(id, cursor_->value()));
      const auto found = newest_.find(id);
      if (found == newest_.end()) {
        fault_ = "record " + id + " is not in the topic";
        continue;
      }
      const auto& expected = found->second;
      const bool is_equal = stored.event_time == expected.event_time &&
                            stored.revision == expected.revision &&
                            hash128(stored.json, kSeed) == expected.json;
      if (!is_equal) {
        fault_ = "record " + id + " is revision " + std::to_string(stored.revision) +
                 ", the topic's newest is " + std::to_string(expected.revision);
      }
      newest_.erase(found);
    }
    if (!newest_.empty()) {
      fault_ =
          std::to_string(newest_.size()) + " ids are missing, one is " + newest_.begin()->first;
    }
    return cursor_->status();
  }

  const log::Log& log_;
  const FeatureGroup& group_;
  std::unique_ptr<StoreCursor> cursor_;
  FeatureDecoder decoder_;
  codec::BatchReader reader_;
  GroupPosition position_;
  std::unordered_map<std::string, Newest> newest_;
  std::uint64_t record_count_ = 0;
  std::uint64_t stored_count_ = 0;
  std::string fault_;       // the last one found
  std::string unreadable_;  // likewise
};

}  // namespace

std::vector<AuditCheck> audit_group(const log::Log& log, const OnlineStore& store,
                                    const FeatureGroup& group) {
  GroupAudit audit(log, store, group);
  auto checks = audit.run();
  if (checks.is_ok()) return std::move(checks).value();
  return {
      {audit.name("the store can be compared with the topic"), false, checks.status().to_string()}};
}

}  // namespace millrace::features
