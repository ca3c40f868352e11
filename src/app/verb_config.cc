#include <nlohmann/json.hpp>

#include "app/api_client.h"
#include "app/command_line.h"
#include "app/config_files.h"
#include "app/printing.h"
#include "app/verbs.h"

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

std::string files_text(const std::vector<std::string>& files) {
  std::string out;
  for (const auto& file : files) out += (out.empty() ? "" : ", ") + file;
  return out.empty() ? "no file, everything as by default" : out;
}

}  // namespace

int run_config_check(const ConfigVerbOptions& options) {
  sys::PosixFileSystem files;
  const auto loaded = load_config_files(files, {options.config_file, options.environment});
  if (loaded.is_ok()) {
    if (options.output == OutputFormat::json) {
      print_json({{"ok", true}, {"files", loaded->files}, {"errors", Json::array()}});
    } else {
      print_text("no faults: " + files_text(loaded->files) + "\n");
    }
    return kExitOk;
  }
  if (loaded.status().code() != StatusCode::invalid) return report_wrong_use(loaded.status());
  const std::string faults(loaded.status().message());
  if (options.output == OutputFormat::json) {
    Json errors = Json::array();
    for (std::size_t at = 0; at < faults.size();) {
      const auto end = std::min(faults.find('\n', at), faults.size());
      errors.push_back(faults.substr(at, end - at));
      at = end + 1;
    }
    print_json({{"ok", false}, {"files", Json::array()}, {"errors", errors}});
  } else {
    print_text(faults + "\n");
  }
  return kExitUsage;
}

int run_config_show(const ConfigVerbOptions& options) {
  sys::PosixFileSystem files;
  const auto loaded = load_config_files(files, {options.config_file, options.environment});
  if (!loaded.is_ok()) return report_wrong_use(loaded.status());
  Json settings = Json::array();
  for (const auto& line : pipeline::config_report(loaded->config)) {
    settings.push_back({{"key", line.key},
                        {"value", Json::parse(line.value, nullptr, false)},
                        {"source", line.source},
                        {"used", line.is_used},
                        {"note", line.note}});
  }
  if (options.output == OutputFormat::json) {
    print_json({{"files", loaded->files}, {"settings", settings}});
    return kExitOk;
  }
  for (auto& setting : settings) {
    setting["used"] = setting.value("used", false) ? "" : "no effect";
  }
  print_text(files_text(loaded->files) + "\n" +
             format_table({"key", "value", "source", "used", "note"}, settings));
  return kExitOk;
}

}  // namespace millrace::app
