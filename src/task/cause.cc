#include "task/cause.h"

#include <array>

#include "base/check.h"
#include "codec/record_batch.h"

namespace millrace::task {
namespace {

constexpr std::string_view kSourceHeader = "millrace-source";
constexpr std::string_view kPipelineHeader = "millrace-pipeline";

}  // namespace

CauseWriter::CauseWriter(const std::string& topic, std::int32_t partition, std::string pipeline)
    : prefix_(topic + "/" + std::to_string(partition) + "/"), pipeline_(std::move(pipeline)) {
  encode(Offset(0));
}

void CauseWriter::encode(Offset offset) {
  source_ = prefix_ + std::to_string(offset.value);
  const std::array<codec::HeaderToAppend, 2> headers{
      {{kSourceHeader, source_}, {kPipelineHeader, pipeline_}}};
  headers_.clear();
  codec::encode_headers(headers, headers_);
  digits_end_ = headers_.find(source_) + source_.size();
  offset_ = offset;
  cause_ = {source_, pipeline_, cause_.time, headers_};
}

const Cause& CauseWriter::at(Offset offset, WallTime time) {
  if (offset != offset_) {
    // Offsets follow each other; nine times out of ten the last digit is all that changes.
    char& last = headers_[digits_end_ - 1];
    if (offset == offset_ + 1 && last != '9') {
      ++last;
      ++source_.back();
      offset_ = offset;
    } else {
      encode(offset);
    }
  }
  cause_.time = time;
  return cause_;
}

}  // namespace millrace::task
