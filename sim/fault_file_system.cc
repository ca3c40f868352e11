#include "sim/fault_file_system.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"

namespace millrace::sim {

namespace {

constexpr std::size_t kSectorBytes = 512;

class FaultLock final : public sys::FolderLock {};

}  // namespace

class FaultFile final : public sys::File {
 public:
  FaultFile(FaultFileSystem& disk, std::string path, std::shared_ptr<FaultFileSystem::Inode> inode)
      : disk_(disk), path_(std::move(path)), inode_(std::move(inode)), life_(disk.life_) {}

  Status read_at(std::uint64_t position, std::size_t size, std::string& out) const override {
    const std::lock_guard lock(disk_.mutex_);
    MR_RETURN_IF_ERROR(check("read"));
    if (position < inode_->current.size()) out.append(inode_->current, position, size);
    return ok_status();
  }

  Status write_at(std::uint64_t position, std::string_view bytes) override {
    const std::lock_guard lock(disk_.mutex_);
    MR_RETURN_IF_ERROR(check("write"));
    return disk_.change(*inode_, path_, {position, std::string(bytes), false});
  }

  Status write_at(std::uint64_t position, const std::vector<std::string_view>& buffers) override {
    std::string bytes;
    for (const auto buffer : buffers) bytes.append(buffer);
    return write_at(position, bytes);
  }

  Status sync() override {
    const std::lock_guard lock(disk_.mutex_);
    MR_RETURN_IF_ERROR(check("sync"));
    if (disk_.failing_sync_.strikes(path_)) {
      // As Linux does: the pages count as clean afterwards, whether they were written or not.
      disk_.lose_unsynced(*inode_);
      return io_error("sync " + path_ + ": Input/output error");
    }
    for (const auto& change : inode_->unsynced) FaultFileSystem::apply(change, inode_->durable);
    inode_->unsynced.clear();
    ++disk_.sync_count_;
    return ok_status();
  }

  Status truncate(std::uint64_t bytes) override {
    const std::lock_guard lock(disk_.mutex_);
    MR_RETURN_IF_ERROR(check("truncate"));
    return disk_.change(*inode_, path_, {bytes, {}, true});
  }

  Status allocate(std::uint64_t bytes) override {
    const std::lock_guard lock(disk_.mutex_);
    MR_RETURN_IF_ERROR(check("allocate"));
    if (bytes <= inode_->current.size()) return ok_status();
    return disk_.change(*inode_, path_, {bytes, {}, true});
  }

  [[nodiscard]] Result<std::uint64_t> size() const override {
    const std::lock_guard lock(disk_.mutex_);
    MR_RETURN_IF_ERROR(check("size"));
    return std::uint64_t{inode_->current.size()};
  }

 private:
  [[nodiscard]] Status check(std::string_view operation) const {
    if (life_ != disk_.life_) return io_error("a file from before the crash");
    return disk_.ask(operation, path_);
  }

