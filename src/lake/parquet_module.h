#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/status.h"
#include "lake/file_encoder.h"

namespace millrace::lake {

// Apache Parquet through Arrow C++. Arrow's libraries take 14 MB of memory once they are loaded, so
// what uses them (lake/parquet/) is a module of its own, `lib/millrace_parquet.so` beside the
// program, and is loaded with the first file. `unsupported` when it is not there.
//
// One column per field, all nullable, then where the row came from:
//   boolean          boolean
//   int64            int64
//   decimal          decimal128(precision, scale) of the field; a value that does not fit exactly
//                    is `invalid`
//   string           string
//   timestamp        timestamp[us, UTC]; nanoseconds are cut
//   list, map, any   string: JSON text
//   _topic string, _partition int32, _offset int64, _timestamp timestamp[us, UTC] (when the log
//   took it)
// Null and absent are both null.
Result<std::unique_ptr<FileEncoder>> make_parquet_encoder(const WriterConfig& config,
                                                          const TopicPartition& source);

Result<std::uint64_t> count_parquet_rows(std::string_view bytes);

// What the module exports, under kParquetModuleSymbol. Program and module are of one build.
struct ParquetModule {
  Result<std::unique_ptr<FileEncoder>> (*make_encoder)(const WriterConfig& config,
                                                       const TopicPartition& source);
  Result<std::uint64_t> (*count_rows)(std::string_view bytes);
};
inline constexpr const char* kParquetModuleFile = "millrace_parquet.so";
inline constexpr const char* kParquetModuleSymbol = "millrace_parquet_module";

}  // namespace millrace::lake
