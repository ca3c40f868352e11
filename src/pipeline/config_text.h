#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/status.h"
#include "model/value.h"
#include "pipeline/yaml_document.h"

namespace millrace::pipeline {

inline constexpr std::size_t kConfigBytesMax = 1 << 20;

// A member of a configuration file that is not an object itself (or an empty object).
struct ConfigLeaf {
  std::vector<std::string> path;     // names from the outside in
  std::vector<TextPosition> places;  // of each name
  Value value;
};

// Reads JSON in which `//` and `#` start a comment up to the end of the line. Values are views into
// `arena`. `invalid` starts with "LINE:COLUMN: ".
Result<std::vector<ConfigLeaf>> read_config_text(std::string_view text, Arena& arena);

}  // namespace millrace::pipeline
