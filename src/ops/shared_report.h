#pragma once

#include <nlohmann/json_fwd.hpp>

#include "runtime/shared_pipeline.h"

namespace millrace::ops {

// What the status says of a stage that several processes share, beside its tasks here: which
// process has which partition, as far as is known, and how transactions go.
nlohmann::ordered_json ownership_json(const runtime::SharedPipeline::StageReport& stage,
                                      const std::string& process);
// The tasks of others that are kept ready here.
nlohmann::ordered_json followers_json(const runtime::SharedPipeline::StageReport& stage);
nlohmann::ordered_json slots_json(const runtime::SharedPipeline::StageReport& stage);

}  // namespace millrace::ops
