#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "objects/object_store.h"
#include "sys/file_system.h"

namespace millrace::app {

// What a data folder, or a store of objects that several processes share, is made with once.

// Bytes nobody can guess, from the kernel.
Result<std::string> random_bytes(std::size_t count);

// The secret that keys the hashes of deduplication ids: one per data folder.
Result<std::uint64_t> load_secret(sys::FileSystem& files, const std::string& folder);
// One for all processes that share the store: whoever comes first makes it.
Result<std::uint64_t> load_shared_secret(objects::ObjectStore& objects);

// This process' name among those that share a log: the host's name and a number that is drawn once
// and kept in the data folder.
Result<std::string> load_process_name(sys::FileSystem& files, const std::string& folder);

}  // namespace millrace::app
