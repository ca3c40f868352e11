#include "runtime/pipeline_upgrade.h"

#include <algorithm>

#include "task/window.h"

namespace millrace::runtime {
namespace {

std::string counted(std::uint64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

// The window of that name as a stage of the plan has it; null when the stage has none.
const task::Window* find_window(const pipeline::Pipeline& plan, const std::string& stage,
                                const std::string& name) {
  if (stage == pipeline::kSourceStage) {
    for (const auto& window : plan.source.windows) {
      if (window.name == name) return &window;
    }
    return nullptr;
  }
  for (const auto& merge : plan.merges) {
    if (merge.window.name == name && stage == name) return &merge.window;
  }
  return nullptr;
}

}  // namespace

void Takeover::add(const std::string& stage, const task::StateLostEntry& what) {
  for (auto& known : lost) {
    if (known.stage != stage || known.what.window != what.window) continue;
    known.what.open_panes += what.open_panes;
    known.what.open_keys += what.open_keys;
    known.what.ids += what.ids;
    known.what.records += what.records;
    return;
  }
  lost.push_back({stage, what});
}

void Takeover::add_begun(const std::string& window) {
  if (std::find(begun.begin(), begun.end(), window) == begun.end()) begun.push_back(window);
}

std::string in_words(const LostState& lost) {
  const auto& what = lost.what;
  if (what.window.empty()) return "deduplication: " + counted(what.ids, "id");
  std::string text = "window " + what.window + " (stage " + lost.stage +
                     "): " + counted(what.open_panes, "open pane") + " with " +
                     counted(what.open_keys, "key");
  if (what.records > 0) text += ", " + counted(what.records, "record") + " on the way to it";
  return text;
}

std::string in_words(const std::vector<LostState>& lost) {
  std::string text;
  for (const auto& one : lost) text += "\n  " + in_words(one);
  return text;
}

std::string refusal_of(const pipeline::Pipeline& plan, const Takeover& takeover) {
  const auto before = std::to_string(takeover.from_version);
  const auto flag = plan.name + "@" + std::to_string(plan.version);
  return "pipeline " + plan.name + " version " + std::to_string(plan.version) +
         " cannot take over all the state of version " + before +
         ". What would be lost:" + in_words(takeover.lost) +
         "\nKeep these definitions as version " + before + " has them; or start version " + before +
         " once more, `millrace drain`, so that every open window has left a result, and stop it; "
         "what is lost then is accepted with --accept-state-loss " +
         flag;
}

std::string begun_in_words(const std::vector<std::string>& begun) {
  if (begun.empty()) return "";
  std::string names;
  for (const auto& name : begun) names += (names.empty() ? "" : ", ") + name;
  return (begun.size() == 1 ? "window " + names + " begins" : "windows " + names + " begin") +
         " with nothing: the first results are of panes that start after the newest event so far";
}

Takeover foresee(const pipeline::Pipeline& plan, std::int32_t from_version,
                 const std::vector<StageState>& stages) {
  Takeover takeover;
  takeover.from_version = from_version;
  std::vector<std::string> kept;
  for (const auto& stage : stages) {
    for (const auto& state : stage.windows) {
      const auto* window = find_window(plan, stage.stage, state.window);
      if (window != nullptr && task::definition_hash(*window) == state.definition) {
        kept.push_back(state.window);
      } else if (state.open_panes > 0) {
        takeover.add(stage.stage, {state.window, state.open_panes, state.open_keys, 0, 0});
      }
    }
    const auto& dedup = plan.source.dedup;
    const bool is_same =
        dedup && stage.dedup_definition && task::definition_hash(*dedup) == *stage.dedup_definition;
    if (stage.dedup_definition && !is_same && stage.live_ids > 0) {
      takeover.add(stage.stage, {"", 0, 0, stage.live_ids, 0});
    }
  }
  for (const auto& window : plan.source.windows) {
    if (std::find(kept.begin(), kept.end(), window.name) == kept.end()) {
      takeover.add_begun(window.name);
    }
  }
  return takeover;
}

}  // namespace millrace::runtime
