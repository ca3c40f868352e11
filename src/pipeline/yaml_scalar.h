#pragma once

#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/status.h"
#include "model/value.h"

namespace millrace::pipeline {

// How a scalar is written.
enum class ScalarStyle { plain, quoted };

// The value of a scalar by the core schema of YAML 1.2 (chapter 10.3), exactly: a number with a
// fraction or an exponent is a decimal. `tag` is the explicit one ("tag:yaml.org,2002:int") or
// empty. Strings are copied into `arena`. `invalid` says what is wrong.
Result<Value> read_scalar(std::string_view text, ScalarStyle style, std::string_view tag,
                          Arena& arena);

}  // namespace millrace::pipeline
