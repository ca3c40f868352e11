#pragma once

#include <string>
#include <string_view>

#include "pipeline/spec.h"

namespace millrace::pipeline {

// What can be wrong with a file as a whole: names that two parts of it would fight over (journals,
// groups, files, members of a result), and output that would be read again as input.
void check_spec(const Spec& spec, const ReportFault& report);

// The member of a window's result that holds its key: the key's name if it is one, else "key".
std::string window_key_name(const WindowSpec& window);

// Whether every result has a member of this name.
bool is_result_member(std::string_view name);

}  // namespace millrace::pipeline
