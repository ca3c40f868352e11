#include <algorithm>
#include <unordered_map>

#include "base/check.h"
#include "base/utf8.h"
#include "codec/json_schema_message.h"
#include "codec/json_schema_node.h"

namespace millrace::codec {
namespace {

// One application of a schema to one value. With no list to report to, it stops at the first fault.
class NodeCheck {
 public:
  NodeCheck(const SchemaNode& node, const Value& value, const PathFrame* frame,
            std::vector<SchemaViolation>* violations)
      : node_(node), value_(value), frame_(frame), violations_(violations) {}

  bool run() {
    MR_CHECK(node_.reference == nullptr);
    if (node_.is_false) {
      fail("false", [&] { return " is not allowed"; });
      return is_ok_;
    }
    const TypeSet type = type_of(value_);
    if ((node_.types & type) == 0) {
      fail("type", [&] {
        return " must be " + describe_expected(node_) + ", but is " + describe_types(type);
      });
      return is_ok_;  // what else is wrong with a value of another type helps nobody
    }
    check_values();
    if (goes_on() && node_.has_number_checks && (type & type_bit::number) != 0) check_number();
    if (goes_on() && node_.has_text_checks && type == type_bit::string) check_text();
    if (goes_on() && node_.has_array_checks && type == type_bit::array) check_array();
    if (goes_on() && node_.has_object_checks && type == type_bit::object) check_object();
    if (goes_on() && node_.has_logic) check_logic();
    return is_ok_;
  }

 private:
  [[nodiscard]] bool goes_on() const { return is_ok_ || violations_ != nullptr; }

  // `words` makes the sentence's rest; it is not called when nobody reads it.
  template <typename Words>
  void fail(std::string_view keyword, Words words) {
    report(keyword, {}, [&] { return path_text(frame_) + words(); });
  }
  template <typename Words>
  void report(std::string_view keyword, std::string_view property, Words words) {
    is_ok_ = false;
    if (violations_ == nullptr || violations_->size() >= kViolationsMax) return;
    violations_->push_back(
        {path_pointer(frame_), std::string(keyword), std::string(property), words(), {}});
  }
  void apply(const SchemaNode* schema, const Value& value, const PathFrame* frame) {
    if (!validate_node(*schema, value, frame, violations_)) is_ok_ = false;
  }
  [[nodiscard]] bool holds(const SchemaNode* schema) const {
    return validate_node(*schema, value_, frame_, nullptr);
  }

  void check_values();
  void check_number();
  void check_length();
  void check_text();
  void check_array();
  void check_items(std::span<const Value> items);
  void check_unique(std::span<const Value> items);
  void check_object();
  void check_property_count(std::uint64_t count);
  void check_properties(std::span<const MapEntry> members);
  void check_other_member(const MapEntry& member);
  void check_dependencies(std::span<const MapEntry> members);
  void check_logic();
  void check_one_of();
  void report_nearest(std::string_view keyword, const std::vector<const SchemaNode*>& branches);
  void refuse_member(const MapEntry& member);