  FaultFileSystem& disk_;
  const std::string path_;
  const std::shared_ptr<FaultFileSystem::Inode> inode_;
  const std::uint64_t life_;
};

void FaultFileSystem::apply(const Change& change, std::string& to) {
  if (change.is_resize) {
    to.resize(change.position);
    return;
  }
  if (to.size() < change.position + change.bytes.size()) {
    to.resize(change.position + change.bytes.size());
  }
  to.replace(change.position, change.bytes.size(), change.bytes);
}

std::string FaultFileSystem::folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status FaultFileSystem::ask(std::string_view operation, const std::string& path) {
  if (die_after_ > 0 && --die_after_ == 0) is_dead_ = true;
  if (is_dead_) return io_error("the machine is down");
  return hook_ ? hook_(operation, path) : ok_status();
}

Status FaultFileSystem::change(Inode& inode, const std::string& path, Change change) {
  const std::uint64_t new_size =
      change.is_resize
          ? change.position
          : std::max<std::uint64_t>(inode.current.size(), change.position + change.bytes.size());
  if (free_bytes_ >= 0) {
    const auto growth =
        static_cast<std::int64_t>(new_size) - static_cast<std::int64_t>(inode.current.size());
    if (growth > free_bytes_) return io_error("write " + path + ": No space left on device");
    free_bytes_ -= growth;
  }
  bool is_failing = false;
  if (!change.is_resize && failing_write_.strikes(path)) {
    change.bytes.resize(random_.below(change.bytes.size() + 1));
    is_failing = true;
  }
  apply(change, inode.current);
  inode.unsynced.push_back(std::move(change));
  return is_failing ? io_error("write " + path + ": Input/output error") : ok_status();
}

// Which of the unsynced changes reached the disk.
void FaultFileSystem::lose_unsynced(Inode& inode) {
  const std::uint64_t kind = random_.below(4);
  const std::size_t torn_at = inode.unsynced.empty() ? 0 : random_.below(inode.unsynced.size());
  for (std::size_t i = 0; i < inode.unsynced.size(); ++i) {
    Change& change = inode.unsynced[i];
    if (kind == 0) break;                 // nothing
    if (kind == 1 || change.is_resize) {  // everything
      if (kind == 1 || random_.one_in(2)) apply(change, inode.durable);
      continue;
    }
    if (kind == 2) {  // up to some byte
      if (i > torn_at) break;
      if (i == torn_at) change.bytes.resize(random_.below(change.bytes.size() + 1));
      apply(change, inode.durable);
      continue;
    }
    for (std::size_t at = 0; at < change.bytes.size(); at += kSectorBytes) {  // any sectors
      if (random_.one_in(2)) continue;
      apply({change.position + at, change.bytes.substr(at, kSectorBytes), false}, inode.durable);
    }
  }
  inode.unsynced.clear();
  inode.current = inode.durable;
}

void FaultFileSystem::lose_names() {
  for (auto at = folders_.begin(); at != folders_.end();) {
    const bool is_lost = !at->second && random_.one_in(2);
    const std::string prefix = at->first + "/";
    at = is_lost ? folders_.erase(at) : std::next(at);
    if (!is_lost) continue;
    const auto is_inside = [&](const auto& entry) { return entry.first.starts_with(prefix); };
    std::erase_if(names_, is_inside);
    std::erase_if(durable_names_, is_inside);
    std::erase_if(folders_, is_inside);
    at = folders_.begin();
  }
  std::set<std::string> all;
  for (const auto& [name, inode] : names_) all.insert(name);
  for (const auto& [name, inode] : durable_names_) all.insert(name);
  Names survivors;
  for (const auto& name : all) {
    const Names& from = random_.one_in(2) ? names_ : durable_names_;
    const auto found = from.find(name);
    if (found == from.end()) continue;
    survivors.insert(*found);
    folders_[folder_of(name)] = true;
  }
  names_ = survivors;
  durable_names_ = std::move(survivors);
  for (auto& [name, is_durable] : folders_) is_durable = true;
}

void FaultFileSystem::crash() {
  const std::lock_guard lock(mutex_);
  std::set<Inode*> inodes;
  for (const auto& [name, inode] : names_) inodes.insert(inode.get());
  for (const auto& [name, inode] : durable_names_) inodes.insert(inode.get());
  // By name, not by address: the same seed must give the same losses.
  for (const Names* names : {&names_, &durable_names_}) {
    for (const auto& [name, inode] : *names) {
      if (inodes.erase(inode.get()) > 0) lose_unsynced(*inode);
    }
  }
  lose_names();
  is_dead_ = true;
  ++life_;
  failing_sync_ = failing_write_ = {};
  die_after_ = 0;
}

void FaultFileSystem::kill() {
  const std::lock_guard lock(mutex_);
  is_dead_ = true;
  die_after_ = 0;
  ++life_;
}

void FaultFileSystem::restart() {
  const std::lock_guard lock(mutex_);
  is_dead_ = false;
}

void FaultFileSystem::die_after(std::uint64_t operations) {
  const std::lock_guard lock(mutex_);
  die_after_ = operations;
}

void FaultFileSystem::fail_sync_after(int calls, std::string path) {
  const std::lock_guard lock(mutex_);
  failing_sync_ = {calls, std::move(path)};
}

void FaultFileSystem::fail_write_after(int calls, std::string path) {
  const std::lock_guard lock(mutex_);
  failing_write_ = {calls, std::move(path)};
}

void FaultFileSystem::set_free_bytes(std::int64_t bytes) {
  const std::lock_guard lock(mutex_);
  free_bytes_ = bytes;
}

void FaultFileSystem::set_hook(
    std::function<Status(std::string_view operation, const std::string& path)> hook) {
  const std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

std::uint64_t FaultFileSystem::sync_count() const {
  const std::lock_guard lock(mutex_);
  return sync_count_;
}

std::string FaultFileSystem::durable_content(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto found = durable_names_.find(path);
  return found == durable_names_.end() ? std::string() : found->second->durable;
}

std::string FaultFileSystem::content(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  return found == names_.end() ? std::string() : found->second->current;
}

void FaultFileSystem::overwrite(const std::string& path, std::uint64_t position,
                                std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  MR_CHECK(found != names_.end());
  apply({position, std::string(bytes), false}, found->second->current);
  apply({position, std::string(bytes), false}, found->second->durable);
}

void FaultFileSystem::resize(const std::string& path, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  MR_CHECK(found != names_.end());
  found->second->current.resize(bytes);
  found->second->durable.resize(bytes);
}

std::vector<std::string> FaultFileSystem::all_paths() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [name, inode] : names_) out.push_back(name);
  return out;
}

Result<std::shared_ptr<FaultFileSystem::Inode>> FaultFileSystem::find(const std::string& path) {
  MR_RETURN_IF_ERROR(ask("open", path));
  const auto found = names_.find(path);
  if (found == names_.end()) return not_found_error("open " + path + ": no such file");
  return found->second;
}

