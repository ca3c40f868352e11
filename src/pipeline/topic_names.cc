#include "pipeline/pipeline.h"

namespace millrace::pipeline {

std::string journal_topic(const std::string& pipeline, const std::string& stage) {
  return "millrace." + pipeline + "." + stage + ".journal";
}
std::string consumer_group(const std::string& pipeline, const std::string& stage) {
  return "millrace." + pipeline + "." + stage;
}
std::string partials_topic(const std::string& pipeline, const std::string& window) {
  return "millrace." + pipeline + "." + window + ".partials";
}
std::string tables_topic(const std::string& pipeline) {
  return "millrace." + pipeline + ".tables";
}
std::string progress_topic(const std::string& pipeline) {
  return "millrace." + pipeline + ".progress";
}
std::string feature_topic(const std::string& group) {
  return "millrace.features." + group;
}

}  // namespace millrace::pipeline
