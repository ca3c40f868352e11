#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "codec/record_batch.h"
#include "log/log.h"
#include "log/shared_log.h"
#include "model/topic.h"

namespace millrace::mirror {

struct MirrorOptions {
  std::string name = "default";          // see is_valid_name()
  std::vector<std::string> topics = {};  // each once
  // A range that the source no longer has is stepped over; without it that is an error.
  bool accepts_gaps = false;
  // Partitions of the target that hold records although nothing is known of their position: copied
  // from the source's start all the same, behind what is there. Without it that is an error, since
  // records could come twice.
  bool starts_anew = false;
};

// Letters, digits, dots, hyphens and underscores, 1 to 100 of them.
bool is_valid_name(std::string_view name);
// The group whose offsets in the target are the positions in the source.
std::string group_of(std::string_view name);

struct PartitionProgress {
  TopicPartition partition;
  Offset position;            // the next offset of the source to copy, durable in the target
  Offset source_end;          // when it was last read
  std::uint64_t records = 0;  // copied by this object
};

// Copies topics from one log to another, exactly once: records and positions are one transaction of
// the target. Kept are key, value, headers, timestamp (where the target's topic keeps them) and
// partition of each record, and the order within a partition; not kept are offsets and the cut into
// batches. Only what is committed is copied, markers and aborted records are not.
//
// Whoever opens a mirror of the same name fences this one.
//
// One thread. Both logs outlive it.
class Mirror {
 public:
  // `producer`: of the transactional id group_of(name), in `to`.
  Mirror(const log::Log& from, log::Log& to, std::unique_ptr<log::TransactionalProducer> producer,
         MirrorOptions options);

  // Takes the name over, makes the target's topics that are missing, and reads the positions. To be
  // called first, and again after any error of itself or of step() that may pass.
  // `invalid`: the topics do not fit each other. `out_of_range`: a gap, or a source that is shorter
  // than what was copied of it. `wrong_state`: records without a position, or a topic that this
  // name copies the other way round. Each says what would be right.
  Status open();

  // Copies what one transaction holds; false when everything was copied that was there. `fenced`
  // when another mirror has the name.
  Result<bool> step();
  // Writes the positions although nothing was copied, so that the target does not forget them.
  Status refresh();

  // As of the last step, ordered by topic and partition.
  [[nodiscard]] std::vector<PartitionProgress> progress() const;
  [[nodiscard]] std::uint64_t copied_records() const { return copied_records_; }

 private:
  struct Partition {
    Offset position;  // durable in the target
    Offset next;      // read up to here
    Offset source_end;
    std::uint64_t incarnation = 0;  // of the source's topic
    std::int32_t batch_bytes_max = 0;
    std::uint64_t records = 0;
    std::uint64_t pending_records = 0;  // in the transaction under way
  };
  using Partitions = std::map<TopicPartition, Partition>;

  Status check_topic(const std::string& topic);
  Status place(const TopicPartition& at, Partition& partition,
               const std::map<TopicPartition, log::GroupOffset>& known);
  Status check_range(const TopicPartition& at, Partition& partition);
  Result<std::map<TopicPartition, log::GroupOffset>> known_positions();
  // Puts records from `next` on into the transaction; whether there may be more.
  Result<bool> collect(const TopicPartition& at, Partition& partition);
  Status take_records(const log::FetchedBatch& batch, const TopicPartition& at,
                      Partition& partition);
  void finish_batch(const TopicPartition& at, codec::RecordBatchBuilder& builder);
  Status commit();
  // After an outcome that is not known: whether the positions of the transaction are the target's.
  Result<bool> was_committed();
  [[nodiscard]] std::vector<log::OffsetCommit> offsets() const;
  void take_over_positions();

  const log::Log& from_;
  log::Log& to_;
  const std::unique_ptr<log::TransactionalProducer> producer_;
  const MirrorOptions options_;
  const std::string group_;
  bool is_open_ = false;
  Partitions partitions_;
  std::optional<TopicPartition> last_read_;  // where the next transaction begins behind
  log::Commit pending_;
  std::size_t pending_bytes_ = 0;
  codec::BatchReader reader_;
  codec::RecordBatchBuilder builder_;
  std::uint64_t copied_records_ = 0;
};

}  // namespace millrace::mirror
