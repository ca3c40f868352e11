#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "sys/file_system.h"
#include "sys/posix_file.h"

namespace millrace::sys {
namespace {

constexpr mode_t kFileMode = 0644;
constexpr mode_t kFolderMode = 0755;
constexpr const char* kLockName = "millrace.lock";

// Folders inside folders that remove_tree follows; a deeper tree is not one of ours.
constexpr int kTreeDepthMax = 64;

int open_descriptor(const std::string& path, int flags) {
  int descriptor = -1;
  do {
    descriptor = ::open(path.c_str(), flags | O_CLOEXEC, kFileMode);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

Result<std::unique_ptr<File>> open_file(std::string_view what, const std::string& path, int flags) {
  const int descriptor = open_descriptor(path, flags);
  if (descriptor < 0) return error_from_errno(what, path, errno);
  return std::unique_ptr<File>(std::make_unique<PosixFile>(descriptor, path));
}

class PosixFolderLock final : public FolderLock {
 public:
  explicit PosixFolderLock(int descriptor) : descriptor_(descriptor) {}
  // The file stays: removing it would let two processes lock two files of one name. An empty one
  // says that nobody holds it.
  ~PosixFolderLock() override {
    [[maybe_unused]] const int ignored = ::ftruncate(descriptor_, 0);
    ::close(descriptor_);
  }
  PosixFolderLock(const PosixFolderLock&) = delete;
  PosixFolderLock& operator=(const PosixFolderLock&) = delete;

 private:
  int descriptor_;
};

// The pid that the holder of the lock wrote, as text; empty where unknown.
std::string holder_of(int descriptor) {
  std::array<char, 20> text{};
  const auto count = ::pread(descriptor, text.data(), text.size(), 0);
  std::string digits;
  for (ssize_t i = 0; i < count; ++i) {
    const char digit = text[static_cast<std::size_t>(i)];
    if (digit < '0' || digit > '9') break;
    digits.push_back(digit);
  }
  return digits;
}

Status remove_folder(const std::string& path, int depth);

Status remove_entry(const std::string& path, int depth) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? ok_status() : error_from_errno("remove", path, errno);
  }
  if (S_ISDIR(info.st_mode)) return remove_folder(path, depth);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return error_from_errno("remove", path, errno);
  }
  return ok_status();
}

Status remove_folder(const std::string& path, int depth) {
  if (depth > kTreeDepthMax) {
    return io_error("remove " + path + ": more than " + std::to_string(kTreeDepthMax) +
                    " folders deep");
  }
  PosixFileSystem files;
  MR_ASSIGN_OR_RETURN(const auto names, files.list(path));
  for (const auto& name : names) MR_RETURN_IF_ERROR(remove_entry(path + "/" + name, depth + 1));
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) {
    return error_from_errno("remove", path, errno);
  }
  return ok_status();
}

}  // namespace

Result<std::unique_ptr<File>> PosixFileSystem::open(const std::string& path) {
  return open_file("open", path, O_RDWR);
}

Result<std::unique_ptr<File>> PosixFileSystem::open_to_read(const std::string& path) {
  return open_file("open", path, O_RDONLY);
}

Result<std::unique_ptr<File>> PosixFileSystem::create(const std::string& path) {
  return open_file("create", path, O_RDWR | O_CREAT | O_TRUNC);
}

Status PosixFileSystem::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return ok_status();
  return error_from_errno("rename", from + " to " + to, errno);
}

Status PosixFileSystem::link_new(const std::string& from, const std::string& to) {
  if (::link(from.c_str(), to.c_str()) == 0) return ok_status();
  return error_from_errno("link", from + " to " + to, errno);
}

Status PosixFileSystem::remove(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return ok_status();
  return error_from_errno("remove", path, errno);
}

Status PosixFileSystem::make_folders(const std::string& path) {
  for (std::size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    const std::string folder = path.substr(0, end);
    if (folder.empty() || ::mkdir(folder.c_str(), kFolderMode) == 0) continue;
    const int error_number = errno;
    struct stat info{};
    const bool is_folder = ::stat(folder.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
    if (is_folder) continue;  // also where an ancestor exists but cannot be written
    // "File exists" would read as if the folder were there; a file stands in its place.
    return error_from_errno("make folder", folder, error_number == EEXIST ? ENOTDIR : error_number);
  }
  return ok_status();
}

Status PosixFileSystem::sync_folder(const std::string& path) {
  const int descriptor = open_descriptor(path, O_RDONLY | O_DIRECTORY);
  if (descriptor < 0) return error_from_errno("open folder", path, errno);
  int error_number = 0;
  while (::fsync(descriptor) != 0) {
    error_number = errno;
    if (error_number != EINTR) break;
    error_number = 0;
  }
  ::close(descriptor);
  return error_number == 0 ? ok_status() : error_from_errno("sync folder", path, error_number);
}

Result<std::vector<std::string>> PosixFileSystem::list(const std::string& path) {
  std::vector<std::string> names;
  DIR* folder = ::opendir(path.c_str());
  if (folder == nullptr) {
    if (errno == ENOENT) return names;
    return error_from_errno("list", path, errno);
  }
  errno = 0;
  while (const dirent* entry = ::readdir(folder)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  const int error_number = errno;
  ::closedir(folder);
  if (error_number != 0) return error_from_errno("list", path, error_number);
  std::sort(names.begin(), names.end());
  return names;
}

Result<bool> PosixFileSystem::exists(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return error_from_errno("stat", path, errno);
}

Status PosixFileSystem::remove_tree(const std::string& path) {
  return remove_entry(path, 0);
}

Result<std::unique_ptr<FolderLock>> PosixFileSystem::lock_folder(const std::string& path) {
  const std::string lock_path = path + "/" + kLockName;
  const int descriptor = open_descriptor(lock_path, O_RDWR | O_CREAT);
  if (descriptor < 0) return error_from_errno("lock", lock_path, errno);
  // flock belongs to the open file, not to the process: a second lock of the same process fails
  // too.
  int locked = 0;
  do {
    locked = ::flock(descriptor, LOCK_EX | LOCK_NB);
  } while (locked != 0 && errno == EINTR);
  if (locked != 0) {
    const int error_number = errno;
    const std::string pid = error_number == EWOULDBLOCK ? holder_of(descriptor) : std::string();
    ::close(descriptor);
    if (error_number != EWOULDBLOCK) return error_from_errno("lock", lock_path, error_number);
    return exists_error("folder " + path + " is in use by " +
                        (pid.empty() ? std::string("another process") : "process " + pid) +
                        "; stop it or name another folder");
  }
  auto lock = std::make_unique<PosixFolderLock>(descriptor);
  const std::string pid = std::to_string(::getpid()) + "\n";
  errno = 0;
  if (::ftruncate(descriptor, 0) != 0 ||
      ::pwrite(descriptor, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return error_from_errno("lock", lock_path, errno != 0 ? errno : EIO);
  }
  return std::unique_ptr<FolderLock>(std::move(lock));
}

}  // namespace millrace::sys
