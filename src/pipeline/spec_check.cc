#include "pipeline/spec_check.h"

#include <algorithm>
#include <set>

namespace millrace::pipeline {
namespace {

void check_window(const WindowSpec& window, const ReportFault& report) {
  if (window.name == kSourceStage) {
    report(window.path + "/name", "the source stage has this name; take another");
  }
  for (const auto& aggregate : window.aggregates) {
    if (aggregate.name != window_key_name(window) && !is_result_member(aggregate.name)) continue;
    report(aggregate.path, aggregate.name + " is a member of every result; take another name");
  }
}

void check_names(const Spec& spec, const ReportFault& report) {
  std::set<std::string> taken;
  const auto take = [&](const std::string& kind, const std::string& name, const std::string& path) {
    if (taken.insert(kind + " " + name).second) return;
    report(path, "there is another " + kind + " " + name + "; names must differ");
  };
  for (const auto& window : spec.windows) {
    take("window", window.name, window.path + "/name");
    check_window(window, report);
  }
  for (const auto& lake : spec.lakes) take("lake", lake.name, lake.path + "/lake");
  for (const auto& feature : spec.features) {
    take("feature group", feature.group, feature.path + "/feature_group");
    take("feature group of window", feature.from, feature.path + "/from");
  }
  for (const auto& topic : spec.topics) take("sink for topic", topic, "/sinks");
}

// A pipeline that reads what it writes never ends.
void check_topics(const Spec& spec, const ReportFault& report) {
  const auto check = [&](const std::string& topic, const std::string& path) {
    if (topic != spec.source.topic) return;
    report(path, topic + " is the source; what is written there would be read again");
  };
  for (const auto& topic : spec.topics) check(topic, "/sinks");
  for (const auto& window : spec.windows) check(window.emit_to, window.path + "/emit_to");
  check(spec.dead_letter_topic, "/dead_letters/topic");
}

}  // namespace

void check_spec(const Spec& spec, const ReportFault& report) {
  check_names(spec, report);
  check_topics(spec, report);
}

std::string window_key_name(const WindowSpec& window) {
  const auto& text = window.key.text;
  const bool is_word = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
  return is_word ? text : "key";
}

bool is_result_member(std::string_view name) {
  return name == "window_start" || name == "window_end" || name == "revision" || name == "is_final";
}

}  // namespace millrace::pipeline
