#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "log/log.h"
#include "model/topic.h"
#include "objects/object_store.h"

namespace millrace::lake {

enum class FileState : std::uint8_t { frozen, delivered };
std::string_view to_string(FileState state);

// One file, as the journal has it.
struct LakeFile {
  std::string sink;
  std::int32_t partition = 0;  // of the source
  std::string path;            // the object's key
  Offset first_offset;         // of the range; several files may share one
  Offset next_offset;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;  // 0 while frozen
  FileState state = FileState::frozen;
};

// One thing that was looked at, and how it is.
struct LakeCheck {
  std::string sink;
  std::int32_t partition = 0;
  std::string name;  // "ranges_tile", "group_offset", "files_whole", "no_strangers"
  bool is_ok = false;
  std::string detail;  // a sentence
};

// Which delivery a journal is of.
struct ManifestSource {
  std::string sink;
  std::string folder;  // "lake/ticks"
  std::string group;
  TopicPartition source;
  TopicPartition journal;
};

// The journal's files in the order of their ranges, frozen ones last. `corrupt` when the ranges do
// not tile.
Result<std::vector<LakeFile>> read_manifest(const log::Log& log, const ManifestSource& source);

// Compares the journal with itself, with the group's offset and with the object store; reads every
// file whole, one at a time, until `is_cancelled`. Any thread, beside a running delivery.
std::vector<LakeCheck> verify_manifest(const log::Log& log, objects::ObjectStore& objects,
                                       const ManifestSource& source,
                                       const std::function<bool()>& is_cancelled);

}  // namespace millrace::lake
