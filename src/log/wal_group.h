#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "log/wal_format.h"

namespace millrace::log {

class PartitionLog;

struct PlacedBatch {
  std::shared_ptr<PartitionLog> partition;
  std::uint64_t topic_id = 0;
  std::int32_t partition_index = 0;
  std::uint64_t tail_index = 0;  // where the partition keeps it
  std::shared_ptr<const std::string> bytes;
  std::uint64_t wal_offset = 0;  // in its file; filled in by the writer
};

// One entry on its way to the disk.
struct WalItem {
  EntryKind kind = EntryKind::commit;
  CommitSequence sequence;
  WallTime append_time;
  std::vector<PlacedBatch> batches;   // of a commit
  std::vector<OffsetCommit> offsets;  // of a commit
  std::string meta;                   // of every other kind
  std::size_t reserved_bytes = 0;     // what was given to try_reserve
  bool is_first_of_file = false;      // set by push
};

// Turns items into the bytes of one group. Large batches are not copied: the buffers point into
// them. Reusable; one thread.
class GroupEncoder {
 public:
  // Completes `header` (first commit, counts, lengths, checksum) and tells each batch where it will
  // stand. The buffers are the group's bytes in order; they live until the next call and as long as
  // `items`.
  const std::vector<std::string_view>& encode(GroupHeader header, std::vector<WalItem>& items);
  [[nodiscard]] std::uint64_t group_bytes() const { return group_bytes_; }

 private:
  struct Span {  // a piece of the payload: in scratch_, or somebody else's buffer
    const char* external = nullptr;
    std::size_t scratch_position = 0;
    std::size_t span_bytes = 0;
  };

  void encode_item(WalItem& item, std::uint64_t& position);
  void add_external(std::string_view bytes);
  void add_scratch(std::size_t from);

  std::string header_;
  std::string scratch_;
  std::vector<Span> spans_;
  std::vector<std::string_view> buffers_;
  std::uint64_t group_bytes_ = 0;
};

}  // namespace millrace::log
