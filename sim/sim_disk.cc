#include "sim/sim_disk.h"

#include <utility>

#include "base/hash.h"

namespace millrace::sim {
namespace {

constexpr std::int64_t kReadNs = 20'000;
constexpr std::int64_t kWriteNs = 40'000;
constexpr std::int64_t kNameNs = 30'000;
constexpr std::int64_t kSyncNs = 1'500'000;
constexpr std::int64_t kStallNs = 2'000'000'000;

}  // namespace

class SimFile final : public sys::File {
 public:
  SimFile(SimDisk& disk, std::string path, std::unique_ptr<sys::File> file)
      : disk_(disk), path_(std::move(path)), file_(std::move(file)) {}

  Status read_at(std::uint64_t position, std::size_t size, std::string& out) const override {
    disk_.note("read", path_, position);
    if (disk_.strikes(disk_.faults_.read_error_one_in)) {
      disk_.census_.count("disk.read_error");
      return io_error("read " + path_ + ": Input/output error");
    }
    return disk_.take_time(kReadNs, [&] { return file_->read_at(position, size, out); });
  }
  Status write_at(std::uint64_t position, std::string_view bytes) override {
    return disk_.write(*file_, path_, position, {bytes});
  }
  Status write_at(std::uint64_t position, const std::vector<std::string_view>& buffers) override {
    return disk_.write(*file_, path_, position, buffers);
  }
  Status sync() override { return disk_.sync(*file_, path_); }
  Status truncate(std::uint64_t bytes) override {
    return disk_.name_call("truncate", path_, kNameNs, [&] { return file_->truncate(bytes); });
  }
  Status allocate(std::uint64_t bytes) override {
    return disk_.name_call("allocate", path_, kNameNs, [&] { return file_->allocate(bytes); });
  }
  [[nodiscard]] Result<std::uint64_t> size() const override { return file_->size(); }

 private:
  SimDisk& disk_;
  const std::string path_;
  const std::unique_ptr<sys::File> file_;
};

void SimDisk::note(std::string_view operation, const std::string& path, std::uint64_t number) {
  scheduler_.note(std::string(operation) + " " + path + " " + std::to_string(number));
}

template <typename Call>
auto SimDisk::take_time(std::int64_t ns_max, Call&& call) -> decltype(call()) {
  const bool is_before = random_.one_in(2);
  // Short calls mostly return before anybody else gets the processor.
  const bool is_short = ns_max < kSyncNs && !random_.one_in(8);
  const auto ns = static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(ns_max)));
  if (is_before) is_short ? scheduler_.yield() : scheduler_.sleep_ns(ns);
  auto result = call();
  if (!is_before) is_short ? scheduler_.yield() : scheduler_.sleep_ns(ns);
  return result;
}

template <typename Call>
Status SimDisk::name_call(std::string_view operation, const std::string& path, std::int64_t ns_max,
                          Call&& call) {
  note(operation, path, 0);
  const bool is_failing = strikes(faults_.name_error_one_in);
  if (is_failing && random_.one_in(2)) {
    census_.count("disk.name_error");
    return io_error(std::string(operation) + " " + path + ": Input/output error");
  }
  Status status = take_time(ns_max, call);
  if (!is_failing) return status;
  census_.count("disk.name_error_after");
  return io_error(std::string(operation) + " " + path + ": Input/output error");
}

Status SimDisk::sync(sys::File& file, const std::string& path) {
  note("sync", path, 0);
  std::int64_t ns_max = kSyncNs;
  if (strikes(faults_.stall_one_in)) {
    census_.count("disk.stall");
    ns_max = kStallNs;
  }
  const bool is_failing = strikes(faults_.sync_error_one_in);
  return take_time(ns_max, [&] {
    if (is_failing) {
      census_.count("disk.sync_error");
      disk_.fail_sync_after(1);
    }
    return file.sync();
  });
}

Status SimDisk::write(sys::File& file, const std::string& path, std::uint64_t position,
                      const std::vector<std::string_view>& buffers) {
  std::string bytes;
  for (const auto buffer : buffers) bytes.append(buffer);
  note("write", path, position ^ hash64(bytes));
  const bool is_failing = strikes(faults_.write_error_one_in);
  return take_time(kWriteNs, [&] {
    if (is_failing) {
      census_.count("disk.write_error");
      disk_.fail_write_after(1);
    }
    Status status = file.write_at(position, bytes);
    if (!status.is_ok() && status.message().find("No space") != std::string_view::npos) {
      census_.count("disk.full");
    }
    return status;
  });
}

Result<std::unique_ptr<sys::File>> SimDisk::open(const std::string& path) {
  note("open", path, 0);
  MR_ASSIGN_OR_RETURN(auto file, disk_.open(path));
  return std::unique_ptr<sys::File>(std::make_unique<SimFile>(*this, path, std::move(file)));
}

Result<std::unique_ptr<sys::File>> SimDisk::open_to_read(const std::string& path) {
  return open(path);
}

Result<std::unique_ptr<sys::File>> SimDisk::create(const std::string& path) {
  std::unique_ptr<sys::File> file;
  MR_RETURN_IF_ERROR(name_call("create", path, kNameNs, [&]() -> Status {
    MR_ASSIGN_OR_RETURN(file, disk_.create(path));
    return ok_status();
  }));
  return std::unique_ptr<sys::File>(std::make_unique<SimFile>(*this, path, std::move(file)));
}

Status SimDisk::rename(const std::string& from, const std::string& to) {
  return name_call("rename", to, kNameNs, [&] { return disk_.rename(from, to); });
}

Status SimDisk::link_new(const std::string& from, const std::string& to) {
  return name_call("link", to, kNameNs, [&] { return disk_.link_new(from, to); });
}

Status SimDisk::remove(const std::string& path) {
  return name_call("remove", path, kNameNs, [&] { return disk_.remove(path); });
}

Status SimDisk::make_folders(const std::string& path) {
  return name_call("make_folders", path, kNameNs, [&] { return disk_.make_folders(path); });
}

Status SimDisk::sync_folder(const std::string& path) {
  return name_call("sync_folder", path, kSyncNs, [&] { return disk_.sync_folder(path); });
}

Result<std::vector<std::string>> SimDisk::list(const std::string& path) {
  note("list", path, 0);
  return take_time(kReadNs, [&] { return disk_.list(path); });
}

Result<bool> SimDisk::exists(const std::string& path) {
  note("exists", path, 0);
  return take_time(kReadNs, [&] { return disk_.exists(path); });
}

Result<bool> SimDisk::is_folder(const std::string& path) {
  return disk_.is_folder(path);
}

Status SimDisk::remove_tree(const std::string& path) {
  return name_call("remove_tree", path, kNameNs, [&] { return disk_.remove_tree(path); });
}

Result<std::unique_ptr<sys::FolderLock>> SimDisk::lock_folder(const std::string& path) {
  return disk_.lock_folder(path);
}

}  // namespace millrace::sim
