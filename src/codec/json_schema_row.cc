#include "codec/json_schema_row.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "base/utf8.h"
#include "codec/json_schema_message.h"

namespace millrace::codec {
namespace {

FieldType field_type(const SchemaNode& node) {
  const auto types = static_cast<TypeSet>(node.types & ~type_bit::null);
  switch (types) {
    case type_bit::boolean:
      return FieldType::boolean;
    case type_bit::integer:
      return FieldType::int64;
    case type_bit::number:
      return FieldType::decimal;
    case type_bit::array:
      return FieldType::list;
    case type_bit::object:
      return FieldType::map;
    case type_bit::string:
      if (node.format == TextFormat::date_time) return FieldType::timestamp;
      return node.format == TextFormat::decimal ? FieldType::decimal : FieldType::string;
    case type_bit::string | type_bit::number:
      return node.format == TextFormat::decimal ? FieldType::decimal : FieldType::any;
    default:
      return FieldType::any;
  }
}

ValueKind value_kind(FieldType type) {
  switch (type) {
    case FieldType::boolean:
      return ValueKind::boolean;
    case FieldType::int64:
      return ValueKind::int64;
    case FieldType::decimal:
      return ValueKind::decimal;
    case FieldType::string:
      return ValueKind::string;
    case FieldType::timestamp:
      return ValueKind::timestamp;
    case FieldType::list:
      return ValueKind::list;
    case FieldType::map:
      return ValueKind::map;
    case FieldType::any:
      return ValueKind::absent;
  }
  return ValueKind::absent;
}

bool has_value_keywords(const SchemaNode& node) {
  return node.enumeration.has_value() || node.constant.has_value() || node.has_logic;
}

bool has_range_keywords(const SchemaNode& node) {
  return node.minimum || node.maximum || node.exclusive_minimum || node.exclusive_maximum ||
         node.multiple_of;
}

// A decoded timestamp or decimal string no longer has the text that these keywords look at.
bool needs_text(const SchemaNode& node) {
  return has_value_keywords(node) || node.length_min || node.length_max || node.pattern;
}

bool accepts_all(const SchemaNode& node) {
  return !node.is_false && node.types == type_bit::all && !has_value_keywords(node) &&
         !node.has_number_checks && !node.has_text_checks && !node.has_array_checks &&
         !node.has_object_checks;
}

bool is_plain_object(const SchemaNode& root) {
  if (root.additional_properties != nullptr &&
      !accepts_all(root.additional_properties->resolved())) {
    return false;
  }
  return !root.is_false && !has_value_keywords(root) && root.pattern_properties.empty() &&
         root.property_names == nullptr && root.dependencies.empty() && !root.properties_min &&
         !root.properties_max;
}

}  // namespace

void RowCheck::build(const SchemaNode& root_node) {
  const SchemaNode& root = root_node.resolved();
  MR_CHECK(layout_.fields.empty());
  if ((root.types & type_bit::object) == 0 || root.is_false) {
    layout_status_ = invalid_error("the schema of a record must be of type object");
  }
  is_complete_ = is_plain_object(root);
  for (const auto& property : root.properties) {
    // Required, but not described: no slot shows whether it is there.
    if (property.schema == nullptr) {
      is_complete_ = false;
    } else {
      add_field(property);
    }
  }
  if (layout_.fields.empty() && layout_status_.is_ok()) {
    layout_status_ = invalid_error("the schema of a record must have properties");
  }
  if (layout_.fields.size() > kFieldsMax) {
    layout_status_ =
        invalid_error("the schema of a record may have at most 64 properties, but has " +
                      std::to_string(layout_.fields.size()));
  }
  if (!layout_status_.is_ok()) is_complete_ = false;
}

void RowCheck::add_field(const SchemaNode::Property& property) {
  const SchemaNode& node = property.schema->resolved();
  Field field;
  field.name = property.name;
  field.type = node.is_false ? FieldType::any : field_type(node);
  field.is_required = property.is_required;
  field.is_nullable = !node.is_false && (node.types & type_bit::null) != 0;
  FieldCheck check;
  check.node = &node;
  check.kind = value_kind(field.type);
  check.is_required = field.is_required;
  check.is_nullable = field.is_nullable && !has_value_keywords(node);
  check.plan = has_value_keywords(node) ? Plan::node : Plan::kind_only;
  switch (field.type) {
    case FieldType::int64:
      if (check.plan == Plan::kind_only && node.has_number_checks) {
        check.plan = plan_integer(node, check) ? Plan::integer_range : Plan::node;
      }
      break;
    case FieldType::decimal:
      field.decimal_precision = node.decimal_precision;
      field.decimal_scale = node.decimal_scale;
      field.is_text_allowed = (node.types & type_bit::string) != 0;
      field.is_number_allowed = (node.types & type_bit::number) != 0;
      if (field.is_text_allowed) {
        check.plan = Plan::exact_decimal;
        if (needs_text(node)) is_complete_ = false;
        if (field.is_number_allowed && has_range_keywords(node)) is_complete_ = false;
      } else if (node.has_number_checks) {
        check.plan = Plan::node;
      }
      break;
    case FieldType::string:
      if (!node.has_logic && !node.constant && (node.has_text_checks || node.enumeration)) {
        check.plan = Plan::text;
        for (const Value& allowed : node.enumeration.value_or(std::vector<Value>())) {
          if (allowed.kind() != ValueKind::string) continue;
          check.choices.push_back({word_of(allowed.as_string()), allowed.as_string()});
        }
      }
      break;
    case FieldType::timestamp:
      check.plan = Plan::kind_only;
      if (needs_text(node)) is_complete_ = false;
      break;
    case FieldType::list:
      if (node.has_array_checks) check.plan = Plan::node;
      break;
    case FieldType::map:
      if (node.has_object_checks) check.plan = Plan::node;
      break;
    case FieldType::any:
      check.plan = Plan::node;
      check.is_nullable = false;
      break;
    case FieldType::boolean:
      break;
  }
  layout_.fields.push_back(std::move(field));
  checks_.push_back(std::move(check));
}

// Bounds as an inclusive range of int64; false when they are not whole or there is more to check.
bool RowCheck::plan_integer(const SchemaNode& node, FieldCheck& check) {
  if (node.multiple_of || node.has_decimal_bounds) return false;
  const auto narrow = [&check](const std::optional<Decimal>& bound, bool is_low, int step) {
    if (!bound) return true;
    const auto whole = bound->to_int();
    if (!whole || *whole == INT64_MIN || *whole == INT64_MAX) return false;
    if (is_low) check.low = std::max(check.low, *whole + step);
    if (!is_low) check.high = std::min(check.high, *whole - step);
    return true;
  };
  return narrow(node.minimum, true, 0) && narrow(node.exclusive_minimum, true, 1) &&
         narrow(node.maximum, false, 0) && narrow(node.exclusive_maximum, false, 1);
}

// All bytes of a text of up to 8, the first 8 of a longer one, from loads that overlap.
std::uint64_t RowCheck::word_of(std::string_view text) {
  const char* const at = text.data();
  const std::size_t size = text.size();
  if (size >= 8) return load_little<std::uint64_t>(at);
  if (size >= 4) {
    return load_little<std::uint32_t>(at) | std::uint64_t{load_little<std::uint32_t>(at + size - 4)}
                                                << 32;
  }
  if (size >= 2) {
    return load_little<std::uint16_t>(at) | std::uint64_t{load_little<std::uint16_t>(at + size - 2)}
                                                << 16;
  }
  return size == 1 ? static_cast<unsigned char>(*at) : 0;
}

bool RowCheck::holds_text(const FieldCheck& check, std::string_view text) {
  const SchemaNode& node = *check.node;
  if (node.pattern && !node.pattern->matches(text)) return false;
  if (node.length_min || node.length_max) {
    const std::uint64_t low = node.length_min.value_or(0);
    const std::uint64_t high = node.length_max.value_or(UINT64_MAX);
    // A code point takes 1 to 4 bytes, so that short texts need no counting.
    const bool is_surely_long_enough =
        low == 0 || text.size() / 4 >= low || (low == 1 && !text.empty());
    if (!is_surely_long_enough || text.size() > high) {
      const std::uint64_t length = count_code_points(text);
      if (length < low || length > high) return false;
    }
  }
  if (node.format != TextFormat::none && !has_format(node.format, text)) return false;
  if (!node.enumeration) return true;
  const std::uint64_t word = word_of(text);
  return std::ranges::any_of(check.choices, [&](const TextChoice& choice) {
    return choice.word == word && choice.text.size() == text.size() &&
           (text.size() <= 8 || choice.text == text);
  });
}

bool RowCheck::holds_value(const FieldCheck& check, const Value& value) {
  switch (check.plan) {
    case Plan::kind_only:
      return true;
    case Plan::integer_range:
      return value.as_int64() >= check.low && value.as_int64() <= check.high;
    case Plan::text:
      return holds_text(check, value.as_string());
    case Plan::exact_decimal:
      return fits_decimal(value.as_decimal(), check.node->decimal_precision,
                          check.node->decimal_scale);
    case Plan::node:
      return validate_node(*check.node, value, nullptr, nullptr);
  }
  return false;
}

bool RowCheck::holds(std::span<const Value> row) const {
  MR_CHECK(row.size() >= checks_.size());
  for (std::size_t i = 0; i < checks_.size(); ++i) {
    const FieldCheck& check = checks_[i];
    const Value& value = row[i];
    if (value.kind() == check.kind && !value.is_absent()) {
      if (!holds_value(check, value)) return false;
    } else if (value.is_absent()) {
      if (check.is_required) return false;
    } else if (value.is_null() && check.is_nullable) {
      continue;
    } else if (!validate_node(*check.node, value, nullptr, nullptr)) {
      return false;
    }
  }
  return true;
}

void RowCheck::report_mismatch(std::size_t field, std::vector<SchemaViolation>& violations) const {
  if (violations.size() >= kViolationsMax) return;
  const PathFrame frame{nullptr, layout_.fields[field].name, 0, false};
  const SchemaNode& node = *checks_[field].node;
  std::string right;
  switch (layout_.fields[field].type) {
    case FieldType::int64:
      right = "an integer of at most 64 bits";
      break;
    case FieldType::decimal:
      right = describe_decimal(node);
      break;
    case FieldType::timestamp:
      right = describe(TextFormat::date_time);
      break;
    default:
      right = describe_expected(node);
  }
  violations.push_back(
      {path_pointer(&frame), "type", "", path_text(&frame) + " must be " + right, {}});
}

void RowCheck::report_unexplained(std::uint64_t mismatches, std::size_t first,
                                  std::vector<SchemaViolation>& violations) const {
  MR_CHECK(first <= violations.size());
  const std::size_t last = violations.size();
  for (std::size_t i = 0; i < checks_.size(); ++i) {
    if (((mismatches >> i) & 1) == 0) continue;
    const PathFrame frame{nullptr, layout_.fields[i].name, 0, false};
    const std::string path = path_pointer(&frame);
    const auto found = std::find_if(
        violations.begin() + static_cast<std::ptrdiff_t>(first),
        violations.begin() + static_cast<std::ptrdiff_t>(last), [&](const SchemaViolation& known) {
          return known.instance_path == path || known.instance_path.starts_with(path + "/");
        });
    if (found == violations.begin() + static_cast<std::ptrdiff_t>(last)) {
      report_mismatch(i, violations);
    }
  }
}

void RowCheck::report(std::span<const Value> row, std::uint64_t mismatches,
                      std::vector<SchemaViolation>& violations) const {
  MR_CHECK(row.size() >= checks_.size());
  for (std::size_t i = 0; i < checks_.size(); ++i) {
    const FieldCheck& check = checks_[i];
    const PathFrame frame{nullptr, layout_.fields[i].name, 0, false};
    if (((mismatches >> i) & 1) != 0) {
      report_mismatch(i, violations);
    } else if (row[i].is_absent()) {
      if (check.is_required) report_missing(layout_.fields[i].name, nullptr, violations);
    } else if (row[i].kind() == check.kind && check.plan == Plan::exact_decimal) {
      if (!holds_value(check, row[i])) report_mismatch(i, violations);
    } else if (row[i].kind() != ValueKind::timestamp) {
      validate_node(*check.node, row[i], &frame, &violations);
    }
  }
}

}  // namespace millrace::codec
