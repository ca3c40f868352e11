#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/status.h"
#include "model/row.h"

namespace millrace::codec {

// Decodes a JSON object straight into the slots of a RowLayout; the hot path of every pipeline.
//
// The whole text is checked: RFC 8259 grammar, UTF-8, no duplicate key, nothing after the object,
// depth at most kJsonDepthMax. Members that the layout does not know are checked and skipped.
//   int64      a JSON integer; as in JSON Schema, 1.0 and 1e3 are such
//   decimal    a JSON number, or a string holding one ("223.82"), as the field allows; exact,
//   within
//              its precision and scale (zeros beyond the scale are dropped)
//   timestamp  a string parse_instant accepts
//   string     a JSON string: a view into the text where it has no escape, else in the arena
//   list, map, any   as parse_json gives them, with strings as above
// A null is null whatever the type: whether it may be is the schema's affair. A field whose JSON
// type does not fit stays absent and is reported through `mismatches`, so that the schema check can
// name every fault of a record, not only the first. One object per thread; reusable.
class RowDecoder {
 public:
  // `field_count` first slots of `layout` are decoded. The layout must outlive the decoder.
  RowDecoder(const RowLayout& layout, std::size_t field_count);
  ~RowDecoder();
  RowDecoder(const RowDecoder&) = delete;
  RowDecoder& operator=(const RowDecoder&) = delete;

  struct Outcome {
    Status status;                 // not ok: unreadable JSON; says what and at which byte
    std::uint64_t mismatches = 0;  // bit i: field i is present but of the wrong type or range
    std::uint64_t unknown_count = 0;
  };

  // `readable_bytes` >= text.size(): how many bytes may be read from text.data(). With 64 behind
  // the text, texts that differ from an earlier one in their values only are decoded several times
  // faster (row_shape.h); the results are the same. `row` has layout.fields.size() slots, of which
  // the first field_count are overwritten (with anything, when the status is not ok). At most 64
  // fields.
  Outcome decode(std::string_view text, std::size_t readable_bytes, Arena& arena,
                 std::span<Value> row);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::codec
