#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/coding.h"
#include "base/status.h"
#include "codec/compression.h"
#include "model/row.h"

namespace millrace::lake {

enum class FileFormat : std::uint8_t { parquet = 1, json_lines = 2 };

// Raised whenever the same rows would give other bytes or other paths. 2: Parquet's gzip at level
// 1, where 1 had level 9. This build still writes all of them, for ranges frozen under them.
inline constexpr std::uint32_t kEncoderVersion = 2;
inline constexpr std::uint32_t kEncoderVersionMin = 1;

// Everything besides the records that decides what a range's files are called and what is in them.
// It is journalled before the first range it writes, so that a range is always finished by the
// writer named at its freeze, whatever the pipeline file says by then (R18).
struct WriterConfig {
  std::uint32_t encoder_version = kEncoderVersion;
  FileFormat format = FileFormat::parquet;
  codec::Compression compression = codec::Compression::zstd;
  // Folders from the outside in: year, month, day, hour of the event time, or names of fields.
  std::vector<std::string> partition_by;
  std::size_t event_time_slot = 0;  // in layout
  RowLayout layout;

  // "parquet", "json.gz", "json.zst" or "json".
  [[nodiscard]] std::string_view extension() const;
};

inline constexpr std::size_t kPartitionLevelsMax = 8;

// `invalid` when no file could be written this way; `unsupported` for another build's encoder
// version.
Status check_writer(const WriterConfig& config);

// docs/formats/lake.md has the bytes.
void encode_writer(const WriterConfig& config, Encoder& to);
WriterConfig decode_writer(Decoder& from);  // malformed input shows in the decoder's status
// Whether both write the same files from the same records.
bool is_same_writer(const WriterConfig& a, const WriterConfig& b);

}  // namespace millrace::lake
