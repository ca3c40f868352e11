#include <nlohmann/json.hpp>

#include "app/api_client.h"
#include "app/command_line.h"
#include "app/printing.h"
#include "app/verbs.h"
#include "http/url.h"

// What the lake and the feature store hold.

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVerifyAnswerMs = 3'600'000;  // it reads every file

int print_rows(const ServerOptions& options, const Result<Json>& answer, const std::string& member,
               const std::vector<std::string>& columns) {
  if (!answer.is_ok()) return report_failure(answer.status());
  if (options.output == OutputFormat::json) {
    print_json(*answer);
  } else {
    print_text(format_table(columns, answer->value(member, Json::array())));
  }
  return kExitOk;
}

}  // namespace

int run_lake_list(const ServerOptions& options) {
  return print_rows(
      options, ApiClient(options).get("/api/v1/lake"), "files",
      {"sink", "partition", "first_offset", "next_offset", "rows", "bytes", "state", "path"});
}

int run_lake_verify(const ServerOptions& options) {
  ApiClient client(options);
  client.set_answer_ms(kVerifyAnswerMs);
  const auto answer = client.get("/api/v1/lake/verify");
  if (!answer.is_ok()) return report_failure(answer.status());
  const bool is_exact = answer->value("exact", false);
  if (options.output == OutputFormat::json) {
    print_json(*answer);
  } else {
    Json rows = answer->value("checks", Json::array());
    for (auto& row : rows) row["result"] = row.value("ok", false) ? "ok" : "WRONG";
    print_text(format_table({"sink", "partition", "check", "result", "detail"}, rows));
    print_text(is_exact ? "exact\n" : "not exact\n");
  }
  return is_exact ? kExitOk : kExitNotExact;
}

int run_features_list(const ServerOptions& options) {
  return print_rows(options, ApiClient(options).get("/api/v1/features"), "groups",
                    {"feature_group", "records", "features"});
}

int run_features_get(const FeatureOptions& options) {
  const auto target = "/api/v1/features/" + http::percent_encode(options.group) +
                      "?id=" + http::percent_encode(options.record_id);
  const auto answer = ApiClient(options.server).get(target);
  if (!answer.is_ok()) return report_failure(answer.status());
  if (options.server.output == OutputFormat::json) {
    print_json(*answer);
    return kExitOk;
  }
  print_text(cell_text(answer->value("feature_group", Json())) + " " +
             cell_text(answer->value("record_id", Json())) + ", event time " +
             cell_text(answer->value("event_time", Json())) + "\n");
  const auto record = answer->value("record", Json::object());
  for (const auto& [name, value] : record.items()) {
    print_text("  " + name + ": " + cell_text(value) + "\n");
  }
  return kExitOk;
}

}  // namespace millrace::app
