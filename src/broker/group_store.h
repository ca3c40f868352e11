#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "broker/consumer_group_record.h"
#include "broker/group_record.h"
#include "log/log.h"

namespace millrace::broker {

inline constexpr std::string_view kGroupsTopic = "millrace.broker.groups";

// What is durable of the groups: in kGroupsTopic a record each, of consumer groups one for each
// member, too; and their offsets in the log.
// Not thread-safe.
class GroupStore {
 public:
  struct Loaded {
    std::map<std::string, GroupRecord> groups;
    std::map<std::string, ConsumerGroupRecords> consumer_groups;
    std::vector<std::string> notes;  // what could not be read, a sentence each
  };

  explicit GroupStore(log::Log& log) : log_(log) {}

  // Creates the topic where it is missing, and reads it. A record that cannot be read is noted and
  // left out; it stays in the topic until its group is stored again.
  Result<Loaded> load();

  // Appends the group's new record and the offsets, which become durable together. Does not wait
  // for the disk.
  Result<log::CommitSequence> save(const std::string& group_id, const GroupRecord& record,
                                   WallTime now, std::vector<log::OffsetCommit> offsets = {});
  // The same for what changes of a consumer group.
  Result<log::CommitSequence> save(const std::string& group_id, std::uint64_t incarnation,
                                   const ConsumerGroupChange& change, WallTime now,
                                   std::vector<log::OffsetCommit> offsets = {});
  // Offsets of a group whose record stays as it is; one of log::kNoOffset is removed.
  Result<log::CommitSequence> save_offsets(std::vector<log::OffsetCommit> offsets);
  // The group is gone, and had no members: its record, if it has one, and all its offsets.
  // `appended` are those that the log may not show yet, not being durable.
  Result<log::CommitSequence> remove(const std::string& group_id, bool has_record,
                                     const std::vector<TopicPartition>& appended, WallTime now);

 private:
  struct Reading;
  Status read_all(Reading& reading) const;

  log::Log& log_;
};

}  // namespace millrace::broker