  const SchemaNode& node_;
  const Value& value_;
  const PathFrame* frame_;
  std::vector<SchemaViolation>* violations_;
  bool is_ok_ = true;
};

void NodeCheck::check_values() {
  if (goes_on() && node_.enumeration) {
    const auto equals = [&](const Value& allowed) { return json_equal(allowed, value_); };
    if (!std::ranges::any_of(*node_.enumeration, equals)) {
      fail("enum", [&] {
        constexpr std::size_t kListedMax = 12;
        const std::size_t count = node_.enumeration->size();
        std::string out = count == 1 ? " must be " : " must be one of ";
        for (std::size_t i = 0; i < std::min(count, kListedMax); ++i) {
          if (i > 0) out += ", ";
          out += describe_value((*node_.enumeration)[i]);
        }
        if (count > kListedMax) out += " and " + std::to_string(count - kListedMax) + " more";
        return out + ", but is " + describe_value(value_);
      });
    }
  }
  if (goes_on() && node_.constant && !json_equal(*node_.constant, value_)) {
    fail("const", [&] {
      return " must be " + describe_value(*node_.constant) + ", but is " + describe_value(value_);
    });
  }
}

void NodeCheck::check_number() {
  const Decimal number = number_of(value_);
  const auto bound = [&](std::string_view keyword, const std::optional<Decimal>& limit,
                         std::string_view words, bool holds_here) {
    if (!goes_on() || !limit || holds_here) return;
    fail(keyword, [&] {
      return " must be " + std::string(words) + limit->to_string() + ", but is " +
             describe_value(value_);
    });
  };
  bound("minimum", node_.minimum, "at least ", !node_.minimum || number >= *node_.minimum);
  bound("maximum", node_.maximum, "at most ", !node_.maximum || number <= *node_.maximum);
  bound("exclusiveMinimum", node_.exclusive_minimum, "greater than ",
        !node_.exclusive_minimum || number > *node_.exclusive_minimum);
  bound("exclusiveMaximum", node_.exclusive_maximum, "less than ",
        !node_.exclusive_maximum || number < *node_.exclusive_maximum);
  bound("multipleOf", node_.multiple_of, "a multiple of ",
        !node_.multiple_of || is_multiple_of(number, *node_.multiple_of));
  if (!goes_on() || !node_.has_decimal_bounds) return;
  if (fits_decimal(number, node_.decimal_precision, node_.decimal_scale)) return;
  fail("x-precision", [&] {
    return " must be " + describe_decimal(node_) + ", but is " + describe_value(value_);
  });
}

void NodeCheck::check_length() {
  if (!node_.length_min && !node_.length_max) return;
  const std::uint64_t length = count_code_points(value_.as_string());
  const auto words = [&](std::string_view which, std::uint64_t limit) {
    return " must have " + std::string(which) + " " + describe_count(limit, "character") +
           ", but has " + std::to_string(length);
  };
  if (node_.length_min && length < *node_.length_min) {
    fail("minLength", [&] { return words("at least", *node_.length_min); });
  }
  if (goes_on() && node_.length_max && length > *node_.length_max) {
    fail("maxLength", [&] { return words("at most", *node_.length_max); });
  }
}

void NodeCheck::check_text() {
  const std::string_view text = value_.as_string();
  check_length();
  if (goes_on() && node_.pattern && !node_.pattern->matches(text)) {
    fail("pattern", [&] {
      const std::string right =
          node_.expected.empty() ? "match " + node_.pattern->source() : "be " + node_.expected;
      return " must " + right + ", but is " + describe_value(value_);
    });
  }
  if (!goes_on() || node_.format == TextFormat::none) return;
  bool is_right = has_format(node_.format, text);
  if (is_right && node_.format == TextFormat::decimal) {
    is_right = fits_decimal(*Decimal::parse(text), node_.decimal_precision, node_.decimal_scale);
  }
  if (is_right) return;
  fail("format",
       [&] { return " must be " + describe_format(node_) + ", but is " + describe_value(value_); });
}

void NodeCheck::check_array() {
  const auto items = value_.as_list();
  const auto words = [&](std::string_view which, std::uint64_t limit) {
    return " must have " + std::string(which) + " " + describe_count(limit, "item") + ", but has " +
           std::to_string(items.size());
  };
  if (node_.items_min && items.size() < *node_.items_min) {
    fail("minItems", [&] { return words("at least", *node_.items_min); });
  }
  if (goes_on() && node_.items_max && items.size() > *node_.items_max) {
    fail("maxItems", [&] { return words("at most", *node_.items_max); });
  }
  if (goes_on() && node_.has_unique_items) check_unique(items);
  if (goes_on() && node_.contains != nullptr) {
    const bool is_found = std::ranges::any_of(items, [&](const Value& item) {
      return validate_node(*node_.contains, item, frame_, nullptr);
    });
    if (!is_found) fail("contains", [] { return " has no item of the kind that must be there"; });
  }
  if (goes_on()) check_items(items);
}

void NodeCheck::check_items(std::span<const Value> items) {
  for (std::size_t i = 0; i < items.size() && goes_on(); ++i) {
    const SchemaNode* schema = i < node_.tuple.size() ? node_.tuple[i] : node_.rest_items;
    if (schema == nullptr) return;
    const PathFrame item{frame_, {}, i, true};
    apply(schema, items[i], &item);
  }
}

// Candidates are found by hash: quadratic comparison would let a long list stall the caller.
void NodeCheck::check_unique(std::span<const Value> items) {
  std::unordered_multimap<std::uint64_t, std::size_t> seen;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::uint64_t hash = json_hash(items[i]);
    const auto [first, last] = seen.equal_range(hash);
    for (auto at = first; at != last; ++at) {
      if (!json_equal(items[at->second], items[i])) continue;
      fail("uniqueItems", [&] {
        return " must not have an item twice, but items " + std::to_string(at->second) + " and " +
               std::to_string(i) + " are equal";
      });
      return;
    }
    seen.emplace(hash, i);
  }
}

void NodeCheck::check_property_count(std::uint64_t count) {
  const auto words = [&](std::string_view which, std::uint64_t limit) {
    return " must have " + std::string(which) + " " + describe_count(limit, "property") +
           ", but has " + std::to_string(count);
  };
  if (node_.properties_min && count < *node_.properties_min) {
    fail("minProperties", [&] { return words("at least", *node_.properties_min); });
  }
  if (goes_on() && node_.properties_max && count > *node_.properties_max) {
    fail("maxProperties", [&] { return words("at most", *node_.properties_max); });
  }
}

// Finds members by name. Producers mostly keep the schema's order, so the search starts behind the
// last hit; a large object gets an index, or a hostile one would cost the product of both sizes.
class MemberFinder {
 public:
  explicit MemberFinder(std::span<const MapEntry> members) : members_(members) {
    constexpr std::size_t kScannedMax = 64;
    if (members.size() <= kScannedMax) return;
    for (std::size_t i = 0; i < members.size(); ++i) index_.emplace(members[i].key.as_string(), i);
  }
  // The member's number, or the count of members.
  std::size_t find(std::string_view name) {
    if (!index_.empty()) {
      const auto found = index_.find(name);
      return found == index_.end() ? members_.size() : found->second;
    }
    for (std::size_t step = 0; step < members_.size(); ++step) {
      const std::size_t at = (next_ + step) % members_.size();
      if (members_[at].key.as_string() != name) continue;
      next_ = at + 1;
      return at;
    }
    return members_.size();
  }

