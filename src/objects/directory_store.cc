#include "objects/directory_store.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <unordered_set>

#include "base/check.h"
#include "base/hash.h"
#include "base/thread.h"
#include "objects/directory_workspace.h"
#include "objects/object_key.h"

namespace millrace::objects {
namespace {

constexpr int kPartNumberMax = 10'000;
constexpr std::size_t kCopyStepBytes = std::size_t{1} << 20;

// Folders remembered as durable; beyond this they are forgotten and synced once more.
constexpr std::size_t kDurableFoldersMax = 4096;

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string etag_of(std::string_view bytes) {
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  const Hash128 hash = hash128(bytes, 0);
  std::string etag;
  for (const std::uint64_t word : {hash.high, hash.low}) {
    for (int shift = 60; shift >= 0; shift -= 4) etag.push_back(kHexDigits[(word >> shift) & 15]);
  }
  return etag;
}

// What unique_name gives. Anything else is nobody's id and must not become a path.
bool is_upload_id(std::string_view id) {
  if (id.empty() || id.size() > 64) return false;
  return std::all_of(id.begin(), id.end(),
                     [](char c) { return (c >= '0' && c <= '9') || c == '-'; });
}

bool is_etag(std::string_view etag) {
  return etag.size() == 32 && etag.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Status upload_gone(const std::string& key, const std::string& upload_id) {
  return not_found_error("upload " + upload_id + " of " + key +
                         ": completed, aborted or never started");
}

Status object_missing(const std::string& key) {
  return not_found_error("object " + key);
}

class FileReader final : public ObjectReader {
 public:
  FileReader(std::unique_ptr<sys::File> file, std::uint64_t bytes)
      : file_(std::move(file)), bytes_(bytes) {}

  [[nodiscard]] std::uint64_t bytes() const override { return bytes_; }
  Status read_at(std::uint64_t position, std::size_t size, std::string& out) const override {
    return file_->read_at(position, size, out);
  }

 private:
  std::unique_ptr<sys::File> file_;
  std::uint64_t bytes_;
};

class DirectoryStore final : public ObjectStore {
 public:
  DirectoryStore(sys::FileSystem& files, std::string root)
      : files_(files), root_(std::move(root)), uploads_(root_ + "/" + std::string(kUploadsName)) {}

  Status put(const std::string& key, std::string_view bytes, bool only_if_absent) override;
  Result<std::string> get(const std::string& key) override;
  Result<std::unique_ptr<ObjectReader>> open_to_read(const std::string& key) override;
  Result<ObjectInfo> head(const std::string& key) override;
  Status remove(const std::string& key) override;
  Result<std::vector<ObjectInfo>> list(const std::string& prefix) override;
  Result<std::string> start_upload(const std::string& key) override;
  Result<UploadPart> put_part(const std::string& key, const std::string& upload_id, int number,
                              std::string_view bytes) override;
  Status complete_upload(const std::string& key, const std::string& upload_id,
                         const std::vector<UploadPart>& parts, bool only_if_absent) override;
  Status abort_upload(const std::string& key, const std::string& upload_id) override;

  // Makes the root and every missing folder above it durable.
  Status make_root();

 private:
  std::string path_of(const std::string& key) const { return root_ + "/" + key; }
  std::string folder_of_upload(const std::string& id) const { return uploads_ + "/" + id; }
  std::string path_of_part(const std::string& id, int number, const std::string& etag) const {
    return folder_of_upload(id) + "/" + std::to_string(number) + "." + etag;
  }

  Result<DirectoryWorkspace*> workspace();
  Result<bool> is_object(const std::string& key);
  Status make_durable_folder(const std::string& folder);
  Status check_no_conflict(const std::string& key);
  Status check_upload(const std::string& key, const std::string& upload_id);
  Status write_synced(const std::string& path, std::string_view bytes);
  Status publish(const std::string& from, const std::string& key, bool only_if_absent);
  Status concatenate(const std::string& upload_id, const std::vector<UploadPart>& parts,
                     const std::string& to);
  Status list_folder(const std::string& folder_key, const std::string& prefix,
                     std::vector<ObjectInfo>& out);

  sys::FileSystem& files_;
  const std::string root_;
  const std::string uploads_;
  Mutex mutex_;  // of what follows
  std::unique_ptr<DirectoryWorkspace> workspace_;
  std::unordered_set<std::string> durable_folders_;
};

Status DirectoryStore::make_root() {
  std::vector<std::string> parents;  // whose entries are new
  for (std::string folder = root_;; folder = folder_of(folder)) {
    MR_ASSIGN_OR_RETURN(const bool exists, files_.exists(folder));
    if (exists) break;
    parents.push_back(folder_of(folder));
  }
  MR_RETURN_IF_ERROR(files_.make_folders(root_));
  for (const auto& parent : parents) MR_RETURN_IF_ERROR(files_.sync_folder(parent));
  return ok_status();
}

// The first write claims a workspace, so that a store which is only read stays as it is.
Result<DirectoryWorkspace*> DirectoryStore::workspace() {
  const std::lock_guard guard(mutex_);
  if (!workspace_) {
    MR_RETURN_IF_ERROR(files_.make_folders(uploads_));
    MR_RETURN_IF_ERROR(files_.sync_folder(root_));
    MR_ASSIGN_OR_RETURN(workspace_, DirectoryWorkspace::claim(files_, uploads_));
  }
  return workspace_.get();
}

Result<bool> DirectoryStore::is_object(const std::string& key) {
  MR_ASSIGN_OR_RETURN(const bool exists, files_.exists(path_of(key)));
  if (!exists) return false;
  MR_ASSIGN_OR_RETURN(const bool is_folder, files_.is_folder(path_of(key)));
  return !is_folder;
}

// Another process may have made the folder without having synced its parent yet, so an existing one
// is synced as well, once.
Status DirectoryStore::make_durable_folder(const std::string& folder) {
  MR_CHECK(folder.starts_with(root_));
  MR_ASSIGN_OR_RETURN(const bool exists, files_.exists(folder));
  {
    const std::lock_guard guard(mutex_);
    if (exists && durable_folders_.contains(folder)) return ok_status();
  }
  MR_RETURN_IF_ERROR(files_.make_folders(folder));
  for (std::string at = folder; at.size() > root_.size(); at = folder_of(at)) {
    MR_RETURN_IF_ERROR(files_.sync_folder(folder_of(at)));
  }
  const std::lock_guard guard(mutex_);
  if (durable_folders_.size() >= kDurableFoldersMax) durable_folders_.clear();
  durable_folders_.insert(folder);
  return ok_status();
}

// `invalid` when the key is the folder of others, or an object stands where it needs a folder.
Status DirectoryStore::check_no_conflict(const std::string& key) {
  MR_ASSIGN_OR_RETURN(const bool is_folder, files_.is_folder(path_of(key)));
  if (is_folder) {
    return invalid_error("object " + key + ": other keys start with \"" + key +
                         "/\"; a directory store cannot hold both");
  }
  for (auto slash = key.find('/'); slash != std::string::npos; slash = key.find('/', slash + 1)) {
    const std::string above = key.substr(0, slash);
    MR_ASSIGN_OR_RETURN(const bool is_taken, is_object(above));
    if (is_taken) {
      return invalid_error("object " + key + ": " + above +
                           " is an object; a directory store cannot hold both");
    }
  }
  return ok_status();
}

Status DirectoryStore::write_synced(const std::string& path, std::string_view bytes) {
  MR_ASSIGN_OR_RETURN(const auto file, files_.create(path));
  MR_RETURN_IF_ERROR(file->write_at(0, bytes));
  return file->sync();
}

// Gives the synced file `from` the key's name, durably. `from` is gone afterwards.
Status DirectoryStore::publish(const std::string& from, const std::string& key,
                               bool only_if_absent) {
  const std::string to = path_of(key);
  const std::string folder = folder_of(to);
  Status status = check_no_conflict(key);
  if (status.is_ok()) status = make_durable_folder(folder);
  if (!status.is_ok()) {
    std::ignore = files_.remove(from);
    return status;
  }
  status = only_if_absent ? files_.link_new(from, to) : files_.rename(from, to);
  if (only_if_absent || !status.is_ok()) std::ignore = files_.remove(from);
  if (status.is_ok()) return files_.sync_folder(folder);
  if (status.code() != StatusCode::exists) return status;
  // The caller takes `exists` for done, so the winner's name must be durable even if the winner has
  // not come to its sync.
  MR_RETURN_IF_ERROR(files_.sync_folder(folder));
  return exists_error("object " + key);
}

Status DirectoryStore::put(const std::string& key, std::string_view bytes, bool only_if_absent) {
  MR_RETURN_IF_ERROR(validate_key(key));
  MR_ASSIGN_OR_RETURN(auto* const work, workspace());
  const std::string temporary = work->temporary_path();
  if (Status status = write_synced(temporary, bytes); !status.is_ok()) {
    std::ignore = files_.remove(temporary);
    return status;
  }
  return publish(temporary, key, only_if_absent);
}

Result<std::string> DirectoryStore::get(const std::string& key) {
  MR_RETURN_IF_ERROR(validate_key(key));
  MR_ASSIGN_OR_RETURN(const bool is_there, is_object(key));
  if (!is_there) return object_missing(key);
  auto bytes = files_.read_file(path_of(key));
  if (bytes.status().code() == StatusCode::not_found) return object_missing(key);
  return bytes;
}

Result<std::unique_ptr<ObjectReader>> DirectoryStore::open_to_read(const std::string& key) {
  MR_RETURN_IF_ERROR(validate_key(key));
  MR_ASSIGN_OR_RETURN(const bool is_there, is_object(key));
  if (!is_there) return object_missing(key);
  auto file = files_.open_to_read(path_of(key));
  if (file.status().code() == StatusCode::not_found) return object_missing(key);
  if (!file.is_ok()) return std::move(file).take_status();
  MR_ASSIGN_OR_RETURN(const auto bytes, (*file)->size());
  return std::unique_ptr<ObjectReader>(
      std::make_unique<FileReader>(std::move(file).value(), bytes));
}

Result<ObjectInfo> DirectoryStore::head(const std::string& key) {
  MR_RETURN_IF_ERROR(validate_key(key));
  MR_ASSIGN_OR_RETURN(const bool is_there, is_object(key));
  if (!is_there) return object_missing(key);
  const std::string path = path_of(key);
  const auto file = files_.open_to_read(path);
  if (file.status().code() == StatusCode::not_found) return object_missing(key);
  if (!file.is_ok()) return file.status();
  MR_ASSIGN_OR_RETURN(const std::uint64_t bytes, (*file)->size());
  // Decisions are made on what head has seen; it must still be there after a crash.
  MR_RETURN_IF_ERROR(files_.sync_folder(folder_of(path)));
  return ObjectInfo{key, bytes};
}

Status DirectoryStore::remove(const std::string& key) {
  MR_RETURN_IF_ERROR(validate_key(key));
  MR_ASSIGN_OR_RETURN(const bool is_there, is_object(key));
  const std::string path = path_of(key);
  if (is_there) MR_RETURN_IF_ERROR(files_.remove(path));
  Status status = files_.sync_folder(folder_of(path));
  // Without its folder there is no object, and with a file in the folder's place neither.
  if (!is_there && !status.is_ok()) return ok_status();
  return status;
}

Status DirectoryStore::list_folder(const std::string& folder_key, const std::string& prefix,
                                   std::vector<ObjectInfo>& out) {
  MR_ASSIGN_OR_RETURN(const auto names, files_.list(root_ + "/" + folder_key));
  for (const auto& name : names) {
    const std::string key = folder_key + name;
    if (!validate_key(key).is_ok()) continue;  // .uploads, or not put here by a store
    if (!key.starts_with(prefix) && !prefix.starts_with(key + "/")) continue;
    MR_ASSIGN_OR_RETURN(const bool is_folder, files_.is_folder(path_of(key)));
    if (is_folder) {
      MR_RETURN_IF_ERROR(list_folder(key + "/", prefix, out));
      continue;
    }
    if (!key.starts_with(prefix)) continue;
    const auto file = files_.open_to_read(path_of(key));
    if (file.status().code() == StatusCode::not_found) continue;  // removed meanwhile
    if (!file.is_ok()) return file.status();
    MR_ASSIGN_OR_RETURN(const std::uint64_t bytes, (*file)->size());
    out.push_back({key, bytes});
  }
  return ok_status();
}

Result<std::vector<ObjectInfo>> DirectoryStore::list(const std::string& prefix) {
  std::vector<ObjectInfo> objects;
  // A prefix whose folders no key can have matches nothing, and must not become a path.
  const auto slash = prefix.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : prefix.substr(0, slash);
  if (slash != std::string::npos && !validate_key(folder).is_ok()) return objects;
  MR_ASSIGN_OR_RETURN(const bool is_folder, files_.is_folder(root_ + "/" + folder));
  if (!is_folder) return objects;
  MR_RETURN_IF_ERROR(list_folder(folder.empty() ? "" : folder + "/", prefix, objects));
  std::sort(objects.begin(), objects.end(),
            [](const ObjectInfo& a, const ObjectInfo& b) { return a.key < b.key; });
  return objects;
}

Result<std::string> DirectoryStore::start_upload(const std::string& key) {
  MR_RETURN_IF_ERROR(validate_key(key));
  MR_ASSIGN_OR_RETURN(auto* const work, workspace());
  const std::string id = work->unique_name();
  MR_CHECK(is_upload_id(id));
  MR_RETURN_IF_ERROR(files_.make_folders(folder_of_upload(id)));
  MR_RETURN_IF_ERROR(files_.write_file_atomically(folder_of_upload(id) + "/key", key));
  MR_RETURN_IF_ERROR(files_.sync_folder(uploads_));
  return id;
}

Status DirectoryStore::check_upload(const std::string& key, const std::string& upload_id) {
  MR_RETURN_IF_ERROR(validate_key(key));
  if (!is_upload_id(upload_id)) return upload_gone(key, upload_id);
  const auto stored = files_.read_file(folder_of_upload(upload_id) + "/key");
  if (stored.status().code() == StatusCode::not_found) return upload_gone(key, upload_id);
  if (!stored.is_ok()) return stored.status();
  return *stored == key ? ok_status() : upload_gone(key, upload_id);
}

Result<UploadPart> DirectoryStore::put_part(const std::string& key, const std::string& upload_id,
                                            int number, std::string_view bytes) {
  if (number < 1 || number > kPartNumberMax) {
    return invalid_error("part " + std::to_string(number) + " of " + key + ": 1 to 10000 is right");
  }
  MR_RETURN_IF_ERROR(check_upload(key, upload_id));
  MR_ASSIGN_OR_RETURN(auto* const work, workspace());
  const std::string folder = folder_of_upload(upload_id);
  // In the upload's own folder: once that is gone, nothing of the upload can appear any more.
  const std::string temporary = folder + "/" + work->unique_name() + ".tmp";
  const UploadPart part{number, etag_of(bytes)};
  const std::string path = path_of_part(upload_id, number, part.etag);
  Status status = write_synced(temporary, bytes);
  if (status.is_ok()) status = files_.rename(temporary, path);
  if (!status.is_ok()) {
    std::ignore = files_.remove(temporary);
    if (status.code() == StatusCode::not_found) return upload_gone(key, upload_id);
    return status;
  }
  MR_ASSIGN_OR_RETURN(const auto names, files_.list(folder));
  for (const auto& name : names) {
    const bool is_same_number = name.starts_with(std::to_string(number) + ".");
    if (!is_same_number || folder + "/" + name == path) continue;
    MR_RETURN_IF_ERROR(files_.remove(folder + "/" + name));  // replaced by this one
  }
  status = files_.sync_folder(folder);
  if (status.code() == StatusCode::not_found) return upload_gone(key, upload_id);
  if (!status.is_ok()) return status;
  return part;
}

Status DirectoryStore::concatenate(const std::string& upload_id,
                                   const std::vector<UploadPart>& parts, const std::string& to) {
  MR_ASSIGN_OR_RETURN(const auto whole, files_.create(to));
  std::uint64_t position = 0;
  std::string piece;
  for (const auto& part : parts) {
    MR_ASSIGN_OR_RETURN(const auto file,
                        files_.open_to_read(path_of_part(upload_id, part.number, part.etag)));
    for (std::uint64_t at = 0;; at += piece.size()) {
      piece.clear();
      MR_RETURN_IF_ERROR(file->read_at(at, kCopyStepBytes, piece));
      if (piece.empty()) break;
      MR_RETURN_IF_ERROR(whole->write_at(position, piece));
      position += piece.size();
    }
  }
  return whole->sync();
}

Status DirectoryStore::complete_upload(const std::string& key, const std::string& upload_id,
                                       const std::vector<UploadPart>& parts, bool only_if_absent) {
  MR_RETURN_IF_ERROR(check_upload(key, upload_id));
  if (parts.empty()) return invalid_error("upload of " + key + ": at least one part is needed");
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0 && parts[i - 1].number >= parts[i].number) {
      return invalid_error("upload of " + key + ": part numbers must ascend");
    }
    bool is_there = false;
    if (is_etag(parts[i].etag)) {
      const auto path = path_of_part(upload_id, parts[i].number, parts[i].etag);
      MR_ASSIGN_OR_RETURN(is_there, files_.exists(path));
    }
    if (is_there) continue;
    MR_RETURN_IF_ERROR(check_upload(key, upload_id));  // completed or aborted meanwhile
    return invalid_error("upload of " + key + ": part " + std::to_string(parts[i].number) +
                         " with etag " + parts[i].etag + " was not put");
  }
  MR_ASSIGN_OR_RETURN(auto* const work, workspace());
  // Publishing takes the whole from the upload's folder, so it fails if an abort has removed that.
  const std::string whole = folder_of_upload(upload_id) + "/" + work->unique_name() + ".tmp";
  Status status = concatenate(upload_id, parts, whole);
  if (status.is_ok()) {
    status = publish(whole, key, only_if_absent);
  } else {
    std::ignore = files_.remove(whole);
  }
  if (status.code() == StatusCode::not_found) return upload_gone(key, upload_id);
  if (!status.is_ok()) return status;
  // The object is complete; what cannot be removed is left for an abort.
  std::ignore = files_.remove(folder_of_upload(upload_id) + "/key");
  std::ignore = files_.remove_tree(folder_of_upload(upload_id));
  return ok_status();
}

Status DirectoryStore::abort_upload(const std::string& key, const std::string& upload_id) {
  MR_RETURN_IF_ERROR(validate_key(key));
  if (!is_upload_id(upload_id)) return ok_status();
  const std::string folder = folder_of_upload(upload_id);
  const auto stored = files_.read_file(folder + "/key");
  if (stored.is_ok() && *stored != key) return ok_status();  // another key's upload
  if (!stored.is_ok() && stored.status().code() != StatusCode::not_found) return stored.status();
  // The key first: from here on every other call finds the upload gone.
  MR_RETURN_IF_ERROR(files_.remove(folder + "/key"));
  MR_RETURN_IF_ERROR(files_.remove_tree(folder));
  MR_ASSIGN_OR_RETURN(const bool exists, files_.exists(uploads_));
  return exists ? files_.sync_folder(uploads_) : ok_status();
}

}  // namespace

Result<std::unique_ptr<ObjectStore>> open_directory_store(sys::FileSystem& files,
                                                          std::string root) {
  while (root.size() > 1 && root.ends_with('/')) root.pop_back();
  if (root.empty()) return invalid_error("a directory store needs a folder");
  auto store = std::make_unique<DirectoryStore>(files, std::move(root));
  MR_RETURN_IF_ERROR(store->make_root());
  return std::unique_ptr<ObjectStore>(std::move(store));
}

}  // namespace millrace::objects
