#include "sim/kafka_model/sim_process.h"

#include <utility>
#include <vector>

namespace millrace::kafka_model {
namespace {

constexpr std::int64_t kWaitMsMax = INT64_MAX / 10'000'000;  // until it is stopped

lake::LakeOptions lake_options(log::SharedLog& log, const SimProcessOptions& options) {
  lake::LakeOptions lake;
  lake.poll_interval_ms = 500;
  lake.sharing =
      lake::LakeSharing{&log, options.name, options.is_static_member, kWaitMsMax, kWaitMsMax};
  return lake;
}

}  // namespace

SimProcess::SimProcess(Cluster& cluster, objects::ObjectStore& objects, const Clock& clock,
                       std::unique_ptr<pipeline::Pipeline> plan, const SimProcessOptions& options)
    : process_(cluster, options.name),
      log_(process_),
      lake_objects_(process_, objects),
      lake_(log_, lake_objects_, clock, lake_options(log_, options)) {
  runtime::SharedPipelineOptions shared;
  shared.process = options.name;
  shared.is_static_member = options.is_static_member;
  shared.slots = options.slots;
  shared.installation = options.installation;
  shared.checkpoint_interval_ms = options.checkpoint_interval_ms;
  shared.has_standby = options.has_standby;
  shared.dedup_open_ids_max = options.dedup_open_ids_max;
  shared.log_wait_ms_max = kWaitMsMax;
  runtime_ = std::make_unique<runtime::SharedRuntime>(log_, objects, clock, std::move(shared));
  starter_ =
      Thread([this, plan = std::make_shared<std::unique_ptr<pipeline::Pipeline>>(std::move(plan))] {
        std::vector<std::unique_ptr<pipeline::Pipeline>> plans;
        plans.push_back(std::move(*plan));
        auto started = runtime_->start(std::move(plans));
        if (started.is_ok()) started = lake_.start({&runtime_->pipelines().front()->plan()});
        if (!started.is_ok()) refusal_ = started.to_string();
        has_started_.store(true);
      });
}

SimProcess::~SimProcess() {
  runtime_->cancel();
  lake_.cancel();
  for (auto* thread : {&starter_, &drainer_}) {
    if (thread->joinable()) thread->join();
  }
}

runtime::SharedPipeline* SimProcess::pipeline() const {
  return has_started_.load() && !runtime_->pipelines().empty() ? runtime_->pipelines().front().get()
                                                               : nullptr;
}

std::string SimProcess::halted() const {
  return pipeline() == nullptr ? "" : pipeline()->halted().value_or("");
}

bool SimProcess::begin_drain() {
  auto* whole = pipeline();
  if (whole == nullptr || is_draining_.load()) return false;
  if (drainer_.joinable()) drainer_.join();
  is_draining_.store(true);
  has_drained_.store(false);
  drainer_ = Thread([this, whole] {
    has_drained_.store(runtime_->drain(*whole).is_ok() && lake_.flush().is_ok());
    is_draining_.store(false);
  });
  return true;
}

void SimProcess::stop(bool is_orderly, Census& census) {
  if (!is_orderly) process_.kill();
  runtime_->cancel();
  lake_.cancel();
  starter_.join();
  if (drainer_.joinable()) drainer_.join();
  lake_.stop();
  runtime_->stop(is_orderly);
  if (pipeline() == nullptr) return;
  for (const auto& stage : pipeline()->report()) {
    const auto& of = stage.counters;
    census["task recovered"] += of.recovered;
    census["standby: followed"] += of.followers_begun;
    census["standby: handed over"] += of.takeovers_by_standby;
    census["standby: thrown away"] += of.followers_thrown_away;
    census["revoked -> committed"] += of.revoked_committed;
    census["revoked -> aborted"] += of.revoked_aborted;
    census["lost"] += of.lost;
    census["unstable offset waited"] += of.unstable_waits;
    census["journal waited"] += of.journal_waits;
    census["owner fenced by successor"] += of.owners_fenced;
    census["missing offset restored"] += of.offsets_restored;
    census["refused"] += of.refused;
    census["task restarted"] += of.restarts;
    census["transaction committed"] += of.slots.transactions;
    census["known abort -> resent"] += of.slots.aborted;
    census["unknown -> committed"] += of.slots.unknown_committed;
    census["unknown -> aborted -> resent"] += of.slots.unknown_aborted;
    census["unknown -> lost"] += of.slots.unknown_lost;
    census["fenced"] += of.slots.fenced;
    census["outlived generation -> resent"] += of.slots.outlived_generations;
  }
}

bool SimProcess::post(std::int32_t partition, const task::JournalEvent& event) {
  return pipeline() != nullptr && pipeline()->post(partition, event);
}

std::string SimProcess::describe() const {
  std::string out = process_.name() + ":";
  if (pipeline() == nullptr) return out + " not started " + refusal();
  for (const auto& stage : pipeline()->report()) {
    for (const auto& [partition, task] : stage.tasks) {
      out += " " + std::to_string(partition) + "=" + std::to_string(static_cast<int>(task.state)) +
             " (" + task.why + ")";
    }
    for (const auto& slot : stage.slots) {
      out += " [" + std::to_string(static_cast<int>(slot.state)) + " " + slot.last_error + "]";
    }
    out += ";";
  }
  for (const auto& delivery : lake_.report()) {
    out += " lake " + std::to_string(delivery.source.partition) + "=" +
           std::to_string(delivery.delivered_offset.value) + " (" + delivery.last_error + ")";
  }
  return out;
}

}  // namespace millrace::kafka_model
