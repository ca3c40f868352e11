#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/thread.h"
#include "sys/file_system.h"

namespace millrace::sim {

// A disk in memory that can lose what was not synced. For tests and simulations.
//
// Every write and truncation stays in a list of its own until the file is synced; crash() keeps a
// random part of that list, in any order of sectors, the last piece torn at any byte. A created,
// renamed or removed name is on disk after sync_folder of its folder; before, a crash decides by
// chance. Thread-safe. After crash() or kill() everything answers `io` until restart(), and handles
// from before for ever, so that the dying program's threads cannot touch what the next one finds.
class FaultFileSystem final : public sys::FileSystem {
 public:
  explicit FaultFileSystem(std::uint64_t seed) : random_(seed) {}

  // The machine loses power and comes back.
  void crash();
  // The process dies; the kernel keeps what was written.
  void kill();
  void restart();
  // After this many more operations everything answers `io`, as before a crash() that is yet to
  // come.
  void die_after(std::uint64_t operations);

  // --- faults; each counts down calls, 0 = none ---
  // The n-th sync from now fails, once; or the n-th write, half-way. With a path only those of that
  // file count: a log syncs others beside it.
  void fail_sync_after(int calls, std::string path = "");
  void fail_write_after(int calls, std::string path = "");
  void set_free_bytes(std::int64_t bytes);  // files may grow by this much in all; -1: no bound
  // Asked at every operation by its name ("sync", "write", "rename", ...); an error is returned as
  // is.
  void set_hook(std::function<Status(std::string_view operation, const std::string& path)> hook);

  // --- looking behind ---
  [[nodiscard]] std::uint64_t sync_count() const;
  // The bytes a crash right now could not take.
  [[nodiscard]] std::string durable_content(const std::string& path) const;
  [[nodiscard]] std::string content(const std::string& path) const;
  void overwrite(const std::string& path, std::uint64_t position, std::string_view bytes);
  void resize(const std::string& path, std::uint64_t bytes);
  [[nodiscard]] std::vector<std::string> all_paths() const;

  Result<std::unique_ptr<sys::File>> open(const std::string& path) override;
  Result<std::unique_ptr<sys::File>> open_to_read(const std::string& path) override;
  Result<std::unique_ptr<sys::File>> create(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status link_new(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_folders(const std::string& path) override;
  Status sync_folder(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<bool> is_folder(const std::string& path) override;
  Status remove_tree(const std::string& path) override;
  Result<std::unique_ptr<sys::FolderLock>> lock_folder(const std::string& path) override;

 private:
  friend class FaultFile;
  struct Change {
    std::uint64_t position = 0;
    std::string bytes;
    bool is_resize = false;  // to `position` bytes
  };
  struct Inode {
    std::string durable;
    std::string current;
    std::vector<Change> unsynced;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;

  static void apply(const Change& change, std::string& to);
  static std::string folder_of(const std::string& path);
  Status ask(std::string_view operation, const std::string& path);
  Result<std::shared_ptr<Inode>> find(const std::string& path);
  Status change(Inode& inode, const std::string& path, Change change);
  void lose_unsynced(Inode& inode);
  void lose_names();

  mutable Mutex mutex_;
  Random random_;
  Names names_;                          // as the running system sees them
  Names durable_names_;                  // as they are on disk
  std::map<std::string, bool> folders_;  // whether the name is on disk
  std::uint64_t life_ = 0;
  bool is_dead_ = false;
  std::uint64_t die_after_ = 0;
  std::uint64_t sync_count_ = 0;
  struct Failing {
    int calls = 0;     // 0: none
    std::string path;  // empty: any
    bool strikes(const std::string& at) {
      return calls > 0 && (path.empty() || path == at) && --calls == 0;
    }
  };
  Failing failing_sync_;
  Failing failing_write_;
  std::int64_t free_bytes_ = -1;
  std::function<Status(std::string_view, const std::string&)> hook_;
};

}  // namespace millrace::sim
