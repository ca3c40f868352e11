#include "runtime/snapshot_check.h"

#include <string>

#include "codec/record_batch.h"

namespace millrace::runtime {

Status check_snapshot_identity(const log::Log& log, const RunnerOptions& task,
                               std::uint64_t source_incarnation, const SnapshotIdentity& identity) {
  if (identity.pipeline != task.pipeline || identity.stage != task.stage ||
      identity.partition != task.source.partition) {
    return corrupt_error("it is of another task");
  }
  if (identity.source_incarnation != source_incarnation) {
    return invalid_error("topic " + task.source.topic + " was deleted and created again since");
  }
  if (identity.source_partition_count != task.source_partition_count) {
    return invalid_error("topic " + task.source.topic + " had " +
                         std::to_string(identity.source_partition_count) +
                         " partitions then and has " + std::to_string(task.source_partition_count));
  }
  if (identity.last_batch_offset.value < 0) return ok_status();
  const auto fetched =
      log.fetch(task.source, identity.last_batch_offset, 1, log::Visibility::durable);
  if (!fetched.is_ok() || fetched->batches.empty()) return ok_status();
  const auto& batch = fetched->batches.front();
  if (batch.base_offset != identity.last_batch_offset) return ok_status();
  MR_ASSIGN_OR_RETURN(const auto header, codec::parse_batch_header(batch.bytes.view()));
  if (header.crc == identity.last_batch_crc) return ok_status();
  return corrupt_error("the log holds other records before its offset");
}

}  // namespace millrace::runtime
