#include "log/wal_recovery.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"
#include "log/wal_reader.h"

namespace millrace::log {

namespace {

class Recovery {
 public:
  Recovery(sys::FileSystem& files, WalFiles& wal, LogId log_id, WalEnd from,
           const std::function<Status(const RecoveredEntry&)>& visit, RecoveryReport& report)
      : files_(files), wal_(wal), log_id_(log_id), end_(from), visit_(visit), report_(report) {}

  Result<WalRecovery> run() {
    MR_RETURN_IF_ERROR(list_files());
    MR_RETURN_IF_ERROR(load(end_.position.file));
    for (;;) {
      MR_ASSIGN_OR_RETURN(const bool is_there, take_group_at(end_.position.offset));
      if (is_there) {
        MR_RETURN_IF_ERROR(replay_group());
        continue;
      }
      MR_ASSIGN_OR_RETURN(const bool has_moved, try_next_file());
      if (!has_moved) break;
    }
    MR_RETURN_IF_ERROR(look_behind_the_end());
    return cut_and_finish();
  }

 private:
  [[nodiscard]] std::string path_of(std::uint64_t sequence) const {
    return wal_.folder() + "/" + wal_file_name(sequence);
  }
  [[nodiscard]] std::string place_text() const {
    return file_->path + " at byte " + std::to_string(end_.position.offset);
  }
  [[nodiscard]] bool is_ours(const GroupHeader& header, WalPosition position) const {
    return header.log_id == log_id_ && header.position == position;
  }

  Status list_files() {
    MR_ASSIGN_OR_RETURN(const auto names, files_.list(wal_.folder()));
    for (const auto& name : names) {
      const std::uint64_t sequence = parse_wal_file_name(name);
      if (sequence >= end_.position.file) sequences_.push_back(sequence);
    }
    if (sequences_.empty() || sequences_.front() != end_.position.file) {
      return corrupt_error("the WAL file " + path_of(end_.position.file) +
                           " that the checkpoint names is missing; restore the whole folder from a "
                           "backup");
    }
    return ok_status();
  }

  Status load(std::uint64_t sequence) {
    MR_ASSIGN_OR_RETURN(file_, wal_.open_existing(sequence));
    MR_ASSIGN_OR_RETURN(reader_, WalReader::open(*file_->file));
    return ok_status();
  }

  // True when the expected group stands whole at `offset` of the loaded file; it is then in group_.
  Result<bool> take_group_at(std::uint64_t offset) {
    MR_ASSIGN_OR_RETURN(std::string_view bytes, reader_->view(offset, kGroupHeaderBytes));
    const auto header = parse_group_header(bytes);
    if (!header.is_ok() || !is_ours(header.value(), {file_->sequence, offset})) return false;
    group_ = header.value();
    if (group_.group != end_.next_group || group_.previous_end != end_.position) return false;
    MR_ASSIGN_OR_RETURN(bytes, reader_->view(offset, kGroupHeaderBytes + group_.payload_bytes));
    if (bytes.size() != kGroupHeaderBytes + group_.payload_bytes) return false;
    payload_ = bytes.substr(kGroupHeaderBytes);
    return crc32c(payload_) == group_.payload_crc;
  }

  Status replay_group() {
    const std::uint64_t payload_offset = group_.position.offset + kGroupHeaderBytes;
    CommitSequence sequence = group_.first_commit;
    std::string_view rest = payload_;
    for (std::uint32_t i = 0; i < group_.entry_count; ++i, ++sequence) {
      MR_ASSIGN_OR_RETURN(const EntryView entry, take_entry(rest));
      const std::uint64_t data_offset =
          payload_offset + static_cast<std::uint64_t>(entry.data.data() - payload_.data());
      MR_RETURN_IF_ERROR(visit_({sequence, entry, file_, data_offset}).with_context(place_text()));
    }
    if (!rest.empty()) return corrupt_error(place_text() + ": bytes behind the group's entries");
    ++report_.groups_replayed;
    end_.position = {file_->sequence, payload_offset + payload_.size()};
    ++end_.next_group;
    return ok_status();
  }

  // The log goes on in the next file if the expected group starts there.
  Result<bool> try_next_file() {
    const auto at = std::find(sequences_.begin(), sequences_.end(), file_->sequence);
    MR_CHECK(at != sequences_.end());
    if (at + 1 == sequences_.end()) return false;
    const auto previous = file_;
    MR_RETURN_IF_ERROR(load(*(at + 1)));
    MR_ASSIGN_OR_RETURN(const bool is_there, take_group_at(kWalFileHeaderBytes));
    if (is_there) {
      // The previous file needs no sync: the writer leaves one only when all of it is on disk.
      MR_RETURN_IF_ERROR(replay_group());
      return true;
    }
    wal_.forget(file_->sequence);
    file_ = previous;
    MR_ASSIGN_OR_RETURN(reader_, WalReader::open(*file_->file));
    return false;
  }

