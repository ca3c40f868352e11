#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "codec/json_schema_node.h"
#include "model/row.h"

// Private to json_schema*.cc.

namespace millrace::codec {

// The row that a schema describes, and the checks left once a row has the right kinds of values.
class RowCheck {
 public:
  static constexpr std::size_t kFieldsMax = 64;  // bits of RowDecoder's mismatches

  // Reads `root`, which must outlive this object.
  void build(const SchemaNode& root);

  [[nodiscard]] const Status& layout_status() const { return layout_status_; }
  [[nodiscard]] const RowLayout& layout() const { return layout_; }
  [[nodiscard]] bool is_complete() const { return is_complete_; }

  // Whether every field is right; says nothing about what is wrong.
  [[nodiscard]] bool holds(std::span<const Value> row) const;
  // Appends the violations of every field, in order; a mismatched one has exactly one.
  void report(std::span<const Value> row, std::uint64_t mismatches,
              std::vector<SchemaViolation>& violations) const;
  // Appends one violation for every mismatched field that violations[first..] say nothing about.
  void report_unexplained(std::uint64_t mismatches, std::size_t first,
                          std::vector<SchemaViolation>& violations) const;

 private:
  enum class Plan : std::uint8_t {
    kind_only,      // the right kind is enough
    integer_range,  // low <= value <= high
    text,           // length, pattern, format, enum
    exact_decimal,  // digits before and after the point
    node,           // whatever the schema says
  };
  // A string of an `enum`; `word` tells nearly all others apart without reading their bytes.
  struct TextChoice {
    std::uint64_t word = 0;
    std::string_view text;
  };
  struct FieldCheck {
    ValueKind kind = ValueKind::absent;  // with `node`, absent: every kind goes to the schema
    Plan plan = Plan::kind_only;
    bool is_required = false;
    bool is_nullable = false;  // null is right without asking the schema
    std::int64_t low = INT64_MIN;
    std::int64_t high = INT64_MAX;
    const SchemaNode* node = nullptr;
    std::vector<TextChoice> choices;  // the strings of `enum`
  };

  void add_field(const SchemaNode::Property& property);
  static bool plan_integer(const SchemaNode& node, FieldCheck& check);
  static std::uint64_t word_of(std::string_view text);
  static bool holds_text(const FieldCheck& check, std::string_view text);
  static bool holds_value(const FieldCheck& check, const Value& value);
  void report_mismatch(std::size_t field, std::vector<SchemaViolation>& violations) const;

  RowLayout layout_;
  Status layout_status_;
  std::vector<FieldCheck> checks_;
  bool is_complete_ = true;
};

}  // namespace millrace::codec
