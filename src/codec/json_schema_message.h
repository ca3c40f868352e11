#pragma once

#include <string>
#include <string_view>

#include "codec/json_schema_node.h"

// Private to json_schema*.cc: the words of violations.

namespace millrace::codec {

inline constexpr std::size_t kQuotedBytesMax = 60;
// Names in a path are foreign text: of a longer one only so much is shown, or a thousand violations
// under one name of a megabyte would take a gigabyte.
inline constexpr std::size_t kPathNameBytesMax = 200;

// "a string", "an integer or null"
std::string describe_types(TypeSet types);
// What the schema says it expects (x-expected), else its types.
std::string describe_expected(const SchemaNode& node);
// At most so many bytes of UTF-8 from the front, whole characters.
std::string_view cut_text(std::string_view text, std::size_t bytes_max);
// A value as a message quotes it: JSON, cut to kQuotedBytesMax; "a list" and "an object" in words.
std::string describe_value(const Value& value);
// "1 character", "3 characters"
std::string describe_count(std::uint64_t count, std::string_view noun);
// "a decimal number with at most 14 digits before and 4 after the point"
std::string describe_decimal(const SchemaNode& node);
// What the node's format asks for.
std::string describe_format(const SchemaNode& node);

}  // namespace millrace::codec
