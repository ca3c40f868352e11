#pragma once

// For fuzz targets only: a folder that dies with its owner, in memory where the machine has such a
// file system, since a target makes thousands of files a second.

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <tuple>

#include "base/check.h"
#include "sys/file_system.h"

namespace millrace::sys {

class FuzzFolder {
 public:
  FuzzFolder() : path_(::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") {
    path_ += "/millrace-fuzz-XXXXXX";
    MR_CHECK(::mkdtemp(path_.data()) != nullptr);
  }
  ~FuzzFolder() { std::ignore = PosixFileSystem().remove_tree(path_); }
  FuzzFolder(const FuzzFolder&) = delete;
  FuzzFolder& operator=(const FuzzFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace millrace::sys
