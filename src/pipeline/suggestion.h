#pragma once

#include <span>
#include <string>
#include <string_view>

namespace millrace::pipeline {

// "; did you mean `windows`?", "; known are `a`, `b`" where no known name is near, "" without known
// ones.
std::string suggestion(std::string_view name, std::span<const std::string> known);

}  // namespace millrace::pipeline
