#include "app/printing.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

// Code points, which are columns as long as nobody uses combining marks or wide characters.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

void append_padded(std::string& line, const std::string& text, std::size_t width, bool is_right) {
  const std::string padding(width - std::min(width, width_of(text)), ' ');
  line += is_right ? padding + text : text + padding;
}

void end_line(std::string& out, std::string& line) {
  line.erase(line.find_last_not_of(' ') + 1);
  out += line + "\n";
  line.clear();
}

}  // namespace

void print_json(const Json& json) {
  print_text(json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

void print_text(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

std::string cell_text(const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value.get<std::string>();
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string format_table(const std::vector<std::string>& names, const Json& rows) {
  std::vector<std::size_t> widths;
  std::vector<bool> are_numbers;
  for (const auto& name : names) {
    std::size_t width = width_of(name);
    bool is_number = !rows.empty();
    for (const auto& row : rows) {
      const auto value = row.value(name, Json());
      width = std::max(width, width_of(cell_text(value)));
      is_number &= value.is_number() || value.is_null();
    }
    widths.push_back(width);
    are_numbers.push_back(is_number);
  }
  std::string out;
  std::string line;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) line += "  ";
    append_padded(line, names[i], widths[i], are_numbers[i]);
  }
  end_line(out, line);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (i > 0) line += "  ";
      append_padded(line, cell_text(row.value(names[i], Json())), widths[i], are_numbers[i]);
    }
    end_line(out, line);
  }
  return out;
}

}  // namespace millrace::app