Result<std::unique_ptr<sys::File>> FaultFileSystem::open(const std::string& path) {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(auto inode, find(path));
  return std::unique_ptr<sys::File>(std::make_unique<FaultFile>(*this, path, std::move(inode)));
}

Result<std::unique_ptr<sys::File>> FaultFileSystem::open_to_read(const std::string& path) {
  return open(path);
}

Result<std::unique_ptr<sys::File>> FaultFileSystem::create(const std::string& path) {
  const std::lock_guard lock(mutex_);
  MR_RETURN_IF_ERROR(ask("create", path));
  if (!folders_.contains(folder_of(path))) {
    return not_found_error("create " + path + ": no such folder");
  }
  auto& inode = names_[path];
  if (inode == nullptr) {
    inode = std::make_shared<Inode>();
  } else if (!inode->current.empty()) {
    MR_RETURN_IF_ERROR(change(*inode, path, {0, {}, true}));
  }
  return std::unique_ptr<sys::File>(std::make_unique<FaultFile>(*this, path, inode));
}

Status FaultFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  MR_RETURN_IF_ERROR(ask("rename", to));
  const auto found = names_.find(from);
  if (found == names_.end()) return not_found_error("rename " + from + ": no such file");
  names_[to] = found->second;
  names_.erase(from);
  return ok_status();
}

Status FaultFileSystem::link_new(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  MR_RETURN_IF_ERROR(ask("link", to));
  if (names_.contains(to)) return exists_error("link " + to + ": it exists");
  const auto found = names_.find(from);
  if (found == names_.end()) return not_found_error("link " + from + ": no such file");
  names_[to] = found->second;
  return ok_status();
}

Status FaultFileSystem::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  MR_RETURN_IF_ERROR(ask("remove", path));
  const auto found = names_.find(path);
  if (found == names_.end()) return ok_status();
  if (free_bytes_ >= 0) free_bytes_ += static_cast<std::int64_t>(found->second->current.size());
  names_.erase(found);
  return ok_status();
}

Status FaultFileSystem::make_folders(const std::string& path) {
  const std::lock_guard lock(mutex_);
  MR_RETURN_IF_ERROR(ask("make_folders", path));
  for (std::string at = path; at != "/" && at != "."; at = folder_of(at)) {
    folders_.emplace(at, false);
  }
  return ok_status();
}

Status FaultFileSystem::sync_folder(const std::string& path) {
  const std::lock_guard lock(mutex_);
  MR_RETURN_IF_ERROR(ask("sync_folder", path));
  if (path != "/" && !folders_.contains(path)) {
    return not_found_error("sync " + path + ": no such folder");
  }
  const auto is_here = [&](const auto& entry) { return folder_of(entry.first) == path; };
  std::erase_if(durable_names_, is_here);
  for (const auto& entry : names_) {
    if (is_here(entry)) durable_names_.insert(entry);
  }
  for (auto& entry : folders_) {
    if (is_here(entry)) entry.second = true;
  }
  return ok_status();
}

Result<std::vector<std::string>> FaultFileSystem::list(const std::string& path) {
  const std::lock_guard lock(mutex_);
  MR_RETURN_IF_ERROR(ask("list", path));
  std::set<std::string> names;
  const std::string prefix = path.ends_with('/') ? path : path + "/";
  const auto add = [&](const std::string& name) {
    if (!name.starts_with(prefix)) return;
    const std::string rest = name.substr(prefix.size());
    names.insert(rest.substr(0, rest.find('/')));
  };
  for (const auto& [name, inode] : names_) add(name);
  for (const auto& [name, is_durable] : folders_) add(name);
  return std::vector<std::string>(names.begin(), names.end());
}

Result<bool> FaultFileSystem::exists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  MR_RETURN_IF_ERROR(ask("exists", path));
  return names_.contains(path) || folders_.contains(path);
}

Result<bool> FaultFileSystem::is_folder(const std::string& path) {
  const std::lock_guard lock(mutex_);
  MR_RETURN_IF_ERROR(ask("is_folder", path));
  return folders_.contains(path);
}

Status FaultFileSystem::remove_tree(const std::string& path) {
  const std::lock_guard lock(mutex_);
  MR_RETURN_IF_ERROR(ask("remove_tree", path));
  const auto is_inside = [&](const auto& entry) {
    return entry.first == path || entry.first.starts_with(path + "/");
  };
  std::erase_if(names_, is_inside);
  std::erase_if(folders_, is_inside);
  return ok_status();
}

Result<std::unique_ptr<sys::FolderLock>> FaultFileSystem::lock_folder(const std::string& path) {
  const std::lock_guard lock(mutex_);
  MR_RETURN_IF_ERROR(ask("lock", path));
  return std::unique_ptr<sys::FolderLock>(std::make_unique<FaultLock>());
}

}  // namespace millrace::sim
