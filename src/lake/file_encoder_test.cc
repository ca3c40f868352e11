#include "lake/file_encoder.h"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <gtest/gtest.h>
#include <parquet/arrow/reader.h>

#include "base/arena.h"
#include "codec/json.h"

namespace millrace::lake {
namespace {

const TopicPartition kSource{"output_topic", 3};

WriterConfig every_type() {
  WriterConfig config;
  config.layout.fields = {{"flag", FieldType::boolean},
                          {"count", FieldType::int64},
                          {"price", FieldType::decimal, true, false, 18, 4},
                          {"wide", FieldType::decimal, true, false, 38, 10},
                          {"name", FieldType::string},
                          {"at", FieldType::timestamp},
                          {"tags", FieldType::list},
                          {"extra", FieldType::map},
                          {"rest", FieldType::any}};
  config.event_time_slot = 5;
  return config;
}

std::vector<Value> parsed_row(Arena& arena) {
  const auto list = codec::parse_json(R"([1, "two", 3.50])", arena);
  const auto map = codec::parse_json(R"({"a": null})", arena);
  return {Value::boolean(true),
          Value::int64(-5),
          Value::decimal({22382, 2}),
          Value::decimal({-1, 10}),
          Value::string("Z\xc3\xbcrich"),
          Value::timestamp(1'340'285'400, 17'460'999),
          *list,
          *map,
          Value::string("text")};
}

Result<std::shared_ptr<arrow::Table>> read_back(const std::string& bytes) {
  auto input = std::make_shared<arrow::io::BufferReader>(std::make_shared<arrow::Buffer>(bytes));
  auto reader = parquet::arrow::OpenFile(std::move(input), arrow::default_memory_pool());
  if (!reader.ok()) return io_error(reader.status().ToString());
  auto table = (*reader)->ReadTable();
  if (!table.ok()) return io_error(table.status().ToString());
  return *table;
}

std::string cell(const arrow::Table& table, const std::string& column, std::int64_t row) {
  const auto scalar = table.GetColumnByName(column)->GetScalar(row);
  return scalar.ok() ? (*scalar)->ToString() : scalar.status().ToString();
}

std::unique_ptr<FileEncoder> encoder_of(const WriterConfig& config) {
  auto encoder = make_encoder(config, kSource);
  EXPECT_TRUE(encoder.is_ok()) << encoder.status().to_string();
  return std::move(encoder).value();
}

TEST(Parquet, every_type_has_its_column) {
  const auto config = every_type();
  const auto encoder = encoder_of(config);
  Arena arena;
  const auto row = parsed_row(arena);
  const std::vector<Value> empty(row.size());
  std::vector<Value> nulls(row.size(), Value::null());
  ASSERT_TRUE(encoder->add({row, "{}", Offset(41), WallTime(1'700'000'000'123)}).is_ok());
  ASSERT_TRUE(encoder->add({empty, "{}", Offset(42), WallTime(1'700'000'000'124)}).is_ok());
  ASSERT_TRUE(encoder->add({nulls, "{}", Offset(50), WallTime(1'700'000'000'125)}).is_ok());
  EXPECT_GT(encoder->buffered_bytes(), 0u);
  const auto bytes = encoder->finish();
  ASSERT_TRUE(bytes.is_ok()) << bytes.status().to_string();
  const auto table = read_back(*bytes);
  ASSERT_TRUE(table.is_ok()) << table.status().to_string();
  EXPECT_EQ((*table)->schema()->ToString(),
            "flag: bool\n"
            "count: int64\n"
            "price: decimal128(18, 4)\n"
            "wide: decimal128(38, 10)\n"
            "name: string\n"
            "at: timestamp[us, tz=UTC]\n"
            "tags: string\n"
            "extra: string\n"
            "rest: string\n"
            "_topic: string\n"
            "_partition: int32\n"
            "_offset: int64\n"
            "_timestamp: timestamp[us, tz=UTC]");
  EXPECT_EQ(cell(**table, "flag", 0), "true");
  EXPECT_EQ(cell(**table, "count", 0), "-5");
  EXPECT_EQ(cell(**table, "price", 0), "223.8200");
  EXPECT_EQ(cell(**table, "wide", 0), "-1E-10");
  EXPECT_EQ(cell(**table, "name", 0), "Z\xc3\xbcrich");
  EXPECT_EQ(cell(**table, "at", 0), "2012-06-21 13:30:00.017460Z");
  EXPECT_EQ(cell(**table, "tags", 0), R"([1,"two",3.50])");
  EXPECT_EQ(cell(**table, "extra", 0), R"({"a":null})");
  EXPECT_EQ(cell(**table, "rest", 0), "text");
  EXPECT_EQ(cell(**table, "_topic", 2), "output_topic");
  EXPECT_EQ(cell(**table, "_partition", 2), "3");
  EXPECT_EQ(cell(**table, "_offset", 0), "41");
  EXPECT_EQ(cell(**table, "_offset", 2), "50");
  EXPECT_EQ(cell(**table, "_timestamp", 0), "2023-11-14 22:13:20.123000Z");
  for (const auto& field : config.layout.fields) {
    EXPECT_EQ(cell(**table, field.name, 1), "null") << field.name;
    EXPECT_EQ(cell(**table, field.name, 2), "null") << field.name;
  }
  const auto rows = count_rows("a/b.parquet", *bytes);
  ASSERT_TRUE(rows.is_ok());
  EXPECT_EQ(*rows, 3u);
}

TEST(Parquet, decimals_are_exact_or_refused) {
  WriterConfig config;
  config.layout.fields = {{"d", FieldType::decimal, true, false, 5, 2}};
  const auto encoder = encoder_of(config);
  const auto code_of = [&](const Decimal& decimal) {
    const std::vector<Value> row{Value::decimal(decimal)};
    return encoder->add({row, "{}", Offset(0), WallTime(0)}).code();
  };
  EXPECT_EQ(code_of({99999, 2}), StatusCode::ok);
  EXPECT_EQ(code_of({-99999, 2}), StatusCode::ok);
  EXPECT_EQ(code_of({999, 0}), StatusCode::ok);
  EXPECT_EQ(code_of({12000, 4}), StatusCode::ok);  // 1.2000 is 1.20
  EXPECT_EQ(code_of({100000, 2}), StatusCode::invalid);
  EXPECT_EQ(code_of({1000, 0}), StatusCode::invalid);
  EXPECT_EQ(code_of({12001, 4}), StatusCode::invalid);
  EXPECT_EQ(code_of({power_of_ten(37), 0}), StatusCode::invalid);
  const auto table = read_back(*encoder->finish());
  ASSERT_TRUE(table.is_ok());
  ASSERT_EQ((*table)->num_rows(), 4);
  EXPECT_EQ(cell(**table, "d", 2), "999.00");
  EXPECT_EQ(cell(**table, "d", 3), "1.20");
}

// 20 000 rows are several batches of pages.
std::string large_file(FileFormat format, codec::Compression compression,
                       std::uint32_t encoder_version = kEncoderVersion) {
  auto config = every_type();
  config.format = format;
  config.compression = compression;
  config.encoder_version = encoder_version;
  const auto encoder = encoder_of(config);
  Arena arena;
  auto row = parsed_row(arena);
  for (std::int64_t i = 0; i < 20'000; ++i) {
    row[1] = Value::int64(i * 7919 % 1000);
    const auto name = "name " + std::to_string(i % 513);
    row[4] = Value::string(name);
    EXPECT_TRUE(encoder->add({row, "{\"a\":\n1}", Offset(i), WallTime(i)}).is_ok());
  }
  auto bytes = encoder->finish();
  EXPECT_TRUE(bytes.is_ok()) << bytes.status().to_string();
  return std::move(bytes).value();
}

TEST(Parquet, the_same_rows_give_the_same_bytes) {
  for (const auto compression : {codec::Compression::zstd, codec::Compression::snappy,
                                 codec::Compression::gzip, codec::Compression::none}) {
    const auto bytes = large_file(FileFormat::parquet, compression);
    EXPECT_TRUE(bytes == large_file(FileFormat::parquet, compression));
    EXPECT_EQ(*count_rows("x.parquet", bytes), 20'000u);
  }
}

// A range frozen by an earlier build is finished as that build would have.
TEST(Parquet, the_first_encoder_version_has_gzip_at_level_9) {
  const auto newest = large_file(FileFormat::parquet, codec::Compression::gzip);
  const auto first = large_file(FileFormat::parquet, codec::Compression::gzip, 1);
  EXPECT_EQ(*count_rows("x.parquet", newest), 20'000u);
  EXPECT_EQ(*count_rows("x.parquet", first), 20'000u);
  EXPECT_NE(first, newest);
}

TEST(Parquet, foreign_bytes_are_corrupt) {
  const auto bytes = large_file(FileFormat::parquet, codec::Compression::zstd);
  for (const auto& broken : {std::string(), std::string("PAR1"), bytes.substr(0, bytes.size() / 2),
                             std::string(1000, 'x')}) {
    EXPECT_EQ(count_rows("x.parquet", broken).status().code(), StatusCode::corrupt);
  }
}

TEST(JsonLines, one_object_per_line_whatever_its_layout) {
  auto config = every_type();
  config.format = FileFormat::json_lines;
  config.compression = codec::Compression::none;
  const auto encoder = encoder_of(config);
  ASSERT_TRUE(encoder->add({{}, "{\"a\":1}", Offset(0), WallTime(0)}).is_ok());
  ASSERT_TRUE(encoder->add({{}, "{\n  \"b\":\r\n\"\\n\"\n}", Offset(1), WallTime(0)}).is_ok());
  const auto bytes = encoder->finish();
  ASSERT_TRUE(bytes.is_ok());
  EXPECT_EQ(*bytes, "{\"a\":1}\n{   \"b\":  \"\\n\" }\n");
  EXPECT_EQ(*count_rows("x.json", *bytes), 2u);
}

TEST(JsonLines, compressed_files_hold_the_lines_and_no_time) {
  for (const auto compression : {codec::Compression::gzip, codec::Compression::zstd}) {
    const auto bytes = large_file(FileFormat::json_lines, compression);
    EXPECT_TRUE(bytes == large_file(FileFormat::json_lines, compression));
    std::string plain;
    ASSERT_TRUE(codec::decompress(compression, bytes, 10 << 20, plain).is_ok());
    EXPECT_TRUE(plain.starts_with("{\"a\": 1}\n{\"a\": 1}\n"));
    const auto name = compression == codec::Compression::gzip ? "x.json.gz" : "x.json.zst";
    EXPECT_EQ(*count_rows(name, bytes), 20'000u);
    // RFC 1952: the four bytes from byte 4 on are the modification time.
    if (compression == codec::Compression::gzip) {
      EXPECT_EQ(bytes.substr(4, 4), std::string(4, '\0'));
    }
    EXPECT_EQ(count_rows(name, "xx").status().code(), StatusCode::corrupt);
  }
}

TEST(WriterConfig, says_what_would_be_right) {
  auto config = every_type();
  EXPECT_TRUE(check_writer(config).is_ok());
  config.partition_by = {"year", "name"};
  EXPECT_TRUE(check_writer(config).is_ok());
  config.partition_by = {"colour"};
  EXPECT_EQ(check_writer(config).message(),
            "partition_by: colour is neither year, month, day, hour nor a field");
  config = every_type();
  config.event_time_slot = 0;
  config.partition_by = {"year"};
  EXPECT_EQ(check_writer(config).code(), StatusCode::invalid);
  config = every_type();
  config.layout.fields[0].name = "_offset";
  EXPECT_EQ(check_writer(config).code(), StatusCode::invalid);
  config = every_type();
  config.layout.fields[2].decimal_precision = 39;
  EXPECT_EQ(check_writer(config).code(), StatusCode::invalid);
  config = every_type();
  config.format = FileFormat::json_lines;
  config.compression = codec::Compression::snappy;
  EXPECT_EQ(check_writer(config).code(), StatusCode::invalid);
  config = every_type();
  for (const std::uint32_t version : {0, 3}) {
    config = every_type();
    config.encoder_version = version;
    EXPECT_EQ(check_writer(config).code(), StatusCode::unsupported);
  }
  config.encoder_version = 1;
  EXPECT_TRUE(check_writer(config).is_ok());
}

}  // namespace
}  // namespace millrace::lake
