#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/api_client.h"
#include "app/command_line.h"
#include "app/printing.h"
#include "app/verbs.h"

// Verbs that print what the API answers.

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kDrainAnswerMs = 3'600'000;

void print_table(const std::vector<std::string>& names, const Json& rows) {
  print_text(format_table(names, rows));
}

void print_counters(const Json& counters) {
  for (const auto& [name, value] : counters.items()) {
    std::printf("  %-14s %s\n", name.c_str(),
                value.is_object() && value.empty() ? "none" : value.dump().c_str());
  }
}

void print_pipeline(const Json& pipeline) {
  std::printf("\npipeline %s@%d: %s\n", pipeline.value("pipeline", "").c_str(),
              pipeline.value("version", 0), pipeline.value("state", "").c_str());
  if (pipeline.contains("why")) std::printf("%s\n", pipeline.value("why", "").c_str());
  print_counters(pipeline.value("counters", Json::object()));
  for (const auto& stage : pipeline.value("stages", Json::array())) {
    std::printf("stage %s, topic %s\n", stage.value("stage", "").c_str(),
                stage.value("topic", "").c_str());
    print_table(
        {"partition", "next_offset", "high_watermark", "lag", "watermark", "open_window_count"},
        stage.value("tasks", Json::array()));
    if (stage.contains("ownership"))
      print_table({"partition", "process", "state", "why"}, stage["ownership"]);
    if (!stage.value("followers", Json::array()).empty()) {
      std::printf("followed here:\n");
      print_table({"partition", "state", "position", "lag", "last_error"}, stage["followers"]);
    }
    for (const auto& task : stage.value("tasks", Json::array())) {
      const auto windows = task.value("open_windows", Json::array());
      for (const auto& window : windows) {
        std::printf("  open: %s %s .. %s, %s keys, waits for %s\n",
                    window.value("window", "").c_str(), window.value("window_start", "").c_str(),
                    window.value("window_end", "").c_str(), cell_text(window["keys"]).c_str(),
                    window.value("waits_for", "").c_str());
      }
      const auto open_count = task.value("open_window_count", std::size_t{0});
      if (open_count > windows.size()) {
        std::printf("  open: %zu later windows of partition %s\n", open_count - windows.size(),
                    cell_text(task["partition"]).c_str());
      }
    }
  }
}

}  // namespace

int run_status(const ServerOptions& options) {
  auto status = ApiClient(options).get("/api/v1/status");
  if (!status.is_ok()) return report_failure(status.status());
  if (options.output == OutputFormat::json) {
    print_json(*status);
    return kExitOk;
  }
  std::printf("millrace %s, pid %s, data %s, up %s ms: %s\n", status->value("version", "").c_str(),
              cell_text((*status)["pid"]).c_str(), status->value("data", "").c_str(),
              cell_text((*status)["uptime_ms"]).c_str(), status->value("state", "").c_str());
  if (status->contains("process")) {
    std::printf("process %s\n", status->value("process", "").c_str());
  } else {
    std::printf("kafka clients: 127.0.0.1:%s\n", cell_text((*status)["kafka_port"]).c_str());
  }
  if (!status->contains("recovery")) (*status)["recovery"] = Json::object();
  for (const auto& note : (*status)["recovery"].value("notes", Json::array())) {
    std::printf("recovery: %s\n", cell_text(note).c_str());
  }
  for (const auto& pipeline : (*status)["pipelines"]) print_pipeline(pipeline);
  return kExitOk;
}

int run_topics(const ServerOptions& options, bool with_internal) {
  auto answer = ApiClient(options).get("/api/v1/topics");
  if (!answer.is_ok()) return report_failure(answer.status());
  Json topics = Json::array();
  for (const auto& topic : answer->value("topics", Json::array())) {
    if (with_internal || !topic.value("internal", false)) topics.push_back(topic);
  }
  if (options.output == OutputFormat::json) {
    print_json({{"topics", topics}});
  } else {
    print_table({"topic", "partitions", "records", "bytes"}, topics);
  }
  return kExitOk;
}

int run_groups(const ServerOptions& options) {
  const auto answer = ApiClient(options).get("/api/v1/groups");
  if (!answer.is_ok()) return report_failure(answer.status());
  if (options.output == OutputFormat::json) {
    print_json(*answer);
  } else {
    print_table({"group", "topic", "partition", "offset", "high_watermark", "lag"},
                answer->value("groups", Json::array()));
  }
  return kExitOk;
}

int run_drain(const ServerOptions& options) {
  ApiClient client(options);
  client.set_answer_ms(kDrainAnswerMs);
  const auto answer = client.post("/api/v1/drain");
  if (!answer.is_ok()) return report_failure(answer.status());
  if (options.output == OutputFormat::json) {
    print_json(*answer);
  } else {
    print_table({"pipeline", "windows_fired"}, answer->value("pipelines", Json::array()));
  }
  return kExitOk;
}

}  // namespace millrace::app
