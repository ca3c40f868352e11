// The first byte splits the input into a segment file and its index, as a checkpoint names them.
// Reading gives batches or an error, never more than the file holds; a damaged index costs time,
// not results.

#include "log/segment.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "log/segment_check.h"
#include "sys/file_system.h"
#include "sys/fuzz_folder.h"

namespace millrace::log {
namespace {

constexpr LogId kLog{1, 2};

class Scratch {
 public:
  [[nodiscard]] const std::string& folder() const { return folder_.path(); }
  [[nodiscard]] sys::FileSystem& files() { return files_; }
  void write(const std::string& path, std::string_view bytes) {
    auto file = files_.create(path);
    MR_CHECK(file.is_ok() && (*file)->write_at(0, bytes).is_ok());
  }

 private:
  sys::PosixFileSystem files_;
  sys::FuzzFolder folder_;
};

void read(Scratch& scratch, std::string_view content, std::string_view index) {
  const auto segment = std::make_shared<SegmentFile>(
      scratch.files(), std::make_shared<OpenSegments>(4), scratch.folder(), Offset(0), 0);
  const auto header =
      encode_segment_header({.log_id = kLog, .topic_id = 3, .partition = 0, .base_offset = {}});
  const std::string bytes = header + std::string(content);
  scratch.write(segment->path(), bytes);
  scratch.write(segment->index_path(), index);
  SegmentInfo info;
  info.valid_bytes = bytes.size();
  info.next_offset = Offset(1'000'000);
  std::uint64_t bytes_seen = 0;
  static_cast<void>(segment->for_each(info, [&](const FetchedBatch& batch) {
    bytes_seen += batch.bytes.size();
    return ok_status();
  }));
  MR_CHECK(bytes_seen <= bytes.size());
  for (const std::int64_t from : {0, 1, 70, 999'999}) {
    std::vector<FetchedBatch> batches;
    static_cast<void>(segment->read(info, Offset(from), 1 << 16, batches));
    static_cast<void>(segment->find_time(info, WallTime(from)));
  }
  static_cast<void>(parse_segment_header(content));
  const PartitionLog::Identity identity{.source = {"t", 0}, .topic_id = 3, .log_id = kLog};
  static_cast<void>(check_segment_files(scratch.files(), scratch.folder(), identity,
                                        {{.info = info, .file = segment}}));
}

}  // namespace
}  // namespace millrace::log

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static millrace::log::Scratch scratch;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto border = rest.size() * data[0] / 255;
  millrace::log::read(scratch, rest.substr(0, border), rest.substr(border));
  return 0;
}
