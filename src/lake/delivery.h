#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/thread.h"
#include "base/time.h"
#include "lake/journal.h"
#include "lake/range_buffer.h"
#include "lake/writer_config.h"
#include "log/log.h"
#include "objects/object_store.h"
#include "task/outputs.h"

namespace millrace::lake {

// What a delivery works with; all outlive it.
struct DeliveryServices {
  log::Log* log = nullptr;
  objects::ObjectStore* objects = nullptr;
  const Clock* clock = nullptr;
};

// The right to deliver a partition of a log that several processes share.
struct DeliveryClaim {
  // Takes commits with the group's offset for as long as the partition is this process'; `fenced`
  // then.
  std::shared_ptr<log::CommitPort> port;
  std::string owner;                          // transactional id
  std::optional<log::GroupOffset> committed;  // what the group had when the port was opened
};

struct DeliveryOptions {
  std::string pipeline;    // name
  RangeIdentity identity;  // sink, folder, source partition
  TopicPartition journal;
  std::string group;  // whose offset says what is delivered
  WriterConfig writer;
  task::OutputTopic dead_letters;
  // A range ends at whichever comes first: bytes of input, or time since its first record was read.
  std::int64_t roll_bytes = 64 << 20;
  std::int64_t roll_interval_ms = 60'000;
  std::size_t files_per_range_max = kFilesPerRangeMax;
};

// What others see of a delivery. Totals are of everything ever delivered, by the journal.
struct DeliveryReport {
  std::string pipeline;
  std::string sink;
  TopicPartition source;
  Offset delivered_offset;  // first that is not in a delivered range
  Offset next_offset;       // first that is not even buffered
  std::uint64_t ranges = 0;
  std::uint64_t files = 0;
  std::uint64_t rows = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t dead_letters = 0;
  WallTime last_done_time;                  // 0: never
  std::optional<WallTime> oldest_buffered;  // when the log took the first undelivered record
  std::size_t buffered_bytes = 0;
  std::uint64_t failures = 0;  // since the start; each is followed by another attempt
  std::string last_error;      // empty when the last attempt went well
  // What the delivery waits for before it can begin; no failure. Empty: for nothing.
  std::string waiting_for;
};

// Takes one partition of a topic to files, exactly once (R18). Every range is decided in the
// journal before anything of it is written; files are a function of the range; a file is completed
// only if its name is free; the range's end is journalled with the group's offset and the dead
// letters. So whatever happens between, the next attempt finishes the same range with the same
// files.
//
// After an error the delivery is detached: it has forgotten everything, and attach() reads the
// journal again. One thread; report() from any.
//
// On a log that several processes share every attach needs a claim, and every commit carries the
// group's offset, so that it fails once the partition is somebody else's.
class Delivery {
 public:
  Delivery(DeliveryServices services, DeliveryOptions options);
  ~Delivery();

  // Reads the journal, or begins it. `invalid`, `corrupt`, `fenced` and `unsupported` need a human;
  // anything else may pass by trying again.
  Status attach();
  // `overloaded`: the journal does not show yet what the claim's offset stands for. That, and
  // `disconnected`, are a wait (note_wait) and count as no failure.
  Status attach(DeliveryClaim claim);
  // Why it is not attached and nothing is wrong; in the report until it is attached, fails, or
  // waits for something else.
  void note_wait(const Status& why);
  // Of a claim or an attach with one: nothing went wrong, something is not there yet.
  static bool is_wait(const Status& status);
  // Forgets everything, and needs nothing of the source any more.
  void detach();
  [[nodiscard]] bool is_attached() const { return is_attached_; }

  // A bounded piece of work: finishes a frozen range, or reads on and rolls when that is due. True
  // when there is more to do at once.
  Result<bool> step();
  // Delivers what is buffered, now.
  Status roll();
  // Delivers everything that is durable in the source by now; `cancelled` once `is_cancelled`.
  Status flush(const std::function<bool()>& is_cancelled);

  [[nodiscard]] std::size_t buffered_bytes() const;
  [[nodiscard]] const DeliveryOptions& options() const { return options_; }
  [[nodiscard]] DeliveryReport report() const;

 private:
  struct Upload {
    std::size_t file = 0;
    std::string id;
  };

  Status read_state();
  Status begin();
  Status check_log(const log::TopicInfo& topic) const;
  Status check_group_offset() const;
  Status check_claim() const;
  Status check_no_strangers();
  Result<bool> do_step();
  Result<bool> read();
  Status do_roll();
  Status do_flush(const std::function<bool()>& is_cancelled);
  // Detaches after an error, and publishes the report.
  Status settle(Status status);

  Status freeze();
  Status finish_open_range();
  Result<std::unique_ptr<RangeBuffer>> read_range(const FreezeEntry& freeze);
  Status deliver(const FreezeEntry& freeze, RangeBuffer& range, bool is_retry);
  // Known sizes by index in the freeze; nullopt where the file is not there yet.
  using FileBytes = std::vector<std::optional<std::uint64_t>>;
  Result<FileBytes> find_files(const FreezeEntry& freeze);
  Status start_uploads(const FreezeEntry& freeze, const FileBytes& known,
                       std::vector<Upload>& uploads);
  void abandon(const FreezeEntry& freeze, const std::vector<Upload>& uploads);
  Status upload(const EncodedFile& file, const Upload& upload, std::uint64_t& file_bytes);
  Status finish_range(const FreezeEntry& freeze, const RangeBuffer& range, DoneEntry done);
  Status append_dead_letters(const RangeBuffer& range, log::Commit& commit);

  [[nodiscard]] bool is_roll_due() const;
  // Appends the events to the journal together with `commit`, and returns when all of it is
  // durable.
  Status append(std::vector<LakeEvent> events, log::Commit commit);
  void pin();
  void publish();

  DeliveryServices services_;
  DeliveryOptions options_;
  std::shared_ptr<const WriterConfig> writer_;
  std::optional<DeliveryClaim> claim_;
  bool is_attached_ = false;
  bool is_pinned_ = false;
  DeliveryState state_;
  std::unique_ptr<RangeBuffer> range_;  // being filled; starts at state_.next_offset
  MonotonicTime range_begun_;
  std::uint64_t failures_ = 0;
  std::string last_error_;
  std::string waiting_for_;
  mutable Mutex mutex_;  // guards the report
  DeliveryReport report_;
};

}  // namespace millrace::lake
