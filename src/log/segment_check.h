#pragma once

#include <string>

#include "log/partition_log.h"
#include "sys/file_system.h"

namespace millrace::log {

// Whether the files of a partition's folder hold what the checkpoint says. Removes files it does
// not name and cuts an unfinished tail off the newest segment.
Status check_segment_files(sys::FileSystem& files, const std::string& folder,
                           const PartitionLog::Identity& identity, const SegmentList& segments);

}  // namespace millrace::log
