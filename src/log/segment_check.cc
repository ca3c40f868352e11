#include "log/segment_check.h"

#include <set>

namespace millrace::log {

Status check_segment_files(sys::FileSystem& files, const std::string& folder,
                           const PartitionLog::Identity& identity, const SegmentList& segments) {
  std::set<std::string> known;
  for (const Segment& segment : segments) {
    const std::string& path = segment.file->path();
    known.insert(path);
    known.insert(segment.file->index_path());
    const std::string advice = "; restore the folder from a backup";
    auto file = files.open(path);
    if (file.status().code() == StatusCode::not_found) {
      return corrupt_error("segment " + path + " is missing" + advice);
    }
    if (!file.is_ok()) return std::move(file).take_status();
    MR_ASSIGN_OR_RETURN(const std::uint64_t size, (*file)->size());
    if (size < segment.info.valid_bytes) {
      return corrupt_error("segment " + path + " has " + std::to_string(size) +
                           " bytes, the checkpoint says " +
                           std::to_string(segment.info.valid_bytes) + advice);
    }
    std::string head;
    MR_RETURN_IF_ERROR((*file)->read_at(0, kSegmentHeaderBytes, head));
    const auto header = parse_segment_header(head);
    const SegmentHeader expected{.log_id = identity.log_id,
                                 .topic_id = identity.topic_id,
                                 .partition = identity.source.partition,
                                 .base_offset = segment.info.base_offset};
    if (!header.is_ok() || header.value() != expected) {
      return corrupt_error("segment " + path + " has a damaged header or belongs elsewhere" +
                           advice);
    }
    if (size > segment.info.valid_bytes) {
      MR_RETURN_IF_ERROR((*file)->truncate(segment.info.valid_bytes));
    }
  }
  MR_ASSIGN_OR_RETURN(const auto names, files.list(folder));
  for (const auto& name : names) {
    const std::string path = folder + "/" + name;
    if (!known.contains(path)) MR_RETURN_IF_ERROR(files.remove(path));
  }
  return ok_status();
}

}  // namespace millrace::log
