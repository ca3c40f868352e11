#include "task/table.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <boost/unordered/unordered_flat_set.hpp>

#include "base/check.h"
#include "base/utf8.h"
#include "codec/json.h"

namespace millrace::task {
namespace {

constexpr std::uint64_t kContentSeed =
    0x6d696c6c72616365;  // part of the version's name; never changes

// Reads the fields of one CSV record (RFC 4180); quoted fields may hold line breaks.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : text_(text) {
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
  }

  [[nodiscard]] bool is_at_end() const { return text_.empty(); }
  [[nodiscard]] std::size_t line() const { return line_; }

  Status read(std::vector<std::string>& fields) {
    fields.clear();
    line_ = next_line_++;
    while (true) {
      fields.emplace_back();
      MR_RETURN_IF_ERROR(read_field(fields.back()));
      if (text_.empty()) return ok_status();
      const char separator = text_.front();
      text_.remove_prefix(1);
      if (separator == '\r' && text_.starts_with('\n')) text_.remove_prefix(1);
      if (separator != ',') return ok_status();
    }
  }

 private:
  Status read_field(std::string& field) {
    if (!text_.starts_with('"')) {
      const auto stop = text_.find_first_of(",\r\n");
      field = text_.substr(0, stop);
      text_.remove_prefix(stop == std::string_view::npos ? text_.size() : stop);
      return ok_status();
    }
    text_.remove_prefix(1);
    while (true) {
      const auto quote = text_.find('"');
      if (quote == std::string_view::npos) {
        return invalid_error("line " + std::to_string(line_) + ": a quoted field has no end");
      }
      field += text_.substr(0, quote);
      next_line_ +=
          static_cast<std::size_t>(std::count(text_.begin(), text_.begin() + quote, '\n'));
      text_.remove_prefix(quote + 1);
      if (!text_.starts_with('"')) break;
      field += '"';
      text_.remove_prefix(1);
    }
    if (!text_.empty() && text_.find_first_of(",\r\n") != 0) {
      return invalid_error("line " + std::to_string(line_) + ": text behind a quoted field");
    }
    return ok_status();
  }

  std::string_view text_;
  std::size_t line_ = 0;  // where the record that was read last begins
  std::size_t next_line_ = 1;
};

}  // namespace

Hash128 table_content_hash(std::string_view content) {
  return hash128(content, kContentSeed);
}

Result<std::shared_ptr<const Table>> Table::parse(TableFormat format, std::string_view content,
                                                  const std::string& key) {
  if (content.size() > kContentBytesMax) {
    return invalid_error("the table has " + std::to_string(content.size()) + " bytes; at most " +
                         std::to_string(kContentBytesMax) + " are allowed");
  }
  std::shared_ptr<Table> table(new Table());
  MR_RETURN_IF_ERROR(format == TableFormat::csv ? table->parse_csv(content, key)
                                                : table->parse_json_rows(content, key));
  return std::shared_ptr<const Table>(std::move(table));
}

Status Table::add(std::string_view key, Value row, std::string_view unit, std::size_t number) {
  if (!rows_.emplace(key, row).second) {
    return invalid_error(std::string(unit) + " " + std::to_string(number) + ": key " +
                         std::string(key) + " is there twice; keys must be unique");
  }
  return ok_status();
}

Status Table::parse_csv(std::string_view content, const std::string& key) {
  if (!is_valid_utf8(content)) return invalid_error("the table is not UTF-8");
  CsvReader reader(content);
  std::vector<std::string> header;
  if (reader.is_at_end()) return invalid_error("the table is empty; a header line is needed");
  MR_RETURN_IF_ERROR(reader.read(header));
  std::optional<std::size_t> key_column;
  std::vector<Value> names;
  for (std::size_t i = 0; i < header.size(); ++i) {
    if (header[i] == key) key_column = i;
    if (std::find(header.begin(), header.begin() + i, header[i]) != header.begin() + i) {
      return invalid_error("line 1: column " + header[i] + " is there twice");
    }
    names.push_back(Value::string(arena_.copy(header[i])));
  }
  if (!key_column) return invalid_error("line 1: there is no column " + key);
  for (const auto& name : names) columns_.push_back(name.as_string());
  std::vector<std::string> fields;
  while (!reader.is_at_end()) {
    MR_RETURN_IF_ERROR(reader.read(fields));
    if (fields.size() == 1 && fields[0].empty()) continue;
    if (fields.size() != header.size()) {
      return invalid_error("line " + std::to_string(reader.line()) + " has " +
                           std::to_string(fields.size()) + " fields, the header has " +
                           std::to_string(header.size()));
    }
    auto entries = arena_.array<MapEntry>(fields.size());
    for (std::size_t i = 0; i < fields.size(); ++i) {
      entries[i] = {names[i], Value::string(arena_.copy(fields[i]))};
    }
    MR_RETURN_IF_ERROR(
        add(entries[*key_column].value.as_string(), Value::map(entries), "line", reader.line()));
  }
  return ok_status();
}

Status Table::parse_json_rows(std::string_view content, const std::string& key) {
  MR_ASSIGN_OR_RETURN(const Value rows, codec::parse_json(content, arena_));
  if (rows.kind() != ValueKind::list) return invalid_error("the table must be an array of objects");
  std::size_t number = 0;
  boost::unordered_flat_set<std::string_view> known;
  for (const Value& row : rows.as_list()) {
    ++number;
    const std::string where = "row " + std::to_string(number);
    if (row.kind() != ValueKind::map) return invalid_error(where + " is not an object");
    Value found;
    for (const auto& entry : row.as_map()) {
      const auto name = entry.key.as_string();
      if (name == key) found = entry.value;
      if (known.insert(name).second) columns_.push_back(name);
    }
    if (found.kind() != ValueKind::string) {
      return invalid_error(where + " has no string member " + key);
    }
    MR_RETURN_IF_ERROR(add(found.as_string(), row, "row", number));
  }
  return ok_status();
}

Value Table::find(const Value& key) const {
  if (key.kind() != ValueKind::string) return Value::null();
  const auto it = rows_.find(key.as_string());
  return it == rows_.end() ? Value::null() : it->second;
}

}  // namespace millrace::task
