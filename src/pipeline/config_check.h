#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/value.h"
#include "pipeline/config.h"
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

// What the settings of a log that processes share lack or contradict: the setting's name and what
// is wrong with it.
std::vector<std::pair<std::string, std::string>> shared_log_faults(const Config& config);

// Why the key has no effect beside the others; empty where it has one.
std::string_view idle_because(const ConfigKey& key, const Config& config);

}  // namespace millrace::pipeline
