#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "log/embedded_log.h"
#include "log/wal_files.h"
#include "log/wal_format.h"
#include "log/wal_writer.h"

namespace millrace::log {

// An entry found on disk.
struct RecoveredEntry {
  CommitSequence sequence;
  EntryView entry;
  std::shared_ptr<WalFile> file;
  std::uint64_t data_offset = 0;  // of entry.data in the file
};

struct WalRecovery {
  WalEnd end;
  std::shared_ptr<WalFile> current;  // the file to go on in
};

// Reads all groups from `from` on, in order, and calls `visit` for each entry. Then the log's end
// is made fit for writing: a torn tail is cut off, files behind it are removed, and what was read
// is synced (after a kill it may only have been in the page cache).
//
// `corrupt` when a group is damaged that must have been durable, because a later group says so
// (R17); nothing is changed on disk then.
Result<WalRecovery> recover_wal(sys::FileSystem& files, WalFiles& wal, LogId log_id, WalEnd from,
                                const std::function<Status(const RecoveredEntry&)>& visit,
                                RecoveryReport& report);

}  // namespace millrace::log
