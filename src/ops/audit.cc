#include "ops/audit.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ops/audit_pipeline.h"

namespace millrace::ops {

Result<std::vector<AuditCheck>> run_audit(const ApiContext& context,
                                          const IsCancelled& is_cancelled, JobProgress& progress) {
  std::vector<AuditCheck> checks;
  for (const auto& pipeline : context.runtime->pipelines()) {
    progress.begin("audit of " + pipeline->plan().name, 0);
    PipelineAudit audit(*context.log, *pipeline, *context.clock, is_cancelled);
    auto status = audit.run(checks);
    if (!status.is_ok()) return std::move(status).with_context(pipeline->plan().name);
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
