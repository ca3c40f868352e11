#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/status.h"
#include "ops/api.h"
#include "ops/audit_scan.h"
#include "ops/known_tasks.h"
#include "ops/trace_outputs.h"
#include "ops/trace_search.h"
#include "task/explain.h"

namespace millrace::ops {

// Everything about one record of a source topic: what the stage says of it, and what is stored
// because of it. All that is given outlives it. One thread.
class OccurrenceTrace {
 public:
  OccurrenceTrace(const ApiContext& context, const KnownPipeline& pipeline,
                  task::Explainer& explainer, const FoundRecord& record,
                  const IsCancelled& is_cancelled)
      : context_(context),
        pipeline_(pipeline),
        plan_(*pipeline.plan),
        explainer_(explainer),
        record_(record),
        outputs_(*context.log, plan_, record, is_cancelled) {}

  Status run();
  [[nodiscard]] nlohmann::ordered_json json(const std::string& first_occurrence) const;
  [[nodiscard]] bool is_duplicate() const { return outcome_ == "duplicate"; }
  // Whether its id was filed, so that a later one with it is a duplicate.
  [[nodiscard]] bool is_filed() const { return is_filed_; }
  [[nodiscard]] const FoundRecord& record() const { return record_; }

 private:
  using Json = nlohmann::ordered_json;

  void decide();
  Status follow_windows();
  void ask_extensions();
  [[nodiscard]] Json steps(const std::string& first_occurrence) const;
  [[nodiscard]] Json step(std::string_view stage, const std::string& refused_by) const;
  [[nodiscard]] Json windows_json() const;
  [[nodiscard]] Json pane_json(const task::Window& window, const TracedPane& pane) const;
  [[nodiscard]] const Json* letter_of(const std::string& stage) const;

  const ApiContext& context_;
  const KnownPipeline& pipeline_;
  const pipeline::Pipeline& plan_;
  task::Explainer& explainer_;
  const FoundRecord& record_;
  OutputTrace outputs_;
  task::Explanation explained_;
  std::vector<TracedRecord> rows_;
  std::vector<TracedRecord> letters_;
  std::vector<Json> letter_values_;
  const Json* row_letter_ = nullptr;  // of a row stage
  std::string outcome_;
  bool is_filed_ = false;
  std::vector<std::vector<TracedPane>> panes_;  // per window
  Json effects_ = Json::array();
};

}  // namespace millrace::ops
