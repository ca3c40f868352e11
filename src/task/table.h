#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/arena.h"
#include "base/hash.h"
#include "base/status.h"
#include "expr/expr.h"

namespace millrace::task {

enum class TableFormat : std::uint8_t { csv, json };

// One immutable version of a look-up table, named by the hash of its file (R23). Any thread may
// read it.
//   csv   RFC 4180 with a header line; every column is a string
//   json  an array of objects; members keep their types
// `key` names the column whose text is looked up; it must be there and unique.
class Table final : public expr::LookupTable {
 public:
  static constexpr std::size_t kContentBytesMax = 64 << 20;

  // `invalid` names the line (csv) or element (json) that is wrong.
  static Result<std::shared_ptr<const Table>> parse(TableFormat format, std::string_view content,
                                                    const std::string& key);

  [[nodiscard]] Value find(const Value& key) const override;
  // In the order of the file; of a JSON table those that any row has. Empty: nobody knows (a JSON
  // table without rows).
  [[nodiscard]] const std::vector<std::string_view>& columns() const { return columns_; }
  [[nodiscard]] std::size_t row_count() const { return rows_.size(); }

 private:
  Table() = default;
  Status parse_csv(std::string_view content, const std::string& key);
  Status parse_json_rows(std::string_view content, const std::string& key);
  Status add(std::string_view key, Value row, std::string_view unit, std::size_t number);

  Arena arena_;
  std::vector<std::string_view> columns_;
  boost::unordered_flat_map<std::string_view, Value> rows_;
};

// The hash under which a table version is known.
Hash128 table_content_hash(std::string_view content);

// Finds a published version; null when this process does not have it.
using TableProvider =
    std::function<std::shared_ptr<const Table>(const std::string& table, const Hash128& content)>;

}  // namespace millrace::task
