#include "lake/writer_config.h"

#include <algorithm>
#include <array>

#include "base/decimal.h"

namespace millrace::lake {
namespace {

constexpr std::size_t kFieldsMax = 64;  // RowDecoder's bound
constexpr std::array<std::string_view, 4> kTimeFolders = {"year", "month", "day", "hour"};
// Where a row came from; every Parquet file has these columns behind the fields.
constexpr std::array<std::string_view, 4> kSourceColumns = {"_topic", "_partition", "_offset",
                                                            "_timestamp"};

bool is_one_of(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Status check_compression(const WriterConfig& config) {
  using codec::Compression;
  const auto compression = config.compression;
  if (config.format == FileFormat::parquet) {
    if (compression != Compression::lz4) return ok_status();
    return invalid_error("compression of Parquet files must be zstd, snappy, gzip or none");
  }
  if (compression == Compression::gzip || compression == Compression::zstd ||
      compression == Compression::none) {
    return ok_status();
  }
  return invalid_error("compression of JSON files must be gzip, zstd or none");
}

Status check_fields(const WriterConfig& config) {
  const auto& fields = config.layout.fields;
  if (fields.empty() || fields.size() > kFieldsMax) {
    return invalid_error("a lake's rows have " + std::to_string(fields.size()) +
                         " fields; they must have 1 to " + std::to_string(kFieldsMax));
  }
  for (const auto& field : fields) {
    if (is_one_of(kSourceColumns, field.name)) {
      return invalid_error("field " + field.name + ": the lake's files have a column of that name");
    }
    if (field.type != FieldType::decimal) continue;
    if (field.decimal_precision < 1 || field.decimal_precision > Decimal::kDigitsMax ||
        field.decimal_scale < 0 || field.decimal_scale > field.decimal_precision) {
      return invalid_error("field " + field.name + ": decimal(" +
                           std::to_string(field.decimal_precision) + ", " +
                           std::to_string(field.decimal_scale) +
                           ") must have 1 to 38 digits and no more of them after the point");
    }
  }
  return ok_status();
}

}  // namespace

std::string_view WriterConfig::extension() const {
  if (format == FileFormat::parquet) return "parquet";
  if (compression == codec::Compression::gzip) return "json.gz";
  return compression == codec::Compression::zstd ? "json.zst" : "json";
}

Status check_writer(const WriterConfig& config) {
  if (config.encoder_version < kEncoderVersionMin || config.encoder_version > kEncoderVersion) {
    return unsupported_error(
        "lake files of encoder version " + std::to_string(config.encoder_version) +
        "; this build writes versions " + std::to_string(kEncoderVersionMin) + " to " +
        std::to_string(kEncoderVersion) + ": run the build that wrote them");
  }
  if (config.format != FileFormat::parquet && config.format != FileFormat::json_lines) {
    return unsupported_error("lake files of an unknown format");
  }
  MR_RETURN_IF_ERROR(check_compression(config));
  MR_RETURN_IF_ERROR(check_fields(config));
  if (config.partition_by.size() > kPartitionLevelsMax) {
    return invalid_error("partition_by has more than " + std::to_string(kPartitionLevelsMax) +
                         " levels");
  }
  const auto& layout = config.layout;
  for (const auto& by : config.partition_by) {
    if (is_one_of(kTimeFolders, by)) {
      if (config.event_time_slot < layout.fields.size() &&
          layout.fields[config.event_time_slot].type == FieldType::timestamp) {
        continue;
      }
      return invalid_error("partition_by: " + by + " needs an event time");
    }
    if (!layout.find(by)) {
      return invalid_error("partition_by: " + by +
                           " is neither year, month, day, hour nor a field");
    }
  }
  return ok_status();
}

void encode_writer(const WriterConfig& config, Encoder& to) {
  to.varint(config.encoder_version);
  to.u8(static_cast<std::uint8_t>(config.format));
  to.u8(static_cast<std::uint8_t>(config.compression));
  to.varint(config.partition_by.size());
  for (const auto& by : config.partition_by) to.bytes(by);
  to.varint(config.event_time_slot);
  to.varint(config.layout.fields.size());
  for (const auto& field : config.layout.fields) {
    to.bytes(field.name);
    to.u8(static_cast<std::uint8_t>(field.type));
    to.u8(static_cast<std::uint8_t>(field.decimal_precision));
    to.u8(static_cast<std::uint8_t>(field.decimal_scale));
    to.u8(static_cast<std::uint8_t>((field.is_text_allowed ? 1 : 0) |
                                    (field.is_number_allowed ? 2 : 0)));
  }
}

WriterConfig decode_writer(Decoder& from) {
  WriterConfig config;
  config.encoder_version = static_cast<std::uint32_t>(from.varint());
  config.format = static_cast<FileFormat>(from.u8());
  config.compression = static_cast<codec::Compression>(from.u8());
  const auto levels = from.varint();
  for (std::uint64_t i = 0; i < levels && !from.has_failed(); ++i) {
    config.partition_by.emplace_back(from.bytes());
  }
  config.event_time_slot = from.varint();
  const auto fields = from.varint();
  for (std::uint64_t i = 0; i < fields && !from.has_failed(); ++i) {
    Field field;
    field.name = from.bytes();
    field.type = static_cast<FieldType>(from.u8());
    field.decimal_precision = from.u8();
    field.decimal_scale = from.u8();
    const auto forms = from.u8();
    field.is_text_allowed = (forms & 1) != 0;
    field.is_number_allowed = (forms & 2) != 0;
    config.layout.fields.push_back(std::move(field));
  }
  return config;
}

bool is_same_writer(const WriterConfig& a, const WriterConfig& b) {
  std::string bytes_a;
  std::string bytes_b;
  Encoder to_a(bytes_a);
  Encoder to_b(bytes_b);
  encode_writer(a, to_a);
  encode_writer(b, to_b);
  return bytes_a == bytes_b;
}

}  // namespace millrace::lake
