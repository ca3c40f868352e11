#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <parquet/arrow/writer.h>
#include <parquet/file_reader.h>

#include <exception>
#include <string>
#include <vector>

#include "base/check.h"
#include "codec/json.h"
#include "lake/parquet_module.h"

namespace millrace::lake {
namespace {

// Rows go from the builders into pages whenever one of these is reached; what is buffered after
// that is encoded and compressed.
constexpr std::int64_t kBatchRows = 8192;
constexpr std::size_t kBatchBytes = std::size_t{1} << 20;
constexpr std::int64_t kRowGroupRows = std::int64_t{1} << 20;
constexpr std::int64_t kSinkBytes = 4096;  // to begin with
constexpr int kZstdLevel = 1;  // Arrow's default; higher levels halve the speed for a few per cent
// Arrow's default of 9 makes the files of 1 smaller by 3 % and takes 15 times as long.
constexpr int kGzipLevel = 1;
constexpr int kGzipLevelOfVersion1 = 9;

Status from_arrow(const arrow::Status& status) {
  if (status.ok()) return ok_status();
  return io_error("Arrow: " + status.ToString());
}

#define MR_RETURN_IF_ARROW_ERROR(expression)                                                 \
  do {                                                                                       \
    if (const arrow::Status& arrow_status = (expression); !arrow_status.ok()) [[unlikely]] { \
      return from_arrow(arrow_status);                                                       \
    }                                                                                        \
  } while (false)

// Parquet's own code throws.
template <typename Function>
auto without_exceptions(Function&& function) -> decltype(function()) {
  try {
    return function();
  } catch (const std::exception& exception) {
    return io_error(std::string("Parquet: ") + exception.what());
  }
}

parquet::Compression::type to_parquet(codec::Compression compression) {
  switch (compression) {
    case codec::Compression::gzip:
      return parquet::Compression::GZIP;
    case codec::Compression::snappy:
      return parquet::Compression::SNAPPY;
    case codec::Compression::zstd:
      return parquet::Compression::ZSTD;
    default:
      return parquet::Compression::UNCOMPRESSED;
  }
}

std::shared_ptr<arrow::DataType> column_type(const Field& field) {
  switch (field.type) {
    case FieldType::boolean:
      return arrow::boolean();
    case FieldType::int64:
      return arrow::int64();
    case FieldType::decimal:
      return arrow::decimal128(field.decimal_precision, field.decimal_scale);
    case FieldType::timestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case FieldType::string:
    case FieldType::list:
    case FieldType::map:
    case FieldType::any:
      break;
  }
  return arrow::utf8();
}

// The value's digits at the field's scale; nullopt when it does not fit exactly.
std::optional<__int128> unscaled_for(const Field& field, const Value& value) {
  if (value.kind() != ValueKind::decimal && value.kind() != ValueKind::int64) return std::nullopt;
  auto number =
      value.kind() == ValueKind::int64 ? Decimal::from_int(value.as_int64()) : value.as_decimal();
  if (number.scale() > field.decimal_scale) number = number.normalized();
  if (number.scale() > field.decimal_scale) return std::nullopt;
  const auto limit = power_of_ten(field.decimal_precision);
  __int128 unscaled = 0;
  if (__builtin_mul_overflow(number.unscaled(), power_of_ten(field.decimal_scale - number.scale()),
                             &unscaled) ||
      unscaled >= limit || unscaled <= -limit) {
    return std::nullopt;
  }
  return unscaled;
}

bool is_null(const Value& value) {
  return value.is_absent() || value.is_null();
}

class ParquetEncoder final : public FileEncoder {
 public:
  ParquetEncoder(const WriterConfig& config, const TopicPartition& source)
      : fields_(config.layout.fields), source_(source), decimals_(fields_.size()) {}

  Status open(const WriterConfig& config);

  Status add(const EncoderRow& row) override {
    return without_exceptions([&] { return add_row(row); });
  }
  // All memory of the file goes through the pool, and comes from malloc: Arrow's own allocator
  // keeps what one file has freed for itself, which the rest of the process then lacks.
  [[nodiscard]] std::size_t buffered_bytes() const override {
    return static_cast<std::size_t>(pool_.bytes_allocated());
  }
  Result<std::string> finish() override {
    return without_exceptions([&] { return finish_file(); });
  }

