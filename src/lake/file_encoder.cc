#include "lake/file_encoder.h"

#include "lake/json_lines_encoder.h"
#include "lake/parquet_module.h"

namespace millrace::lake {

Result<std::unique_ptr<FileEncoder>> make_encoder(const WriterConfig& config,
                                                  const TopicPartition& source) {
  if (config.format == FileFormat::parquet) return make_parquet_encoder(config, source);
  return make_json_lines_encoder(config.compression);
}

Result<std::uint64_t> count_rows(std::string_view path, std::string_view bytes) {
  using codec::Compression;
  if (path.ends_with(".parquet")) return count_parquet_rows(bytes);
  if (path.ends_with(".json.gz")) return count_json_lines(Compression::gzip, bytes);
  if (path.ends_with(".json.zst")) return count_json_lines(Compression::zstd, bytes);
  if (path.ends_with(".json")) return count_json_lines(Compression::none, bytes);
  return corrupt_error("the name ends in none of .parquet, .json.gz, .json.zst, .json");
}

}  // namespace millrace::lake
