#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/random.h"
#include "sim/census.h"
#include "sim/fault_file_system.h"
#include "sim/scheduler.h"
#include "sys/file_system.h"

namespace millrace::sim {

// How often the disk misbehaves: at one in so many calls, 0 for never.
struct DiskFaults {
  std::uint32_t read_error_one_in = 0;
  std::uint32_t write_error_one_in = 0;
  std::uint32_t sync_error_one_in = 0;
  std::uint32_t name_error_one_in = 0;  // create, rename, remove, folders
  std::uint32_t stall_one_in = 0;       // a sync takes up to seconds
};

// The crashing disk with the time it takes: during every call others may run, and the machine may
// die before or after the call took effect.
class SimDisk final : public sys::FileSystem {
 public:
  SimDisk(Scheduler& scheduler, FaultFileSystem& disk, Census& census, std::uint64_t seed)
      : scheduler_(scheduler), disk_(disk), census_(census), random_(seed ^ 0xd15cULL) {}

  void set_faults(const DiskFaults& faults) { faults_ = faults; }

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
  friend class SimFile;

  void note(std::string_view operation, const std::string& path, std::uint64_t number);
  bool strikes(std::uint32_t one_in) { return one_in > 0 && random_.one_in(one_in); }
  // Runs the call with time before or behind it.
  template <typename Call>
  auto take_time(std::int64_t ns_max, Call&& call) -> decltype(call());
  template <typename Call>
  Status name_call(std::string_view operation, const std::string& path, std::int64_t ns_max,
                   Call&& call);
  Status sync(sys::File& file, const std::string& path);
  Status write(sys::File& file, const std::string& path, std::uint64_t position,
               const std::vector<std::string_view>& buffers);

  Scheduler& scheduler_;
  FaultFileSystem& disk_;
  Census& census_;
  Random random_;
  DiskFaults faults_;
};

}  // namespace millrace::sim
