#pragma once

// For tests only: a folder that dies with its owner.

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "sys/file_system.h"

namespace millrace::sys {

class TemporaryFolder {
 public:
  TemporaryFolder() : path_(testing::TempDir() + "/millrace-XXXXXX") {
    MR_CHECK(::mkdtemp(path_.data()) != nullptr);
  }
  ~TemporaryFolder() { std::ignore = PosixFileSystem().remove_tree(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace millrace::sys