 private:
  template <typename Builder>
  Builder& builder(std::size_t column) {
    return static_cast<Builder&>(*builders_[column]);
  }
  Status add_row(const EncoderRow& row);
  arrow::Status append_value(std::size_t slot, const Value& value);
  arrow::Status append_source(const EncoderRow& row);
  Status write_batch();
  Result<std::string> finish_file();

  const std::vector<Field>& fields_;
  TopicPartition source_;
  arrow::ProxyMemoryPool pool_{arrow::system_memory_pool()};
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::io::BufferOutputStream> sink_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders_;  // one per column
  std::vector<__int128> decimals_;                              // by slot; of the row being added
  std::int64_t batch_rows_ = 0;
  std::size_t batch_bytes_ = 0;
  std::string text_;
};

Status ParquetEncoder::open(const WriterConfig& config) {
  arrow::FieldVector columns;
  for (const auto& field : fields_) columns.push_back(arrow::field(field.name, column_type(field)));
  columns.push_back(arrow::field("_topic", arrow::utf8()));
  columns.push_back(arrow::field("_partition", arrow::int32()));
  columns.push_back(arrow::field("_offset", arrow::int64()));
  columns.push_back(arrow::field("_timestamp", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")));
  schema_ = arrow::schema(std::move(columns));
  for (const auto& column : schema_->fields()) {
    std::unique_ptr<arrow::ArrayBuilder> column_builder;
    MR_RETURN_IF_ARROW_ERROR(arrow::MakeBuilder(&pool_, column->type(), &column_builder));
    builders_.push_back(std::move(column_builder));
  }
  parquet::WriterProperties::Builder properties;
  properties.memory_pool(&pool_)
      ->version(parquet::ParquetVersion::PARQUET_2_6)
      ->compression(to_parquet(config.compression))
      ->max_row_group_length(kRowGroupRows)
      ->enable_store_decimal_as_integer()
      ->disable_dictionary("_offset")
      ->encoding("_offset", parquet::Encoding::DELTA_BINARY_PACKED);
  if (config.compression == codec::Compression::zstd) properties.compression_level(kZstdLevel);
  if (config.compression == codec::Compression::gzip) {
    properties.compression_level(config.encoder_version == 1 ? kGzipLevelOfVersion1 : kGzipLevel);
  }
  auto sink = arrow::io::BufferOutputStream::Create(kSinkBytes, &pool_);
  MR_RETURN_IF_ARROW_ERROR(sink.status());
  sink_ = std::move(sink).ValueUnsafe();
  auto writer = parquet::arrow::FileWriter::Open(*schema_, &pool_, sink_, properties.build());
  MR_RETURN_IF_ARROW_ERROR(writer.status());
  writer_ = std::move(writer).ValueUnsafe();
  return from_arrow(writer_->NewBufferedRowGroup());
}

Status ParquetEncoder::add_row(const EncoderRow& row) {
  MR_CHECK(row.values.size() == fields_.size());
  // All that can refuse the row comes before the first column takes it.
  for (std::size_t slot = 0; slot < fields_.size(); ++slot) {
    const auto& field = fields_[slot];
    if (field.type != FieldType::decimal || is_null(row.values[slot])) continue;
    const auto unscaled = unscaled_for(field, row.values[slot]);
    if (!unscaled) {
      return invalid_error("field " + field.name + " does not fit decimal(" +
                           std::to_string(field.decimal_precision) + ", " +
                           std::to_string(field.decimal_scale) + ")");
    }
    decimals_[slot] = *unscaled;
  }
  for (std::size_t slot = 0; slot < fields_.size(); ++slot) {
    MR_RETURN_IF_ARROW_ERROR(append_value(slot, row.values[slot]));
  }
  MR_RETURN_IF_ARROW_ERROR(append_source(row));
  ++batch_rows_;
  batch_bytes_ += row.text.size();
  if (batch_rows_ < kBatchRows && batch_bytes_ < kBatchBytes) return ok_status();
  return write_batch();
}

arrow::Status ParquetEncoder::append_value(std::size_t slot, const Value& value) {
  if (is_null(value)) return builders_[slot]->AppendNull();
  switch (fields_[slot].type) {
    case FieldType::boolean:
      MR_CHECK(value.kind() == ValueKind::boolean);
      return builder<arrow::BooleanBuilder>(slot).Append(value.as_boolean());
    case FieldType::int64:
      MR_CHECK(value.kind() == ValueKind::int64);
      return builder<arrow::Int64Builder>(slot).Append(value.as_int64());
    case FieldType::decimal: {
      const auto unscaled = decimals_[slot];
      return builder<arrow::Decimal128Builder>(slot).Append(arrow::Decimal128(
          static_cast<std::int64_t>(unscaled >> 64), static_cast<std::uint64_t>(unscaled)));
    }
    case FieldType::string:
      MR_CHECK(value.kind() == ValueKind::string);
      return builder<arrow::StringBuilder>(slot).Append(value.as_string());
    case FieldType::timestamp:
      MR_CHECK(value.kind() == ValueKind::timestamp);
      return builder<arrow::TimestampBuilder>(slot).Append(value.as_micros());
    case FieldType::list:
    case FieldType::map:
    case FieldType::any:
      break;
  }
  // A look-up in a table gives any; quotes around what is nearly always a string would help nobody.
  if (value.kind() == ValueKind::string) {
    return builder<arrow::StringBuilder>(slot).Append(value.as_string());
  }
  text_.clear();
  codec::append_json(text_, value, false);
  return builder<arrow::StringBuilder>(slot).Append(text_);
}

arrow::Status ParquetEncoder::append_source(const EncoderRow& row) {
  auto column = fields_.size();
  ARROW_RETURN_NOT_OK(builder<arrow::StringBuilder>(column++).Append(source_.topic));
  ARROW_RETURN_NOT_OK(builder<arrow::Int32Builder>(column++).Append(source_.partition));
  ARROW_RETURN_NOT_OK(builder<arrow::Int64Builder>(column++).Append(row.offset.value));
  return builder<arrow::TimestampBuilder>(column).Append(row.append_time.value * kMicrosPerMilli);
}

Status ParquetEncoder::write_batch() {
  if (batch_rows_ == 0) return ok_status();
  arrow::ArrayVector arrays;
  for (auto& column : builders_) {
    std::shared_ptr<arrow::Array> array;
    MR_RETURN_IF_ARROW_ERROR(column->Finish(&array));
    arrays.push_back(std::move(array));
  }
  const auto batch = arrow::RecordBatch::Make(schema_, batch_rows_, std::move(arrays));
  MR_RETURN_IF_ARROW_ERROR(writer_->WriteRecordBatch(*batch));
  batch_rows_ = 0;
  batch_bytes_ = 0;
  return ok_status();
}

Result<std::string> ParquetEncoder::finish_file() {
  MR_CHECK(writer_ != nullptr);
  MR_RETURN_IF_ERROR(write_batch());
  MR_RETURN_IF_ARROW_ERROR(writer_->Close());
  writer_.reset();
  builders_.clear();
  auto buffer = sink_->Finish();
  MR_RETURN_IF_ARROW_ERROR(buffer.status());
  return (*buffer)->ToString();
}

Result<std::unique_ptr<FileEncoder>> open_encoder(const WriterConfig& config,
                                                  const TopicPartition& source) {
  auto encoder = std::make_unique<ParquetEncoder>(config, source);
  MR_RETURN_IF_ERROR(without_exceptions([&] { return encoder->open(config); }));
  return std::unique_ptr<FileEncoder>(std::move(encoder));
}

Result<std::uint64_t> count_rows_in(std::string_view bytes) {
  try {
    const auto reader = parquet::ParquetFileReader::Open(
        std::make_shared<arrow::io::BufferReader>(std::make_shared<arrow::Buffer>(bytes)));
    return static_cast<std::uint64_t>(reader->metadata()->num_rows());
  } catch (const std::exception& exception) {
    return corrupt_error(std::string("Parquet: ") + exception.what());
  }
}

}  // namespace
}  // namespace millrace::lake

extern "C" {
// kParquetModuleSymbol.
// NOLINTBEGIN(readability-identifier-naming): as a C symbol is named
[[gnu::visibility("default")]] extern const millrace::lake::ParquetModule millrace_parquet_module;
const millrace::lake::ParquetModule millrace_parquet_module{&millrace::lake::open_encoder,
                                                            &millrace::lake::count_rows_in};
// NOLINTEND(readability-identifier-naming)
}
