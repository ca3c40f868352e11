#include "log/embedded_log.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "log/checkpoint.h"
#include "log/embedded_log_impl.h"
#include "log/log_state.h"
#include "log/maintenance.h"
#include "log/wal_recovery.h"

namespace millrace::log {

namespace {

constexpr std::uint64_t kWalFileBytesMin = 4096;
constexpr std::uint64_t kWalFileBytesMax = std::uint64_t{2} << 30;

std::string wal_folder(const EmbeddedLogOptions& options) {
  return options.folder + "/wal";
}

Status check_options(const EmbeddedLogOptions& options) {
  if (options.folder.empty()) return invalid_error("the log needs a folder");
  if (options.wal_file_bytes < kWalFileBytesMin || options.wal_file_bytes > kWalFileBytesMax) {
    return invalid_error("wal_file_bytes is " + std::to_string(options.wal_file_bytes) +
                         "; it must be " + std::to_string(kWalFileBytesMin) + " to " +
                         std::to_string(kWalFileBytesMax));
  }
  if (options.unsynced_bytes_max == 0 || options.maintenance_interval_ms < 1) {
    return invalid_error("unsynced_bytes_max and maintenance_interval_ms must be at least 1");
  }
  return ok_status();
}

// Unique, not secret: no two logs start in one folder at one nanosecond.
LogId make_log_id(const std::string& folder, const Clock& clock) {
  std::string seed = folder;
  append_little(seed, clock.wall_now().value);
  append_little(seed, clock.monotonic_now().value);
  return hash128(seed, 0);
}

// A folder without checkpoint is new, or was left by a crash while it was being created; WAL files
// with groups in it mean that the checkpoint got lost.
Status check_new(sys::FileSystem& files, const EmbeddedLogOptions& options) {
  MR_ASSIGN_OR_RETURN(const auto names, files.list(wal_folder(options)));
  for (const auto& name : names) {
    const std::string path = wal_folder(options) + "/" + name;
    MR_ASSIGN_OR_RETURN(const auto file, files.open_to_read(path));
    std::string head;
    MR_RETURN_IF_ERROR(file->read_at(0, kWalFileHeaderBytes + kGroupHeaderBytes, head));
    if (head.size() > kWalFileHeaderBytes &&
        parse_group_header(std::string_view(head).substr(kWalFileHeaderBytes)).is_ok()) {
      return corrupt_error(checkpoint_path(options.folder) + " is missing, but " + path +
                           " holds records; restore the whole folder from a backup");
    }
    MR_RETURN_IF_ERROR(files.remove(path));
  }
  return ok_status();
}

Status create_new(sys::FileSystem& files, const Clock& clock, const EmbeddedLogOptions& options) {
  MR_RETURN_IF_ERROR(check_new(files, options));
  Checkpoint checkpoint;
  checkpoint.log_id = make_log_id(options.folder, clock);
  checkpoint.wal = {.position = {.file = 1, .offset = kWalFileHeaderBytes}, .next_group = 1};
  std::string no_groups;
  Encoder to(no_groups);
  GroupTable().encode(to);
  checkpoint.groups = std::move(no_groups);
  WalFiles wal(files, wal_folder(options), checkpoint.log_id, options.wal_file_bytes);
  auto first = wal.prepare(1);
  if (!first.is_ok()) return std::move(first).take_status();
  // The names of the folders in it, which the checkpoint presumes.
  MR_RETURN_IF_ERROR(files.sync_folder(options.folder));
  // The checkpoint comes last: it is what makes the folder a log.
  MR_RETURN_IF_ERROR(
      files.write_file_atomically(checkpoint_path(options.folder), encode_checkpoint(checkpoint)));
  return ok_status();
}

// A process that died between renaming and syncing leaves a checkpoint that this one reads and a
// power loss may still take back, after what the one before it needs was removed.
Status make_checkpoint_durable(sys::FileSystem& files, const std::string& folder) {
  MR_RETURN_IF_ERROR(files.sync_folder(folder));
  // The folder's own name is durable only once its parent is synced.
  const std::size_t slash = folder.find_last_of('/');
  const std::string parent = slash == std::string::npos ? "." : folder.substr(0, slash);
  return files.sync_folder(parent.empty() ? "/" : parent);
}

Status remove_wal_below(sys::FileSystem& files, const std::string& folder, std::uint64_t sequence) {
  MR_ASSIGN_OR_RETURN(const auto names, files.list(folder));
  for (const auto& name : names) {
    if (parse_wal_file_name(name) < sequence) {
      MR_RETURN_IF_ERROR(files.remove(folder + "/" + name));
    }
  }
  return ok_status();
}

}  // namespace

Result<std::unique_ptr<EmbeddedLog>> EmbeddedLog::open(const EmbeddedLogOptions& options,
                                                       sys::FileSystem& files, const Clock& clock) {
  MR_RETURN_IF_ERROR(check_options(options));
  MR_RETURN_IF_ERROR(files.make_folders(wal_folder(options)));
  MR_RETURN_IF_ERROR(files.make_folders(options.folder + "/topics"));
  const std::string path = checkpoint_path(options.folder);
  MR_ASSIGN_OR_RETURN(const bool is_there, files.exists(path));
  if (!is_there) MR_RETURN_IF_ERROR(create_new(files, clock, options));
  MR_RETURN_IF_ERROR(make_checkpoint_durable(files, options.folder));

  MR_ASSIGN_OR_RETURN(const std::string bytes, files.read_file(path));
  auto parsed = parse_checkpoint(bytes);
  if (!parsed.is_ok()) {
    return std::move(parsed).take_status().with_context(
        path + " is damaged; restore the whole folder from a backup");
  }
  const Checkpoint& checkpoint = *parsed;
  RecoveryReport report;
  auto state = std::make_unique<LogState>(files, options.folder, checkpoint.log_id);
  MR_RETURN_IF_ERROR(state->restore(checkpoint));
  auto wal = std::make_unique<WalFiles>(files, wal_folder(options), checkpoint.log_id,
                                        options.wal_file_bytes);
  const auto visit = [&](const RecoveredEntry& entry) {
    return state->apply(entry.sequence, entry.entry, entry.file, entry.data_offset,
                        report.batches_replayed);
  };
  MR_ASSIGN_OR_RETURN(WalRecovery recovered,
                      recover_wal(files, *wal, checkpoint.log_id, checkpoint.wal, visit, report));
  MR_RETURN_IF_ERROR(remove_wal_below(files, wal->folder(), checkpoint.wal.position.file));
  MR_RETURN_IF_ERROR(state->remove_unknown_folders());
  auto log = std::make_unique<EmbeddedLogImpl>(options, files, clock, std::move(state),
                                               std::move(wal), std::move(recovered.current),
                                               recovered.end, std::move(report));
  log->make_room();
  return std::unique_ptr<EmbeddedLog>(std::move(log));
}

}  // namespace millrace::log
