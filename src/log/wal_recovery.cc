#include "log/wal_recovery.h"

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "base/crc32c.h"

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
      if (take_group_at(end_.position.offset)) {
        MR_RETURN_IF_ERROR(replay_group());
        continue;
      }
      MR_ASSIGN_OR_RETURN(const bool has_moved, try_next_file());
      if (!has_moved) break;
    }
    MR_RETURN_IF_ERROR(check_that_nothing_follows());
    return cut_and_finish();
  }

 private:
  Status list_files() {
    MR_ASSIGN_OR_RETURN(const auto names, files_.list(wal_.folder()));
    for (const auto& name : names) {
      const std::uint64_t sequence = parse_wal_file_name(name);
      if (sequence >= end_.position.file) sequences_.push_back(sequence);
    }
    if (sequences_.empty() || sequences_.front() != end_.position.file) {
      return corrupt_error("the WAL file " + wal_.folder() + "/" +
                           wal_file_name(end_.position.file) +
                           " that the checkpoint names is missing; restore the whole folder from a "
                           "backup");
    }
    return ok_status();
  }

  Status load(std::uint64_t sequence) {
    MR_ASSIGN_OR_RETURN(file_, wal_.open_existing(sequence));
    return read_whole(*file_->file, bytes_);
  }

  static Status read_whole(const sys::File& file, std::string& bytes) {
    bytes.clear();
    MR_ASSIGN_OR_RETURN(const std::uint64_t size, file.size());
    MR_RETURN_IF_ERROR(file.read_at(0, size, bytes));
    return bytes.size() == size ? ok_status() : io_error("a WAL file shrank while it was read");
  }

  // True when the expected group stands whole at `offset` of the loaded file; it is then in group_.
  bool take_group_at(std::uint64_t offset) {
    if (offset >= bytes_.size()) return false;
    const std::string_view rest = std::string_view(bytes_).substr(offset);
    const auto header = parse_group_header(rest);
    if (!header.is_ok() || !is_ours(*header, file_->sequence, offset)) return false;
    if (header->group != end_.next_group || header->previous_end != end_.position) return false;
    if (header->payload_bytes > rest.size() - kGroupHeaderBytes) return false;
    const std::string_view payload = rest.substr(kGroupHeaderBytes, header->payload_bytes);
    if (crc32c(payload) != header->payload_crc) return false;
    group_ = *header;
    payload_ = payload;
    return true;
  }

  [[nodiscard]] bool is_ours(const GroupHeader& header, std::uint64_t file,
                             std::uint64_t offset) const {
    return header.log_id == log_id_ && header.position == WalPosition{file, offset};
  }

  Status replay_group() {
    CommitSequence sequence = group_.first_commit;
    std::string_view rest = payload_;
    for (std::uint32_t i = 0; i < group_.entry_count; ++i, ++sequence) {
      MR_ASSIGN_OR_RETURN(const EntryView entry, take_entry(rest));
      const auto data_offset = static_cast<std::uint64_t>(entry.data.data() - bytes_.data());
      MR_RETURN_IF_ERROR(visit_({sequence, entry, file_, data_offset}).with_context(place_text()));
    }
    if (!rest.empty()) return corrupt_error(place_text() + ": bytes behind the group's entries");
    ++report_.groups_replayed;
    end_.position = {file_->sequence, group_.position.offset + kGroupHeaderBytes + payload_.size()};
    ++end_.next_group;
    return ok_status();
  }

  [[nodiscard]] std::string place_text() const {
    return file_->path + " at byte " + std::to_string(end_.position.offset);
  }

  // The log goes on in the next file if the expected group starts there.
  Result<bool> try_next_file() {
    const auto at = std::find(sequences_.begin(), sequences_.end(), file_->sequence);
    MR_CHECK(at != sequences_.end());
    if (at + 1 == sequences_.end()) return false;
    std::string bytes;
    MR_ASSIGN_OR_RETURN(const auto next, wal_.open_existing(*(at + 1)));
    MR_RETURN_IF_ERROR(read_whole(*next->file, bytes));
    std::swap(bytes_, bytes);
    // The previous file needs no sync: the writer leaves a file only when all of it is on disk.
    const auto previous = std::exchange(file_, next);
    if (take_group_at(kWalFileHeaderBytes)) {
      MR_RETURN_IF_ERROR(replay_group());
      return true;
    }
    wal_.forget(next->sequence);
    file_ = previous;
    std::swap(bytes_, bytes);
    return false;
  }

  // The first header at or behind `offset` that belongs to this log and place and is newer than the
  // end. Its payload does not matter: that it was begun proves that those before it were finished.
  [[nodiscard]] std::optional<GroupHeader> find_group(std::string_view bytes, std::uint64_t file,
                                                      std::uint64_t offset) const {
    for (std::size_t at = bytes.find(kGroupMagic, offset); at != std::string_view::npos;
         at = bytes.find(kGroupMagic, at + 1)) {
      const auto header = parse_group_header(bytes.substr(at));
      if (header.is_ok() && is_ours(header.value(), file, at) &&
          header.value().group > end_.next_group) {
        return header.value();
      }
    }
    return std::nullopt;
  }

  Status check_that_nothing_follows() {
    auto later = find_group(bytes_, file_->sequence, end_.position.offset);
    for (const std::uint64_t sequence : sequences_) {
      if (later || sequence <= file_->sequence) continue;
      MR_ASSIGN_OR_RETURN(const auto file,
                          files_.open_to_read(wal_.folder() + "/" + wal_file_name(sequence)));
      std::string bytes;
      MR_RETURN_IF_ERROR(read_whole(*file, bytes));
      later = find_group(bytes, sequence, kWalFileHeaderBytes);
    }
    if (!later) return ok_status();
    if (later->synced_through < end_.next_group) {
      // Written without a sync per commit: the newest groups reached the disk out of order.
      report_.notes.push_back(
          "a power loss took commits that were acknowledged before they were "
          "synced, as the sync policy allows; the log ends before group " +
          std::to_string(end_.next_group) + ", group " + std::to_string(later->group) +
          " was found behind it and cut off");
      must_cut_ = true;
      return ok_status();
    }
    return corrupt_error(
        place_text() + ": group " + std::to_string(end_.next_group) + " is damaged, but group " +
        std::to_string(later->group) + " follows in " + wal_file_name(later->position.file) +
        " at byte " + std::to_string(later->position.offset) +
        ". Cutting here would lose acknowledged records: restore the folder from a backup. To give "
        "up everything from this group on, run: truncate -s " +
        std::to_string(end_.position.offset) + " '" + file_->path +
        "', and remove the WAL files with higher numbers");
  }

  // Bytes behind the end that a cut-off write left. In a file that was used before, only a header
  // that survived tells them from old groups.
  [[nodiscard]] std::uint64_t torn_bytes() const {
    if (end_.position.offset >= bytes_.size()) return 0;
    const std::string_view rest = std::string_view(bytes_).substr(end_.position.offset);
    const auto file_header = parse_file_header(bytes_);
    if (file_header.is_ok() && !file_header.value().is_recycled) {
      return rest.find_last_not_of('\0') + 1;  // npos + 1 is 0
    }
    const auto header = parse_group_header(rest);
    if (!header.is_ok() || !is_ours(header.value(), file_->sequence, end_.position.offset))
      return 0;
    return std::min<std::uint64_t>(kGroupHeaderBytes + header.value().payload_bytes, rest.size());
  }

  // A prepared file, or one whose first group was cut off.
  Status remove_file(std::uint64_t sequence) {
    const std::string path = wal_.folder() + "/" + wal_file_name(sequence);
    std::string head;
    MR_ASSIGN_OR_RETURN(const auto file, files_.open_to_read(path));
    MR_RETURN_IF_ERROR(file->read_at(0, kWalFileHeaderBytes + kGroupHeaderBytes, head));
    if (head.size() == kWalFileHeaderBytes + kGroupHeaderBytes) {
      const auto header = parse_group_header(std::string_view(head).substr(kWalFileHeaderBytes));
      if (header.is_ok() && is_ours(header.value(), sequence, kWalFileHeaderBytes)) {
        report_.torn_tail_bytes += kGroupHeaderBytes + header.value().payload_bytes;
      }
    }
    return files_.remove(path);
  }

  Result<WalRecovery> cut_and_finish() {
    report_.torn_tail_bytes = torn_bytes();
    for (const std::uint64_t sequence : sequences_) {
      if (sequence > file_->sequence) MR_RETURN_IF_ERROR(remove_file(sequence));
    }
    const std::uint64_t end_offset =
        std::max<std::uint64_t>(end_.position.offset, kWalFileHeaderBytes);
    if (report_.torn_tail_bytes > 0 || must_cut_) {
      // Old bytes must not be taken for groups once new ones stand in front of them.
      MR_RETURN_IF_ERROR(file_->file->truncate(end_offset));
      report_.notes.push_back(
          place_text() + ": " + std::to_string(report_.torn_tail_bytes) +
          " bytes of an unfinished write cut off; they were never acknowledged");
    }
    MR_RETURN_IF_ERROR(file_->file->allocate(std::max(wal_.file_bytes(), end_offset)));
    MR_RETURN_IF_ERROR(file_->file->sync());
    MR_RETURN_IF_ERROR(files_.sync_folder(wal_.folder()));
    MR_CHECK(end_.position.file == file_->sequence);
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
  std::string bytes_;  // of file_
  GroupHeader group_;
  std::string_view payload_;
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
