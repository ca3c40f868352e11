#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

// How verbs print: JSON on one line, or tables for people.

namespace millrace::app {

// To stdout with a line break. Text that is not UTF-8 gets U+FFFD in its place.
void print_json(const nlohmann::ordered_json& json);
void print_text(const std::string& text);

// A scalar for people: texts without quotes, null as "-".
std::string cell_text(const nlohmann::ordered_json& value);

// The members `names` of every object in `rows`, one line each below a line of the names; columns
// as wide as their longest cell in characters, numbers to the right, no spaces at line ends.
std::string format_table(const std::vector<std::string>& names, const nlohmann::ordered_json& rows);

}  // namespace millrace::app
