#pragma once

#include <string>
#include <vector>

#include "pipeline/pipeline.h"
#include "pipeline/spec.h"

namespace millrace::app {

// A pipeline in words, stage by stage. Lines are whole sentences or "name = expression".
struct ExplainedStage {
  std::string title;
  std::vector<std::string> lines;
};

// What each topic of the pipeline is for, in the order of the plan.
struct ExplainedTopic {
  std::string topic;
  std::int32_t partitions = 0;
  bool is_internal = false;
  std::string purpose;
};

struct PipelineExplanation {
  std::vector<ExplainedStage> stages;
  std::vector<ExplainedTopic> topics;
};

// `spec` and `plan` are of one file.
PipelineExplanation explain_pipeline(const pipeline::Spec& spec, const pipeline::Pipeline& plan);

// 90'000'000 -> "90s", 3'600'000'000 -> "1h": the largest unit that divides it.
std::string duration_text(std::int64_t duration_us);

}  // namespace millrace::app
