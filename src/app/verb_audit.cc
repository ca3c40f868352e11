#include <nlohmann/json.hpp>
#include <optional>

#include "app/api_client.h"
#include "app/command_line.h"
#include "app/printing.h"
#include "app/progress_line.h"
#include "app/verbs.h"
#include "http/url.h"

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kAuditAnswerMs = 3'600'000;

std::string replay_target(const AuditOptions& options) {
  std::string query;
  const auto say = [&](const std::string& name, const std::string& value) {
    if (value.empty()) return;
    query += (query.empty() ? "?" : "&") + name + "=" + http::percent_encode(value);
  };
  say("range", options.replay_range);
  say("pipeline", options.pipeline);
  say("stage", options.stage);
  if (options.partition >= 0) say("partition", std::to_string(options.partition));
  return "/api/v1/audit/replay" + query;
}

void print_checks(const Json& answer) {
  Json rows = answer.value("checks", Json::array());
  for (auto& row : rows) row["result"] = row.value("ok", false) ? "ok" : "WRONG";
  print_text(format_table({"pipeline", "check", "result", "detail"}, rows));
}

void print_replay(const Json& answer) {
  Json rows = answer.value("tasks", Json::array());
  std::string details;
  for (auto& row : rows) {
    row["result"] = row.value("ok", false) ? "ok" : "WRONG";
    row["restored_from"] = row.value("snapshot", Json()).is_null() ? "the beginning" : "a snapshot";
    const auto findings = row.value("findings", Json::array());
    for (const auto& finding : findings) {
      details += "WRONG: " + finding.value("detail", "") + "\n";
      for (const auto* side : {"stored", "replayed"}) {
        const auto text = finding.value(side, Json());
        if (!text.is_null()) details += "  " + std::string(side) + ": " + cell_text(text) + "\n";
      }
    }
    const auto more = row.value("finding_count", std::size_t{0}) - findings.size();
    if (more > 0) details += "and " + std::to_string(more) + " more\n";
    for (const auto& note : row.value("notes", Json::array())) {
      details += "note: " + cell_text(note) + "\n";
    }
  }
  print_text(format_table({"pipeline", "stage", "partition", "first_offset", "next_offset",
                           "records", "outputs", "restored_at", "restored_from", "result"},
                          rows));
  print_text(details);
}

}  // namespace

int run_audit(const AuditOptions& options) {
  ApiClient client(options.server);
  client.set_answer_ms(kAuditAnswerMs);
  std::optional<ProgressLine> progress(std::in_place, options.server, "/api/v1/audit/progress");
  const auto answer = client.get(options.is_replay ? replay_target(options) : "/api/v1/audit");
  progress.reset();
  if (!answer.is_ok()) return report_failure(answer.status());
  const bool is_exact = answer->value("exact", false);
  if (options.server.output == OutputFormat::json) {
    print_json(*answer);
  } else {
    options.is_replay ? print_replay(*answer) : print_checks(*answer);
    print_text(is_exact ? "exact\n" : "not exact\n");
  }
  return is_exact ? kExitOk : kExitNotExact;
}

}  // namespace millrace::app
