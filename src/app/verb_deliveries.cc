#include <algorithm>
#include <map>
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

struct Range {
  std::int64_t first = 0;
  std::int64_t next = 0;
  std::uint64_t rows = 0;  // of all its files: one for each partition value and part
};

// Per sink and source partition: the ranges must follow each other, and no file may hold more rows
// than its range has offsets.
Json verify_files(const Json& files) {
  std::map<std::pair<std::string, std::int64_t>,
           std::map<std::pair<std::int64_t, std::int64_t>, Range>>
      partitions;
  for (const auto& file : files) {
    const auto first = file.value("first_offset", std::int64_t{0});
    const auto next = file.value("next_offset", std::int64_t{0});
    auto& range = partitions[{file.value("sink", ""), file.value("partition", std::int64_t{0})}]
                            [{first, next}];
    range.first = first;
    range.next = next;
    range.rows += file.value("rows", std::uint64_t{0});
  }
  Json checked = Json::array();
  for (const auto& [of, ranges] : partitions) {
    std::string fault;
    std::uint64_t rows = 0;
    auto expected = ranges.begin()->second.first;
    for (const auto& [key, range] : ranges) {
      const auto shown = std::to_string(range.first) + ".." + std::to_string(range.next);
      if (fault.empty() && range.first != expected) {
        fault = (range.first > expected ? "a hole before " : "an overlap at ") + shown;
      }
      if (fault.empty() && range.rows > static_cast<std::uint64_t>(
                                            std::max<std::int64_t>(0, range.next - range.first))) {
        fault = "more rows than offsets in " + shown;
      }
      expected = range.next;
      rows += range.rows;
    }
    checked.push_back({{"sink", of.first},
                       {"partition", of.second},
                       {"ok", fault.empty()},
                       {"first_offset", ranges.begin()->second.first},
                       {"next_offset", expected},
                       {"ranges", ranges.size()},
                       {"rows", rows},
                       {"fault", fault.empty() ? Json() : Json(fault)}});
  }
  return checked;
}

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
  const auto answer = client.get("/api/v1/lake");
  if (!answer.is_ok()) return report_failure(answer.status());
  const auto checked = verify_files(answer->value("files", Json::array()));
  const bool is_exact = std::all_of(checked.begin(), checked.end(),
                                    [](const Json& one) { return one.value("ok", false); });
  if (options.output == OutputFormat::json) {
    print_json({{"exact", is_exact}, {"partitions", checked}});
  } else {
    print_text(format_table(
        {"sink", "partition", "first_offset", "next_offset", "ranges", "rows", "fault"}, checked));
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
