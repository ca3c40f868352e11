#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/status.h"
#include "model/row.h"
#include "model/shape.h"
#include "model/value.h"

namespace millrace::codec {

// One violated keyword. `instance_path` is a JSON pointer into the checked document
// ("/items/3/price", "" for the root; of names beyond 200 bytes only those), `keyword` the schema
// keyword ("required", "type", ...), `property` the property in question where there is one
// (missing, unknown: `instance_path` is then that of the object), `message` a sentence for people.
struct SchemaViolation {
  std::string instance_path;
  std::string keyword;
  std::string property;
  std::string message;
  // For an unknown property: those that the schema names at this place.
  std::vector<std::string> known_properties;
};

// A compiled JSON Schema, draft 7, without remote references. Immutable; any thread may validate.
// Numbers are compared exactly as decimals. `pattern` is RE2: a pattern with look-around or
// back-references is refused at compile time. `format` is asserted for date-time, date, time, uuid,
// ipv4 and email, plus our own "decimal" (a string holding an exact decimal with at most
// "x-precision" digits, "x-scale" of them after the point, default 38 and 4); other formats are
// annotations. On JSON numbers the two keywords are asserted where they are written. "x-expected"
// ("a duration such as 30s") says in words what `type` and `pattern` ask for; messages use it.
class JsonSchema {
 public:
  // `invalid` names the place in the schema that is wrong or unsupported.
  static Result<JsonSchema> compile(std::string_view schema_text);
  JsonSchema(JsonSchema&&) noexcept;
  JsonSchema& operator=(JsonSchema&&) noexcept;
  ~JsonSchema();

  // Appends every violation (at most 1000), in the order of the schema: an object's declared
  // properties in the order of `properties`, then the others in document order. A value of the
  // wrong type is one violation, whatever else is wrong with it. Where no branch of anyOf or oneOf
  // holds, the violations of the nearest branch are given. Returns whether there was none.
  bool validate(const Value& document, std::vector<SchemaViolation>& violations) const;

  // For a schema whose root is an object with `properties`: the row it describes, in the order of
  // the text. Types come from `type` and `format` (date-time -> timestamp, decimal -> decimal with
  // "x-precision" and "x-scale", default 38 and 4); several types other than null -> any.
  Result<RowLayout> row_layout() const;
  // What objects and lists within those fields hold, as far as `properties`, `items` and references
  // say it without a condition. For a schema with a row_layout().
  [[nodiscard]] RowShapes row_shapes() const;

  // Whether `check_row` sees everything that this schema says. False when a keyword needs the
  // document itself: at the root anything but `type`, `properties` and `required`; on a decimal
  // string or a timestamp anything but its type and format. Then only `validate` may be used.
  [[nodiscard]] bool is_row_checkable() const;

  // The fast twin of `validate` for a row decoded with row_layout(); `mismatches` as RowDecoder
  // gives it. Returns whether there was no violation. With mismatches == 0, messages and order
  // equal those of `validate`; a mismatched field is one violation that cannot say what was found
  // instead.
  bool check_row(std::span<const Value> row, std::uint64_t mismatches,
                 std::vector<SchemaViolation>& violations) const;

  // The same, but a row with a fault is checked again on `text`, the document it was decoded from,
  // so that the violations are those of `validate`. What only the row's types forbid (an integer
  // beyond 64 bits, more digits than x-scale on a number without that keyword) is reported as
  // above. Parsed values live in `arena` until its reset; the violations own theirs.
  bool check_row(std::span<const Value> row, std::uint64_t mismatches, std::string_view text,
                 Arena& arena, std::vector<SchemaViolation>& violations) const;

 private:
  struct Impl;
  explicit JsonSchema(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::codec
