#pragma once

#include <string>
#include <string_view>

#include "model/value.h"
#include "pipeline/config_keys.h"

// Private to config*.cc.

namespace millrace::pipeline {

// What is wrong with a value for a key: "must be from 1 to 1024, but is 0"; empty when nothing is.
std::string config_fault(const ConfigKey& key, const Value& value);

// What keeps S3 from accepting a bucket's name; empty when nothing does. Names with dots, which S3
// takes, are refused: they have no valid certificate over https.
std::string bucket_name_fault(std::string_view name);

// A `word` in the form the program uses: lower case, "none" for "uncompressed", "warn" for
// "warning".
std::string canonical_word(std::string_view word);

}  // namespace millrace::pipeline
