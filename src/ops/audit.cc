#include "ops/audit.h"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "ops/audit_pipeline.h"

namespace millrace::ops {

Result<std::vector<AuditCheck>> run_audit(const ApiContext& context,
                                          const IsCancelled& is_cancelled, JobProgress& progress) {
  std::vector<AuditCheck> checks;
  MR_ASSIGN_OR_RETURN(const auto pipelines, known_pipelines(context));
  for (const auto& pipeline : pipelines) {
    const auto& name = pipeline.plan->name;
    progress.begin("audit of " + name, 0);
    std::unique_ptr<AuditSubject> subject;
    if (pipeline.shared != nullptr) {
      subject = std::make_unique<CommittedTasks>(context, pipeline, is_cancelled);
    } else {
      subject = std::make_unique<RunningTasks>(pipeline);
    }
    PipelineAudit audit(*context.log, *subject, *context.clock, is_cancelled);
    auto status = audit.run(checks);
    if (!status.is_ok()) return std::move(status).with_context(name);
  }
  for (auto* extension : context.extensions) {
    if (is_cancelled()) return cancelled_error("the audit was cancelled");
    progress.begin("audit of the lake and the feature store", 0);
    extension->append_audit(checks);
  }
  return checks;
}

nlohmann::ordered_json audit_json(const std::vector<AuditCheck>& checks) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const auto& check : checks) {
    list.push_back({{"check", check.check},
                    {"pipeline", check.pipeline.empty() ? Json() : Json(check.pipeline)},
                    {"ok", check.is_ok},
                    {"detail", check.detail}});
  }
  const bool is_exact =
      std::all_of(checks.begin(), checks.end(), [](const auto& check) { return check.is_ok; });
  return {{"exact", is_exact}, {"checks", list}};
}

}  // namespace millrace::ops
