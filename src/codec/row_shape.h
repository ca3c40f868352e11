#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time_text.h"
#include "codec/row_field.h"

// Private to row_decoder.cc.

namespace millrace::codec {

// The fast way of RowDecoder. Producers write their events with one program, so that the texts of
// a topic differ in their values only. A shape is one such text without its values:
//
//   {"ticker":"  text  ","price":"  number  ","volume":  number  }
//
// A text that has the literals of the shape, byte for byte, and between them values in their plain
// form (ASCII strings without an escape, numbers of up to 18 digits without an exponent) is read
// in one pass, without looking for its tokens first. That it is valid JSON follows from the
// literals being those of a valid one. Everything else is left to the general way, whose results
// for the same text are the same: RowDecoder's tests compare the two. Single-threaded.
class RowShape {
 public:
  // How many bytes may be read behind the text.
  static constexpr std::size_t kPaddingBytes = 64;

  // False where the build has no fast way; then nothing is ever learned.
  static bool is_supported();

  using FindField = std::function<std::uint8_t(std::string_view name)>;

  // Takes the shape of `text`, a JSON object that was decoded without mismatches and without
  // unknown members. Forgets the old one; keeps none when the text has a value without plain form.
  void learn(std::string_view text, std::span<const FieldPlan> fields, const FindField& find);
  [[nodiscard]] bool is_learned() const { return !steps_.empty(); }

  enum class Match : std::uint8_t {
    decoded,      // `row[i]` has the value of field i; slots without a member are untouched
    other_shape,  // `row` holds anything
    other_value,  // the same
  };
  // kPaddingBytes behind the text must be readable.
  Match decode(std::string_view text, const std::vector<FieldPlan>& fields, Value* row);

 private:
  enum class Scan : std::uint8_t {
    text,
    timestamp,
    quoted_decimal,
    decimal,
    integer,
    boolean,
    null,  // the literal in front of it ends with it
    end,   // of the text
  };
  // A literal and the value behind it.
  struct Step {
    std::uint32_t literal_at = 0;  // in literals_
    std::uint32_t literal_bytes = 0;
    std::uint32_t mask = 0;  // the bits of the literal's bytes; 0 when it has more than 32
    Scan scan = Scan::end;
    std::uint8_t field = kNoField;
  };

  static bool scan_for(const FieldPlan& field, char first, Scan& scan);
  bool learn_member(std::string_view text, std::size_t& at, std::size_t& literal_from,
                    std::span<const FieldPlan> fields, const FindField& find);
  void add_step(std::string_view literal, Scan scan, std::uint8_t field);
  [[nodiscard]] bool has_literal(const char* at, const Step& step) const;
  bool scan_value(const Step& step, const FieldPlan& field, const char*& at, const char* end,
                  Value& slot);

  std::string literals_;  // with room to read 32 bytes from each
  std::vector<Step> steps_;
  InstantParser instants_;
};

}  // namespace millrace::codec
