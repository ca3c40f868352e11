#include "codec/json_schema.h"

#include "codec/json.h"
#include "codec/json_schema_node.h"
#include "codec/json_schema_row.h"
#include "codec/json_schema_shape.h"

namespace millrace::codec {

struct JsonSchema::Impl {
  SchemaDocument document;
  RowCheck row;
};

JsonSchema::JsonSchema(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JsonSchema::JsonSchema(JsonSchema&&) noexcept = default;
JsonSchema& JsonSchema::operator=(JsonSchema&&) noexcept = default;
JsonSchema::~JsonSchema() = default;

Result<JsonSchema> JsonSchema::compile(std::string_view schema_text) {
  auto impl = std::make_unique<Impl>();
  MR_RETURN_IF_ERROR(compile_schema(schema_text, impl->document));
  impl->row.build(*impl->document.root);
  return JsonSchema(std::move(impl));
}

bool JsonSchema::validate(const Value& document, std::vector<SchemaViolation>& violations) const {
  return validate_node(*impl_->document.root, document, nullptr, &violations);
}

Result<RowLayout> JsonSchema::row_layout() const {
  MR_RETURN_IF_ERROR(Status(impl_->row.layout_status()));
  return impl_->row.layout();
}

RowShapes JsonSchema::row_shapes() const {
  return shapes_of_row(impl_->document.root->resolved());
}

bool JsonSchema::is_row_checkable() const {
  return impl_->row.is_complete();
}

bool JsonSchema::check_row(std::span<const Value> row, std::uint64_t mismatches,
                           std::vector<SchemaViolation>& violations) const {
  if (mismatches == 0 && impl_->row.holds(row)) return true;
  const std::size_t count = violations.size();
  impl_->row.report(row, mismatches, violations);
  MR_CHECK(violations.size() > count || count >= kViolationsMax);
  return false;
}

bool JsonSchema::check_row(std::span<const Value> row, std::uint64_t mismatches,
                           std::string_view text, Arena& arena,
                           std::vector<SchemaViolation>& violations) const {
  if (mismatches == 0 && impl_->row.holds(row)) return true;
  const auto document = parse_json(text, arena);
  // The decoder has read this text before, so that it parses; if it does not, the row's word
  // stands.
  if (!document.is_ok()) return check_row(row, mismatches, violations);
  const std::size_t count = violations.size();
  validate(*document, violations);
  impl_->row.report_unexplained(mismatches, count, violations);
  if (violations.size() == count) impl_->row.report(row, 0, violations);
  return false;
}

}  // namespace millrace::codec
