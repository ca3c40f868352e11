#include "ops/shared_report.h"

#include <nlohmann/json.hpp>
#include <string_view>

namespace millrace::ops {
namespace {

using Json = nlohmann::ordered_json;
using runtime::SharedStage;
using runtime::SlotReport;

std::string_view name_of(SharedStage::TaskState state) {
  switch (state) {
    case SharedStage::TaskState::recovering:
      return "recovering";
    case SharedStage::TaskState::refused:
      return "refused";
    case SharedStage::TaskState::running:
      return "running";
    case SharedStage::TaskState::releasing:
      return "releasing";
    case SharedStage::TaskState::released:
      return "released";
    case SharedStage::TaskState::dropped:
      return "dropped";
  }
  return "unknown";
}

std::string_view name_of(SlotReport::State state) {
  switch (state) {
    case SlotReport::State::starting:
      return "starting";
    case SlotReport::State::ready:
      return "ready";
    case SlotReport::State::resolving:
      return "resolving";
    case SlotReport::State::unreachable:
      return "unreachable";
  }
  return "unknown";
}

}  // namespace

Json ownership_json(const runtime::SharedPipeline::StageReport& stage, const std::string& process) {
  Json all = Json::array();
  for (std::int32_t p = 0; p < stage.partition_count; ++p) {
    Json one = {{"partition", p}, {"process", nullptr}, {"state", "unknown"}};
    if (const auto ours = stage.tasks.find(p); ours != stage.tasks.end()) {
      one["process"] = process;
      one["state"] = name_of(ours->second.state);
      if (!ours->second.why.empty()) one["why"] = ours->second.why;
    } else if (const auto told = stage.elsewhere.find(p); told != stage.elsewhere.end()) {
      one["process"] = told->second.process;
      one["state"] = "elsewhere";
    }
    if (const auto known = stage.followed_by.find(p); known != stage.followed_by.end()) {
      one["followed_by"] = known->second;
    }
    all.push_back(std::move(one));
  }
  return all;
}

Json followers_json(const runtime::SharedPipeline::StageReport& stage) {
  Json all = Json::array();
  for (const auto& [partition, follower] : stage.followers) {
    const auto& at = follower.at;
    Json one = {{"partition", partition},
                {"state", follower.has_state ? "following" : "starting"},
                {"position", nullptr},
                {"committed", nullptr},
                {"lag", nullptr}};
    if (follower.has_state) {
      one["position"] = at.position.value;
      one["committed"] = at.committed.value;
      one["lag"] = at.committed - at.position;
    }
    if (!follower.last_error.empty()) one["last_error"] = follower.last_error;
    all.push_back(std::move(one));
  }
  return all;
}

Json slots_json(const runtime::SharedPipeline::StageReport& stage) {
  Json slots = Json::array();
  for (const auto& slot : stage.slots) {
    slots.push_back({{"state", name_of(slot.state)},
                     {"failed_attempts", slot.attempts},
                     {"last_error", slot.last_error},
                     {"waiting_commits", slot.waiting_commits},
                     {"transactions", slot.counters.transactions}});
  }
  const auto& tasks = stage.counters;
  const auto& all = tasks.slots;
  return {{"slots", slots},
          {"transactions",
           {{"committed", all.transactions},
            {"aborted", all.aborted},
            {"unknown_committed", all.unknown_committed},
            {"unknown_aborted", all.unknown_aborted},
            {"unknown_lost", all.unknown_lost},
            {"fenced", all.fenced},
            {"outlived_generations", all.outlived_generations}}},
          {"ownership_changes",
           {{"recovered", tasks.recovered},
            {"takeovers_by_standby", tasks.takeovers_by_standby},
            {"followers_begun", tasks.followers_begun},
            {"followers_thrown_away", tasks.followers_thrown_away},
            {"released", tasks.revoked_committed},
            {"not_released_in_time", tasks.revoked_aborted},
            {"lost", tasks.lost},
            {"owners_fenced", tasks.owners_fenced},
            {"restarts", tasks.restarts},
            {"refused", tasks.refused}}}};
}

}  // namespace millrace::ops
