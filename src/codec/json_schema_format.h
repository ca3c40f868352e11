#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/decimal.h"

namespace millrace::codec {

// The formats that are asserted; every other one is an annotation.
enum class TextFormat : std::uint8_t { none, date_time, date, time, uuid, ipv4, email, decimal };

// `none` for a format that is not asserted.
TextFormat text_format(std::string_view name);

// What is expected, for messages: "a date-time such as 2012-06-21T13:30:00Z".
std::string_view describe(TextFormat format);

// Whether `text` has the format. `none` accepts everything; `decimal` only looks at the grammar and
// the 38 digits, see fits_decimal for precision and scale.
bool has_format(TextFormat format, std::string_view text);

// Whether the number needs at most `scale` digits after the point and `precision` - `scale` before
// it. Zeros at the end do not count.
bool fits_decimal(const Decimal& number, int precision, int scale);

}  // namespace millrace::codec
