#include <nlohmann/json.hpp>

#include "app/api_client.h"
#include "app/command_line.h"
#include "app/printing.h"
#include "app/verbs.h"

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kAuditAnswerMs = 3'600'000;

}  // namespace

int run_audit(const ServerOptions& options) {
  ApiClient client(options);
  client.set_answer_ms(kAuditAnswerMs);
  const auto answer = client.get("/api/v1/audit");
  if (!answer.is_ok()) return report_failure(answer.status());
  const bool is_exact = answer->value("exact", false);
  if (options.output == OutputFormat::json) {
    print_json(*answer);
  } else {
    Json rows = answer->value("checks", Json::array());
    for (auto& row : rows) row["result"] = row.value("ok", false) ? "ok" : "WRONG";
    print_text(format_table({"pipeline", "check", "result", "detail"}, rows));
    print_text(is_exact ? "exact\n" : "not exact\n");
  }
  return is_exact ? kExitOk : kExitNotExact;
}

}  // namespace millrace::app
