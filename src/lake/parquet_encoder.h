#pragma once

#include <memory>
#include <string_view>

#include "base/status.h"
#include "lake/file_encoder.h"

namespace millrace::lake {

// Apache Parquet through Arrow C++, which parquet_encoder.cc alone includes. One column per field,
// all nullable, then where the row came from:
//   boolean    boolean
//   int64      int64
//   decimal    decimal128(precision, scale) of the field; exact, a value that does not fit is
//   `invalid` string     string timestamp  timestamp[us, UTC]; nanoseconds are cut list, map, any
//   string: JSON text _topic string, _partition int32, _offset int64, _timestamp timestamp[us, UTC]
//   (when the log took it)
// Null and absent are both null.
Result<std::unique_ptr<FileEncoder>> make_parquet_encoder(const WriterConfig& config,
                                                          const TopicPartition& source);

Result<std::uint64_t> count_parquet_rows(std::string_view bytes);

}  // namespace millrace::lake
