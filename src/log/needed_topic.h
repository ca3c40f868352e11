#pragma once

#include <string>

#include "base/status.h"
#include "log/log.h"

namespace millrace::log {

// Makes a topic of the program's own where it is not there yet. `invalid` when it is there with
// another number of partitions. `overloaded`: another process of a shared log was quicker, and
// brokers hear of a new topic one after the other: again.
Status make_needed_topic(Log& log, const std::string& name, const TopicConfig& config);

}  // namespace millrace::log
