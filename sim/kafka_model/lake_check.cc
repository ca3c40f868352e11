#include "sim/kafka_model/lake_check.h"

#include <map>
#include <string_view>

#include "lake/manifest.h"
#include "log/partition_scan.h"
#include "sim/kafka_model/model_log.h"

namespace millrace::kafka_model {
namespace {

using Rows = std::map<std::string, int, std::less<>>;  // and how often

Rows rows_of(objects::ObjectStore& objects, const std::string& folder) {
  Rows rows;
  const auto listed = objects.list(folder + "/");
  for (const auto& object : *listed) {
    const auto bytes = *objects.get(object.key);
    std::string_view rest = bytes;
    while (!rest.empty()) {
      const auto end = rest.find('\n');
      ++rows[std::string(rest.substr(0, end))];
      rest.remove_prefix(end + 1);
    }
  }
  return rows;
}

void compare(const Rows& records, const Rows& rows, std::vector<std::string>& failures) {
  for (const auto& [text, times] : records) {
    const auto known = rows.find(text);
    const int found = known == rows.end() ? 0 : known->second;
    if (found == times) continue;
    failures.push_back("lake: " + text + " is there " + std::to_string(found) + " times, not " +
                       std::to_string(times));
  }
  for (const auto& [text, times] : rows) {
    if (!records.contains(text)) failures.push_back("lake: " + text + " is no record");
  }
}

}  // namespace

std::vector<std::string> check_lake(Cluster& cluster, objects::ObjectStore& objects,
                                    const pipeline::Pipeline& plan) {
  std::vector<std::string> failures;
  Process process(cluster, "checker");
  const ModelLog log(process);
  for (const auto& sink : plan.lakes) {
    const auto stage = "lake." + sink.name;
    const auto topic = log.topic(sink.topic);
    if (!topic.is_ok()) return {topic.status().to_string()};
    Rows records;
    for (std::int32_t p = 0; p < topic->config.partition_count; ++p) {
      const lake::ManifestSource source{sink.name,
                                        "lake/" + sink.name,
                                        pipeline::consumer_group(plan.name, stage),
                                        {sink.topic, p},
                                        {pipeline::journal_topic(plan.name, stage), p}};
      for (const auto& check : lake::verify_manifest(log, objects, source, [] { return false; })) {
        if (check.is_ok) continue;
        failures.push_back("lake partition " + std::to_string(p) + ": " + check.name + ": " +
                           check.detail);
      }
      const auto end =
          log::scan_partition(log, source.source, Offset(0), [&](const RecordView& record) {
            ++records[std::string(record.value.value_or(""))];
            return ok_status();
          });
      if (!end.is_ok()) failures.push_back(end.status().to_string());
    }
    compare(records, rows_of(objects, "lake/" + sink.name), failures);
  }
  return failures;
}

}  // namespace millrace::kafka_model
