#include "runtime/pipeline_registry.h"

#include <sstream>

#include "base/coding.h"
#include "codec/record_batch.h"
#include "log/needed_topic.h"
#include "log/partition_scan.h"
#include "pipeline/pipeline.h"

namespace millrace::runtime {
namespace {

constexpr std::uint8_t kFormatVersion = 1;

}  // namespace

Result<RegisteredPipeline> decode_registered(std::string_view name, std::string_view bytes) {
  Decoder from(bytes);
  if (from.u8() != kFormatVersion) return corrupt_error("registry: unknown format version");
  RegisteredPipeline pipeline;
  pipeline.name = name;
  pipeline.version = static_cast<std::int32_t>(from.zigzag());
  pipeline.file.low = from.u64();
  pipeline.file.high = from.u64();
  pipeline.source_partition_count = static_cast<std::int32_t>(from.zigzag());
  pipeline.text = from.bytes();
  const auto lost_count = from.varint();
  for (std::uint64_t i = 0; i < lost_count && !from.has_failed(); ++i) {
    auto& lost = pipeline.lost.emplace_back();
    lost.stage = from.bytes();
    lost.what.window = from.bytes();
    for (auto* count :
         {&lost.what.open_panes, &lost.what.open_keys, &lost.what.ids, &lost.what.records}) {
      *count = from.varint();
    }
  }
  MR_RETURN_IF_ERROR(from.finish("registered pipeline"));
  return pipeline;
}

Status create_registry(log::Log& log) {
  log::TopicConfig config;
  config.is_compacted = true;
  config.is_internal = true;
  return log::make_needed_topic(log, std::string(pipeline::kRegistryTopic), config);
}

Result<std::optional<std::string>> find_registry_record(const log::Log& log, std::string_view key) {
  const TopicPartition source{std::string(pipeline::kRegistryTopic), 0};
  std::optional<std::string> found;
  const auto take = [&](const RecordView& record) {
    if (record.key && *record.key == key && record.value) found = *record.value;
    return ok_status();
  };
  MR_RETURN_IF_ERROR(log::scan_partition(log, source, Offset(0), take).status());
  return found;
}

Result<std::optional<RegisteredPipeline>> find_registered(const log::Log& log,
                                                          const std::string& name) {
  const auto topic = log.topic(std::string(pipeline::kRegistryTopic));
  if (topic.status().code() == StatusCode::not_found) return std::optional<RegisteredPipeline>();
  if (!topic.is_ok()) return topic.status();
  MR_ASSIGN_OR_RETURN(const auto value, find_registry_record(log, name));
  if (!value) return std::optional<RegisteredPipeline>();
  MR_ASSIGN_OR_RETURN(auto pipeline, decode_registered(name, *value));
  return std::optional(std::move(pipeline));
}

log::AppendBatch registration_batch(
    const RegisteredPipeline& pipeline, WallTime now,
    const std::vector<std::pair<std::string, std::string>>& beside) {
  std::string value;
  Encoder to(value);
  to.u8(kFormatVersion);
  to.zigzag(pipeline.version);
  to.u64(pipeline.file.low);
  to.u64(pipeline.file.high);
  to.zigzag(pipeline.source_partition_count);
  to.bytes(pipeline.text);
  to.varint(pipeline.lost.size());
  for (const auto& lost : pipeline.lost) {
    to.bytes(lost.stage);
    to.bytes(lost.what.window);
    for (const auto count :
         {lost.what.open_panes, lost.what.open_keys, lost.what.ids, lost.what.records}) {
      to.varint(count);
    }
  }
  codec::RecordBatchBuilder builder(codec::Compression::lz4);
  builder.append(now, pipeline.name, value, {});
  for (const auto& [key, bytes] : beside) builder.append(now, key, bytes, {});
  log::AppendBatch batch{std::string(pipeline::kRegistryTopic), 0, {}};
  builder.finish(batch.bytes);
  return batch;
}

Status register_pipeline(log::Log& log, const RegisteredPipeline& pipeline, WallTime now) {
  auto appended = log::append_and_wait(log, registration_batch(pipeline, now));
  return appended.is_ok() ? ok_status() : std::move(appended).take_status();
}

std::string describe_difference(const std::string& before, const std::string& after) {
  constexpr int kLinesShown = 5;
  std::istringstream old_lines(before);
  std::istringstream new_lines(after);
  std::string out;
  int shown = 0;
  for (int number = 1; shown < kLinesShown; ++number) {
    std::string old_line;
    std::string new_line;
    const bool has_old = static_cast<bool>(std::getline(old_lines, old_line));
    const bool has_new = static_cast<bool>(std::getline(new_lines, new_line));
    if (!has_old && !has_new) break;
    if (has_old == has_new && old_line == new_line) continue;
    ++shown;
    const auto prefix = "\n  line " + std::to_string(number);
    if (has_old) out += prefix + " was: " + old_line;
    if (has_new) out += prefix + " now: " + new_line;
  }
  return out;
}

}  // namespace millrace::runtime
