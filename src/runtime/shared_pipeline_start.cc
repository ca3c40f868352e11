#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"
#include "codec/record_batch.h"
#include "runtime/pipeline_registry.h"
#include "runtime/shared_pipeline.h"

// How one of several processes comes to run a pipeline: what must be the same everywhere is made or
// checked first.

namespace millrace::runtime {
namespace {

std::string setup_id(const pipeline::Pipeline& plan) {
  return "millrace." + plan.name + ".setup";
}

// What the processes have in common stands in the registry, beside the pipeline.
std::string installation_key(const pipeline::Pipeline& plan) {
  return plan.name + "/installation";
}

std::string installation_text(std::uint64_t installation) {
  std::string text;
  Encoder(text).u64(installation);
  return text;
}

Status check_source(const log::Log& log, const std::string& topic) {
  MR_ASSIGN_OR_RETURN(const auto info, log.topic(topic));
  if (!info.config.is_compacted) return ok_status();
  return invalid_error("topic " + topic +
                       " is compacted, so events may disappear before they are read; a source "
                       "needs cleanup.policy=delete (R7)");
}

}  // namespace

SharedPipeline::SharedPipeline(log::SharedLog& log, RunnerServices services,
                               const pipeline::Pipeline& plan, SharedPipelineOptions options)
    : log_(log),
      services_(services),
      plan_(plan),
      options_(std::move(options)),
      tables_(log, pipeline::tables_topic(plan.name)),
      progress_(log, *services.clock, pipeline::progress_topic(plan.name)),
      idle_(plan.idle) {
  MR_CHECK(services_.log == &log_ && services_.objects != nullptr && options_.slots > 0);
}

Status SharedPipeline::start() {
  MR_CHECK(stages_.empty());
  const auto how = perseverance();
  MR_RETURN_IF_ERROR(persevere(how, [this] { return make_topics(); }));
  MR_RETURN_IF_ERROR(agree_on_version());
  MR_RETURN_IF_ERROR(publish_tables());
  MR_RETURN_IF_ERROR(persevere(how, [this] {
    const std::lock_guard lock(mutex_);
    return progress_.open();
  }));
  if (is_cancelled()) return cancelled_error("it is being stopped");
  join();
  return ok_status();
}

Perseverance SharedPipeline::perseverance() const {
  return {services_.clock, [this] { return is_cancelled(); }, options_.log_wait_ms_max,
          hash64(options_.process)};
}

// Two processes that start together both try: what one of them makes, the other one finds.
Status SharedPipeline::make_topics() {
  MR_RETURN_IF_ERROR(check_topics(log_, plan_));
  MR_RETURN_IF_ERROR(create_registry(log_));
  MR_RETURN_IF_ERROR(create_topics(log_, plan_, options_.retention_ms, options_.on_notice));
  for (const auto& need : plan_.topics) {
    const auto known = log_.topic(need.name);
    // Brokers hear of a new topic one after the other.
    if (known.status().code() == StatusCode::not_found) {
      return overloaded_error("topic " + need.name + " is not everywhere yet");
    }
    if (!known.is_ok()) return known.status();
  }
  MR_RETURN_IF_ERROR(check_topics(log_, plan_));
  return check_source(log_, plan_.source.source_topic);
}

// R22: the first to come puts its version in force, all others must have the same file.
Status SharedPipeline::agree_on_version() {
  const auto decide = [this]() -> Result<std::optional<log::AppendBatch>> {
    const auto ours = installation_text(options_.installation);
    MR_ASSIGN_OR_RETURN(const auto theirs, find_registry_record(log_, installation_key(plan_)));
    MR_ASSIGN_OR_RETURN(const auto known, find_registered(log_, plan_.name));
    if (theirs && *theirs != ours) {
      return invalid_error("pipeline " + plan_.name +
                           " is shared with processes that keep their objects elsewhere; "
                           "objects.folder must be the same folder for all of them");
    }
    if (known) {
      MR_RETURN_IF_ERROR(check_version(*known, plan_));
      if (known->version != plan_.version) {
        return unsupported_error(
            "pipeline " + plan_.name + " runs as version " + std::to_string(known->version) +
            "; on a shared log a running pipeline cannot be switched to version " +
            std::to_string(plan_.version) +
            " yet. Keep the version, or give the pipeline a new name");
      }
    }
    if (known && theirs) return std::optional<log::AppendBatch>();
    return std::optional(registration_batch(registration_of(plan_, {}), services_.clock->wall_now(),
                                            {{installation_key(plan_), ours}}));
  };
  return append_exclusively(log_, setup_id(plan_), perseverance(), decide);
}

// R23. Versions are ordered by when they were published first; the newest is in force everywhere.
Status SharedPipeline::publish_tables() {
  const auto how = perseverance();
  MR_RETURN_IF_ERROR(persevere(how, [this] { return tables_.load(plan_.tables); }));
  for (const auto& file : plan_.tables) {
    MR_ASSIGN_OR_RETURN(const auto unknown, tables_.unpublished(file));
    if (unknown) {
      MR_RETURN_IF_ERROR(append_exclusively(log_, setup_id(plan_), how,
                                            [&]() -> Result<std::optional<log::AppendBatch>> {
                                              MR_RETURN_IF_ERROR(tables_.read_on());
                                              return tables_.unpublished(file);
                                            }));
    }
    const auto content = task::table_content_hash(file.content);
    const auto newest = tables_.newest();
    const bool is_newest = std::any_of(newest.begin(), newest.end(), [&](const auto& known) {
      return known.table == file.name && known.content == content;
    });
    if (is_newest || !options_.on_notice) continue;
    options_.on_notice("table " + file.name + " of pipeline " + plan_.name +
                       ": the file here was published before the version that is in force, which "
                       "is the one used; to go back to its content, change the file by anything");
  }
  return ok_status();
}

void SharedPipeline::join() {
  for (auto& plan : stage_plans(plan_, tables_.provider(true))) {
    SharedStageOptions options;
    options.pipeline = plan_.name;
    options.stage = plan.name;
    options.source_topic = plan.source_topic;
    options.source_partition_count = plan.partition_count;
    options.journal_topic = pipeline::journal_topic(plan_.name, plan.name);
    options.group = pipeline::consumer_group(plan_.name, plan.name);
    options.process = options_.process;
    options.is_static_member = options_.is_static_member;
    options.slots = std::min(options_.slots, plan.partition_count);
    options.outputs = plan.outputs;
    options.checkpoint_interval_ms = options_.checkpoint_interval_ms;
    options.dedup_open_ids_max = options_.dedup_open_ids_max;
    options.has_standby = options_.has_standby;
    options.first_events.emplace_back(version_entry(plan_));
    if (stages_.empty()) {
      for (const auto& table : tables_.newest()) options.first_events.emplace_back(table);
    }
    auto make_task = plan.make_task;
    stages_.push_back(
        {std::move(plan),
         std::make_unique<SharedStage>(log_, services_, std::move(options), std::move(make_task))});
  }
  has_joined_.store(true);
}

}  // namespace millrace::runtime
