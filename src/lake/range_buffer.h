#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/arena.h"
#include "base/status.h"
#include "codec/record_batch.h"
#include "codec/row_decoder.h"
#include "lake/file_encoder.h"
#include "lake/journal.h"
#include "lake/partition_path.h"
#include "lake/writer_config.h"
#include "log/log.h"

namespace millrace::lake {

inline constexpr std::size_t kFilesPerRangeMax = 256;
// Dead letters of a range travel in one commit with its end.
inline constexpr std::size_t kDeadLetterBytesMax = std::size_t{2} << 20;

// Whose rows the buffer holds.
struct RangeIdentity {
  std::string sink;
  std::string folder;    // first part of the keys: "lake/ticks"
  std::string pipeline;  // "ticks@1", for dead letters
  std::string dead_letter_id_alias;
  TopicPartition source;
};

// Where a range ends. Re-reading a frozen one knows; a new one ends at the first bound it reaches.
struct RangeLimits {
  Offset next_offset = Offset(std::numeric_limits<std::int64_t>::max());
  std::size_t input_bytes_max = std::numeric_limits<std::size_t>::max();
  std::size_t files_max = std::numeric_limits<std::size_t>::max();
  std::size_t dead_letter_bytes_max = std::numeric_limits<std::size_t>::max();
};

// A row that no file can hold, on its way to the dead letter topic.
struct RefusedRow {
  Offset offset;
  WallTime time;  // processing time: when the log took the record (R11)
  std::optional<std::string> key;
  std::string letter;
  std::string reference;  // the letter without the original message, for one that is too large
};

struct EncodedFile {
  std::string path;
  std::string bytes;
};

// Sorts the records of one partition from `first_offset` on into files. Pure: what is in the files,
// what they are called and what is refused depends on the writer and on the records of
// [first_offset, next_offset()) alone, so that reading the same range again gives the same bytes.
// One thread.
class RangeBuffer {
 public:
  // `writer` has passed check_writer.
  RangeBuffer(std::shared_ptr<const WriterConfig> writer, RangeIdentity identity,
              Offset first_offset, RangeLimits limits);

  // Takes the batch's records from next_offset() on. True when a limit was reached: the range ends
  // at next_offset(), which may be within the batch.
  Result<bool> add(const log::FetchedBatch& batch);

  [[nodiscard]] Offset first_offset() const { return first_offset_; }
  [[nodiscard]] Offset next_offset() const { return next_offset_; }
  [[nodiscard]] bool empty() const { return next_offset_ == first_offset_; }
  [[nodiscard]] std::size_t input_bytes() const { return input_bytes_; }
  [[nodiscard]] std::size_t buffered_bytes() const;
  [[nodiscard]] std::optional<WallTime> first_append_time() const { return first_append_time_; }

  // Names and row counts if the range ended here, in the order of the files' first rows.
  [[nodiscard]] std::vector<FrozenFile> files() const;
  [[nodiscard]] const std::vector<RefusedRow>& refused() const { return refused_; }
  // The files of files(), encoded. Once, as the last call.
  Result<std::vector<EncodedFile>> finish();

 private:
  struct OpenFile {
    std::string folder;
    std::unique_ptr<FileEncoder> encoder;
    std::uint64_t rows = 0;
  };

  // False when the record opens a file too many and so belongs to the next range.
  Result<bool> take(const RecordView& record, WallTime append_time);
  // Why the record's value cannot be a row; ok when it is in row_.
  Status decode(const RecordView& record);
  // nullptr when there are too many.
  Result<OpenFile*> file_for(std::string_view folder);
  void refuse(const RecordView& record, WallTime append_time, std::string_view why);
  [[nodiscard]] std::string path_of(const OpenFile& file, std::size_t number) const;

  std::shared_ptr<const WriterConfig> writer_;
  RangeIdentity identity_;
  Offset first_offset_;
  Offset next_offset_;
  RangeLimits limits_;
  codec::RowDecoder decoder_;
  PartitionPath path_;
  std::uint64_t needed_slots_;  // a row is refused when one of these does not fit its type
  codec::BatchReader reader_;
  Arena arena_;
  std::vector<Value> row_;
  std::vector<OpenFile> files_;
  std::unordered_map<std::string, std::size_t> file_by_folder_;
  std::size_t last_file_ = 0;
  std::vector<RefusedRow> refused_;
  std::size_t dead_letter_bytes_ = 0;
  std::size_t input_bytes_ = 0;
  std::optional<WallTime> first_append_time_;
};

// Key of the object that holds a letter too large for the dead letter topic (R10).
std::string dead_letter_key(const RangeIdentity& identity, Offset offset);

}  // namespace millrace::lake
