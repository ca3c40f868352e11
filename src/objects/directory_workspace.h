#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "sys/file_system.h"

namespace millrace::objects {

// A folder for temporary files that this process alone uses, and names that no process uses twice.
// Any number of processes may share a store's root: each locks the first free `work-N` folder, and
// with it inherits (and removes) what a crashed process left there.
class DirectoryWorkspace {
 public:
  // Claims a folder below `parent`, which exists. `overloaded` when 1000 processes hold one each.
  static Result<std::unique_ptr<DirectoryWorkspace>> claim(sys::FileSystem& files,
                                                           const std::string& parent);

  // "N-generation-counter", unique for ever within `parent`. Thread-safe.
  std::string unique_name() { return prefix_ + std::to_string(next_.fetch_add(1)); }
  // A fresh path in the folder.
  std::string temporary_path() { return folder_ + "/" + unique_name() + ".tmp"; }

 private:
  DirectoryWorkspace(std::unique_ptr<sys::FolderLock> lock, std::string folder, std::string prefix)
      : lock_(std::move(lock)), folder_(std::move(folder)), prefix_(std::move(prefix)) {}

  std::unique_ptr<sys::FolderLock> lock_;
  std::string folder_;
  std::string prefix_;  // "N-generation-"
  std::atomic<std::uint64_t> next_{1};
};

}  // namespace millrace::objects
