#pragma once

#include <string>

#include "ops/api.h"

namespace millrace::ops {

// The Prometheus text exposition (version 0.0.4) of the log and, once they are restored, the
// pipelines.
std::string metrics_text(const ApiContext& context, bool is_ready);

}  // namespace millrace::ops