 private:
  std::span<const MapEntry> members_;
  std::unordered_map<std::string_view, std::size_t> index_;
  std::size_t next_ = 0;
};

void NodeCheck::check_properties(std::span<const MapEntry> members) {
  const bool needs_rest =
      node_.additional_properties != nullptr || !node_.pattern_properties.empty();
  std::vector<bool> is_declared(needs_rest ? members.size() : 0);
  MemberFinder finder(members);
  for (const auto& property : node_.properties) {
    if (!goes_on()) return;
    const std::size_t at = finder.find(property.name);
    if (at == members.size()) {
      if (!property.is_required) continue;
      is_ok_ = false;
      if (violations_ != nullptr) report_missing(property.name, frame_, *violations_);
    } else if (property.schema != nullptr) {
      if (needs_rest) is_declared[at] = true;
      const PathFrame child{frame_, property.name, 0, false};
      apply(property.schema, members[at].value, &child);
    }
  }
  if (!needs_rest) return;
  for (std::size_t i = 0; i < members.size() && goes_on(); ++i) {
    const std::string_view name = members[i].key.as_string();
    const PathFrame child{frame_, name, 0, false};
    bool is_known = is_declared[i];
    for (const auto& pattern : node_.pattern_properties) {
      if (!pattern.pattern.matches(name)) continue;
      is_known = true;
      apply(pattern.schema, members[i].value, &child);
    }
    if (!is_known && node_.additional_properties != nullptr) check_other_member(members[i]);
  }
}

void NodeCheck::check_other_member(const MapEntry& member) {
  const SchemaNode& schema = node_.additional_properties->resolved();
  if (schema.is_false) {
    refuse_member(member);
    return;
  }
  const PathFrame child{frame_, member.key.as_string(), 0, false};
  apply(&schema, member.value, &child);
}

void NodeCheck::refuse_member(const MapEntry& member) {
  const std::string_view name = member.key.as_string();
  const PathFrame child{frame_, name, 0, false};
  const std::size_t count = violations_ == nullptr ? 0 : violations_->size();
  report("additionalProperties", name,
         [&] { return path_text(&child) + " is not a known property"; });
  if (violations_ == nullptr || violations_->size() == count) return;
  for (const auto& property : node_.properties) {
    if (property.schema != nullptr) violations_->back().known_properties.push_back(property.name);
  }
}

void NodeCheck::check_dependencies(std::span<const MapEntry> members) {
  MemberFinder finder(members);
  for (const auto& dependency : node_.dependencies) {
    if (!goes_on()) return;
    if (finder.find(dependency.name) == members.size()) continue;
    for (const std::string& name : dependency.required) {
      if (finder.find(name) != members.size()) continue;
      const PathFrame child{frame_, name, 0, false};
      report("dependencies", name, [&] {
        return path_text(&child) + " is required where " + dependency.name + " is given";
      });
    }
    if (dependency.schema != nullptr) apply(dependency.schema, value_, frame_);
  }
}

void NodeCheck::check_object() {
  const auto members = value_.as_map();
  check_property_count(members.size());
  if (goes_on() && node_.property_names != nullptr) {
    for (const MapEntry& member : members) {
      if (!goes_on()) return;
      const PathFrame child{frame_, member.key.as_string(), 0, false};
      std::vector<SchemaViolation> found;
      if (validate_node(*node_.property_names, member.key, &child, &found)) continue;
      report("propertyNames", member.key.as_string(), [&] {
        // The sentence "PLACE must be ..., but is NAME" is turned round: its subject is the name.
        std::string words = found[0].message.substr(path_text(&child).size());
        words.resize(std::min(words.rfind(", but "), words.size()));
        return "the name " + describe_value(member.key) + words;
      });
    }
  }
  if (goes_on()) check_properties(members);
  if (goes_on() && !node_.dependencies.empty()) check_dependencies(members);
}

// For people, the branch that comes nearest is the one they meant: of those that do not already
// fail by the type of the value itself, the one with the fewest faults.
void NodeCheck::report_nearest(std::string_view keyword,
                               const std::vector<const SchemaNode*>& branches) {
  is_ok_ = false;
  if (violations_ == nullptr) return;
  const std::string here = path_pointer(frame_);
  std::vector<SchemaViolation> nearest;
  TypeSet types = 0;
  for (const SchemaNode* branch : branches) {
    std::vector<SchemaViolation> found;
    validate_node(*branch, value_, frame_, &found);
    const auto is_wrong_type = [&](const SchemaViolation& violation) {
      return violation.instance_path == here && violation.keyword == "type";
    };
    if (std::ranges::any_of(found, is_wrong_type)) {
      types |= branch->resolved().types;
    } else if (nearest.empty() || found.size() < nearest.size()) {
      nearest = std::move(found);
    }
  }
  if (nearest.empty()) {
    fail(keyword, [&]() -> std::string {
      if ((types & type_of(value_)) != 0) return " has none of the allowed forms";
      return " must be " + describe_types(types) + ", but is " + describe_types(type_of(value_));
    });
    return;
  }
  for (SchemaViolation& violation : nearest) {
    if (violations_->size() < kViolationsMax) violations_->push_back(std::move(violation));
  }
}

void NodeCheck::check_one_of() {
  std::size_t count = 0;
  for (const SchemaNode* branch : node_.one_of) count += holds(branch) ? 1 : 0;
  if (count == 0) report_nearest("oneOf", node_.one_of);
  if (count < 2) return;
  fail("oneOf", [&] {
    return " must have exactly one of the allowed forms, but has " + std::to_string(count) +
           " of them";
  });
}

void NodeCheck::check_logic() {
  for (const SchemaNode* schema : node_.all_of) {
    if (goes_on()) apply(schema, value_, frame_);
  }
  if (goes_on() && !node_.any_of.empty()) {
    const auto is_met = [&](const SchemaNode* schema) { return holds(schema); };
    if (std::ranges::none_of(node_.any_of, is_met)) report_nearest("anyOf", node_.any_of);
  }
  if (goes_on() && !node_.one_of.empty()) check_one_of();
  if (goes_on() && node_.negated != nullptr && holds(node_.negated)) {
    fail("not", [] { return " has a form that is not allowed"; });
  }
  if (goes_on() && node_.condition != nullptr) {
    const SchemaNode* next = holds(node_.condition) ? node_.then_schema : node_.else_schema;
    if (next != nullptr) apply(next, value_, frame_);
  }
}

}  // namespace

