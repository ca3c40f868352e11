// The first byte chooses CSV or JSON; the rest is a table file keyed by "k". It is a table or
// refused with a reason, and every key that is looked up ends.

#include "task/table.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using millrace::task::Table;
  using millrace::task::TableFormat;
  if (size == 0) return 0;
  const auto format = data[0] % 2 == 0 ? TableFormat::csv : TableFormat::json;
  const std::string_view content(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto table = Table::parse(format, content, "k");
  if (!table.is_ok()) {
    MR_CHECK(!table.status().message().empty());
    return 0;
  }
  MR_CHECK((*table)->row_count() <= content.size());
  for (const std::string_view key : {"", "a", "b", "\xff"}) {
    const auto row = (*table)->find(millrace::Value::string(key));
    MR_CHECK(row.is_null() || row.kind() == millrace::ValueKind::map);
  }
  return 0;
}
