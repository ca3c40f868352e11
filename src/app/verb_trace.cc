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

constexpr int kTraceAnswerMs = 600'000;

Result<std::string> trace_target(const TraceOptions& options) {
  if (options.event_id.empty() && options.offset < 0) {
    return invalid_error(
        "name an event: `millrace trace EVENT_ID`, or --topic T --partition P --offset N");
  }
  std::string target = "/api/v1/trace?max_scan=" + std::to_string(options.scan_max);
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) target += std::string("&") + name + "=" + http::percent_encode(value);
  };
  add("id", options.event_id);
  add("pipeline", options.pipeline);
  add("since", options.since);
  if (options.offset < 0) return target;
  add("topic", options.topic);
  return target + "&partition=" + std::to_string(options.partition) +
         "&offset=" + std::to_string(options.offset);
}

std::string text_of(const Json& json, const char* name) {
  return cell_text(json.value(name, Json()));
}

std::string place(const Json& json) {
  return text_of(json, "topic") + "/" + text_of(json, "partition") + "/" + text_of(json, "offset");
}

void append_step(std::string& out, const Json& step) {
  out += "  " + text_of(step, "stage") + ": " + text_of(step, "result");
  if (step.contains("error_type")) out += " as " + text_of(step, "error_type");
  if (step.contains("message")) out += ", " + text_of(step, "message");
  if (step.contains("event_time")) {
    out += ", event time " + text_of(step, "event_time") + ", processing time " +
           text_of(step, "processing_time");
  }
  if (step.contains("id")) out += ", id " + text_of(step, "id");
  if (step.contains("first_occurrence")) {
    const auto& first = step["first_occurrence"];
    out += first.is_null() ? "; the first one is before what was looked through"
                           : "; the first one is " + cell_text(first);
  }
  out += "\n";
  for (const auto& rule : step.value("rules", Json::array())) {
    out += "    " + text_of(rule, "rule") + ": " + text_of(rule, "expression") + " is " +
           text_of(rule, "value") + "\n";
  }
  const auto fields = step.value("fields", Json::object());
  for (const auto& [name, value] : fields.items()) {
    out +=
        "    " + name + " = " + value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
}

void append_pane(std::string& out, const Json& pane) {
  out += "    [" + text_of(pane, "start") + ", " + text_of(pane, "end") + ") " +
         text_of(pane, "decision");
  if (pane.contains("partial")) out += ", partial result " + place(pane["partial"]);
  const auto results = pane.value("results", Json::array());
  if (pane.value("decision", "") == "counted" && results.empty()) out += ", no result yet";
  out += "\n";
  for (const auto& result : results) {
    out += "      revision " + text_of(result, "revision") +
           (result.value("is_final", Json()) == Json(true) ? ", final, " : ", ") + place(result) +
           "\n        " +
           result.value("value", Json()).dump(-1, ' ', false, Json::error_handler_t::replace) +
           "\n";
  }
  const auto more = pane.value("result_count", std::size_t{0}) - results.size();
  if (more > 0) out += "      and " + std::to_string(more) + " revisions between\n";
}

void append_effect(std::string& out, const Json& effect) {
  if (effect.value("kind", "") == "feature") {
    out += "feature " + text_of(effect, "feature_group") + " " + text_of(effect, "record_id") +
           ": " + text_of(effect, "state");
    if (effect.contains("revision")) {
      out += " (the store has event time " + text_of(effect, "event_time") + ", revision " +
             text_of(effect, "revision") + ")";
    }
    out += "\n";
    return;
  }
  out += "lake " + text_of(effect, "sink") + ": " + text_of(effect, "state") + "\n";
  for (const auto& file : effect.value("files", Json::array())) {
    out += "  " + text_of(file, "path") + ", rows " + text_of(file, "first_offset") + ".." +
           text_of(file, "next_offset") + "\n";
  }
}

std::string occurrence_text(const Json& one) {
  std::string out =
      place(one) + " in " + text_of(one, "pipeline") + ": " + text_of(one, "outcome") + "\n";
  out += "  taken by the log at " + text_of(one, "append_time") + ", key " + text_of(one, "key");
  if (one.value("found_by", "") == "text") out += "; its id cannot be read, its text is in it";
  out += "\n";
  for (const auto& step : one.value("steps", Json::array())) append_step(out, step);
  for (const auto& window : one.value("windows", Json::array())) {
    out += "  window " + text_of(window, "window") + ", key " + text_of(window, "key");
    if (window.contains("error")) out += ": " + text_of(window, "error");
    out += "\n";
    for (const auto& pane : window.value("panes", Json::array())) append_pane(out, pane);
  }
  for (const auto& row : one.value("rows", Json::array())) out += "row " + place(row) + "\n";
  for (const auto& letter : one.value("dead_letters", Json::array())) {
    out += "dead letter " + place(letter) + ": " + text_of(letter, "error_type") + " of " +
           text_of(letter, "stage") + ", " + text_of(letter, "error_message") + "\n";
  }
  for (const auto& effect : one.value("stored_in", Json::array())) append_effect(out, effect);
  return out;
}

}  // namespace

int run_trace(const TraceOptions& options) {
  const auto target = trace_target(options);
  if (!target.is_ok()) return report_failure(target.status());
  ApiClient client(options.server);
  client.set_answer_ms(kTraceAnswerMs);
  std::optional<ProgressLine> progress(std::in_place, options.server, "/api/v1/trace/progress");
  const auto answer = client.get(*target);
  progress.reset();
  if (!answer.is_ok()) return report_failure(answer.status());
  const bool is_found = answer->value("found", false);
  if (options.server.output == OutputFormat::json) {
    print_json(*answer);
    return is_found ? kExitOk : kExitFailed;
  }
  if (!is_found) {
    return report_failure(
        not_found_error(text_of(*answer, "event_id") + ": " + text_of(*answer, "hint")));
  }
  std::string text;
  for (const auto& one : answer->value("occurrences", Json::array())) {
    text += (text.empty() ? "" : "\n") + occurrence_text(one);
  }
  print_text(text);
  return kExitOk;
}

}  // namespace millrace::app
