#pragma once

#include <memory>
#include <string>

#include "objects/object_store.h"
#include "sys/file_system.h"

namespace millrace::objects {

// Objects as files below `root`; unfinished uploads live in `root`/.uploads. Conditional writes are
// exact between processes on one machine (link(2) never replaces). An aborted upload can no longer
// be completed, by whichever process.
//
// Differences from S3: a key cannot be another key's folder ("a" beside "a/b" is `invalid`), parts
// have no smallest size, and a part sent again under the same number must come after the earlier
// answer to replace it. Makes `root`; writes nothing into it before the first write of an object.
// `files` must outlive the store.
Result<std::unique_ptr<ObjectStore>> open_directory_store(sys::FileSystem& files, std::string root);

}  // namespace millrace::objects
