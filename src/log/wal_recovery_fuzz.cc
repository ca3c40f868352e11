// What recovery reads behind its checksums: the entries of a group, applied to a log that has a
// topic, or the body of a checkpoint. Whatever they hold, the end is an error or a state.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "log/checkpoint.h"
#include "log/log_state.h"
#include "log/wal_format.h"
#include "sys/file_system.h"

namespace millrace::log {
namespace {

void apply_entries(std::string_view payload) {
  sys::PosixFileSystem files;  // applying touches no file
  LogState state(files, "/nonexistent", LogId{1, 2});
  TopicConfig config;
  config.partition_count = 2;
  state.create_topic({.name = "t", .topic_id = 1, .config = config});
  const auto file = std::make_shared<WalFile>();
  std::uint64_t batches = 0;
  for (std::uint64_t sequence = 1;; ++sequence) {
    const auto entry = take_entry(payload);
    if (!entry.is_ok()) return;
    if (!state.apply(CommitSequence(sequence), entry.value(), file, 64, batches).is_ok()) return;
  }
}

void read_checkpoint(std::string bytes) {
  append_little(bytes, crc32c(bytes));
  const auto checkpoint = parse_checkpoint(bytes);
  if (!checkpoint.is_ok()) return;
  Decoder groups(checkpoint.value().groups);
  GroupTable().decode(groups);
  for (const auto& topic : checkpoint.value().topics) {
    for (const auto& partition : topic.partitions) {
      Decoder producers(partition.producers);
      static_cast<void>(ProducerTable::decode(producers));
    }
  }
}

void read_anything(std::string_view bytes) {
  if (bytes.empty()) return;
  const bool is_checkpoint = bytes[0] % 2 != 0;
  bytes.remove_prefix(1);
  static_cast<void>(parse_file_header(bytes));
  static_cast<void>(parse_group_header(bytes));
  if (is_checkpoint) {
    read_checkpoint(std::string(bytes));
  } else {
    apply_entries(bytes);
  }
}

}  // namespace
}  // namespace millrace::log

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  millrace::log::read_anything({reinterpret_cast<const char*>(data), size});
  return 0;
}
