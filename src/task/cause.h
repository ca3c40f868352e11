#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "model/topic.h"

namespace millrace::task {

// Where in the input an output was caused, and when: what its headers and timestamp say.
struct Cause {
  std::string_view source;    // "topic/partition/offset"
  std::string_view pipeline;  // "ticks@1"
  WallTime time;              // processing time
  std::string_view headers;   // millrace-source and millrace-pipeline, encoded
};

// Makes the causes of one task, whose source topic and partition stay the same. One thread.
class CauseWriter {
 public:
  CauseWriter(const std::string& topic, std::int32_t partition, std::string pipeline);

  // Valid until the next call.
  const Cause& at(Offset offset, WallTime time);

 private:
  void encode(Offset offset);

  const std::string prefix_;  // "topic/partition/"
  const std::string pipeline_;
  Offset offset_{-1};
  std::string source_;
  std::string headers_;
  Cause cause_;                 // views of these
  std::size_t digits_end_ = 0;  // of the offset's digits in headers_
};

}  // namespace millrace::task