std::string path_pointer(const PathFrame* frame) {
  if (frame == nullptr) return "";
  std::string out = path_pointer(frame->parent) + "/";
  if (frame->is_index) return out + std::to_string(frame->index);
  for (const char c : cut_text(frame->name, kPathNameBytesMax)) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

std::string path_text(const PathFrame* frame) {
  if (frame == nullptr) return "the document";
  std::string out = frame->parent == nullptr ? std::string() : path_text(frame->parent);
  if (frame->is_index) return out + "[" + std::to_string(frame->index) + "]";
  if (!out.empty()) out += ".";
  const auto shown = cut_text(frame->name, kPathNameBytesMax);
  out += shown;
  return shown.size() < frame->name.size() ? out + "..." : out;
}

void report_missing(const std::string& name, const PathFrame* frame,
                    std::vector<SchemaViolation>& violations) {
  if (violations.size() >= kViolationsMax) return;
  const PathFrame child{frame, name, 0, false};
  violations.push_back(
      {path_pointer(frame), "required", name, path_text(&child) + " is required", {}});
}

bool validate_node(const SchemaNode& node, const Value& value, const PathFrame* frame,
                   std::vector<SchemaViolation>* violations) {
  return NodeCheck(node.resolved(), value, frame, violations).run();
}

}  // namespace millrace::codec
