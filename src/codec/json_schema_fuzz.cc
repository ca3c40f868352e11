// A schema, a zero byte, a document. Any text compiles to a schema or a reason; validating ends and
// explains itself; the check of a decoded row agrees with the validation of the document.

#include "codec/json_schema.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "codec/json.h"
#include "codec/row_decoder.h"

namespace millrace::codec {
namespace {

void run(std::string_view schema_text, std::string_view text) {
  const auto schema = JsonSchema::compile(schema_text);
  if (!schema.is_ok()) {
    MR_CHECK(!schema.status().message().empty());
    return;
  }
  Arena arena;
  const auto document = parse_json(text, arena);
  if (!document.is_ok()) return;
  std::vector<SchemaViolation> violations;
  const bool is_valid = schema->validate(*document, violations);
  MR_CHECK(is_valid == violations.empty());
  const auto layout = schema->row_layout();
  if (!layout.is_ok() || document->kind() != ValueKind::map) return;
  if (layout->fields.empty() || layout->fields.size() > 64 || !schema->is_row_checkable()) return;
  RowDecoder decoder(*layout, layout->fields.size());
  std::vector<Value> row(layout->fields.size());
  const auto outcome = decoder.decode(text, text.size(), arena, row);
  MR_CHECK(outcome.status.is_ok());
  violations.clear();
  const bool is_row_valid = schema->check_row(row, outcome.mismatches, text, arena, violations);
  MR_CHECK(is_row_valid == violations.empty());
  if (outcome.mismatches == 0) MR_CHECK(is_row_valid == is_valid);
}

}  // namespace
}  // namespace millrace::codec

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto border = input.find('\0');
  if (border == std::string_view::npos) return 0;
  millrace::codec::run(input.substr(0, border), input.substr(border + 1));
  return 0;
}