  // Whether the end is a torn tail, which may be cut, or damage, which may not (R17).
  Status look_behind_the_end() {
    const std::uint64_t missing = end_.next_group;
    MR_ASSIGN_OR_RETURN(const WalRemains here,
                        scan_remains(*reader_, log_id_, end_.position, missing));
    auto later = here.later_group;
    for (const std::uint64_t sequence : sequences_) {
      if (later || sequence <= file_->sequence) continue;
      MR_ASSIGN_OR_RETURN(const auto file, files_.open_to_read(path_of(sequence)));
      MR_ASSIGN_OR_RETURN(WalReader reader, WalReader::open(*file));
      MR_ASSIGN_OR_RETURN(const WalRemains there,
                          scan_remains(reader, log_id_, {sequence, kWalFileHeaderBytes}, missing));
      later = there.later_group;
    }
    if (later && later->synced_through >= missing) return damaged(*later);
    if (later) {
      // Written without a sync per commit: the newest groups reached the disk out of order.
      report_.notes.push_back(
          "a power loss took commits that were acknowledged before they were synced, as the sync "
          "policy allows; the log ends before group " +
          std::to_string(missing) + ", group " + std::to_string(later->group) +
          " was found behind it and cut off");
      must_cut_ = true;
    }
    MR_ASSIGN_OR_RETURN(report_.torn_tail_bytes, torn_bytes(here.nonzero_end));
    return ok_status();
  }

  [[nodiscard]] Status damaged(const GroupHeader& later) const {
    return corrupt_error(place_text() + ": group " + std::to_string(end_.next_group) +
                         " is damaged, but group " + std::to_string(later.group) + " follows in " +
                         wal_file_name(later.position.file) + " at byte " +
                         std::to_string(later.position.offset) +
                         ". Cutting here would lose acknowledged records: restore the folder from "
                         "a backup. To give up everything from this group on, run: truncate -s " +
                         std::to_string(end_.position.offset) + " '" + file_->path +
                         "', and remove the WAL files with higher numbers");
  }

  // Bytes behind the end that a cut-off write left. In a file that was used before, only a header
  // that survived tells them from old groups.
  Result<std::uint64_t> torn_bytes(std::uint64_t nonzero_end) {
    if (nonzero_end <= end_.position.offset) return std::uint64_t{0};
    MR_ASSIGN_OR_RETURN(std::string_view head, reader_->view(0, kWalFileHeaderBytes));
    const auto file_header = parse_file_header(head);
    if (file_header.is_ok() && !file_header.value().is_recycled) {
      return nonzero_end - end_.position.offset;
    }
    MR_ASSIGN_OR_RETURN(head, reader_->view(end_.position.offset, kGroupHeaderBytes));
    return begun_bytes(head, end_.position);
  }

  // Of the group whose header stands at `position`, if it is one of this log.
  [[nodiscard]] std::uint64_t begun_bytes(std::string_view head, WalPosition position) const {
    const auto header = parse_group_header(head);
    if (!header.is_ok() || !is_ours(header.value(), position)) return 0;
    return kGroupHeaderBytes + header.value().payload_bytes;
  }

  // A prepared file, or one whose first group was cut off.
  Status remove_file(std::uint64_t sequence) {
    {
      MR_ASSIGN_OR_RETURN(const auto file, files_.open_to_read(path_of(sequence)));
      std::string head;
      MR_RETURN_IF_ERROR(file->read_at(kWalFileHeaderBytes, kGroupHeaderBytes, head));
      report_.torn_tail_bytes += begun_bytes(head, {sequence, kWalFileHeaderBytes});
    }
    return files_.remove(path_of(sequence));
  }

  Result<WalRecovery> cut_and_finish() {
    const bool is_torn_here = report_.torn_tail_bytes > 0 || must_cut_;
    for (const std::uint64_t sequence : sequences_) {
      if (sequence > file_->sequence) MR_RETURN_IF_ERROR(remove_file(sequence));
    }
    if (report_.torn_tail_bytes > 0) {
      report_.notes.push_back(
          place_text() + ": " + std::to_string(report_.torn_tail_bytes) +
          " bytes of an unfinished write cut off; they were never acknowledged");
    }
    // Old bytes must not be taken for groups once new ones stand in front of them.
    if (is_torn_here) MR_RETURN_IF_ERROR(file_->file->truncate(end_.position.offset));
    MR_CHECK(end_.position.file == file_->sequence);
    MR_RETURN_IF_ERROR(file_->file->allocate(std::max(wal_.file_bytes(), end_.position.offset)));
    MR_RETURN_IF_ERROR(file_->file->sync());
    MR_RETURN_IF_ERROR(files_.sync_folder(wal_.folder()));
    MR_ASSIGN_OR_RETURN(file_->capacity_bytes, file_->file->size());
    return WalRecovery{.end = end_, .current = file_};
  }

  sys::FileSystem& files_;
  WalFiles& wal_;
  const LogId log_id_;
  WalEnd end_;
  const std::function<Status(const RecoveredEntry&)>& visit_;
  RecoveryReport& report_;

  std::vector<std::uint64_t> sequences_;  // files at or behind the start, ascending
  std::shared_ptr<WalFile> file_;
  std::optional<WalReader> reader_;  // of file_
  GroupHeader group_;
  std::string_view payload_;  // of group_, in the reader's window
  bool must_cut_ = false;
};

}  // namespace

Result<WalRecovery> recover_wal(sys::FileSystem& files, WalFiles& wal, LogId log_id, WalEnd from,
                                const std::function<Status(const RecoveredEntry&)>& visit,
                                RecoveryReport& report) {
  MR_CHECK(from.position.file > 0 && from.next_group > 0);
  MR_CHECK(from.position.offset >= kWalFileHeaderBytes);
  return Recovery(files, wal, log_id, from, visit, report).run();
}

}  // namespace millrace::log
