#include "sys/file_system.h"

namespace millrace::sys {
namespace {

// Whole-file reads are for small files; beyond this the path is taken for a mistake.
constexpr std::uint64_t kWholeFileBytesMax = std::uint64_t{1} << 31;

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<bool> FileSystem::is_folder(const std::string& path) {
  return exists(path + "/.");
}

Result<std::string> FileSystem::read_file(const std::string& path) {
  MR_ASSIGN_OR_RETURN(const auto file, open_to_read(path));
  MR_ASSIGN_OR_RETURN(const std::uint64_t size, file->size());
  if (size > kWholeFileBytesMax) {
    return io_error("read " + path + ": " + std::to_string(size) + " bytes, at most " +
                    std::to_string(kWholeFileBytesMax) + " are read at once");
  }
  std::string bytes;
  bytes.reserve(size);
  MR_RETURN_IF_ERROR(file->read_at(0, size, bytes));
  return bytes;
}

Status FileSystem::write_file_atomically(const std::string& path, std::string_view bytes) {
  const std::string temporary = path + ".tmp";
  {
    MR_ASSIGN_OR_RETURN(const auto file, create(temporary));
    MR_RETURN_IF_ERROR(file->write_at(0, bytes));
    MR_RETURN_IF_ERROR(file->sync());
  }
  MR_RETURN_IF_ERROR(rename(temporary, path));
  return sync_folder(folder_of(path));
}

}  // namespace millrace::sys
