#include "base/check.h"
#include "runtime/pipeline_runner.h"

// Named snapshots of a whole pipeline.

namespace millrace::runtime {
namespace {

Result<task::SnapshotEntry> find_part(const NamedSnapshot& snapshot, const RunnerOptions& task) {
  for (const auto& part : snapshot.parts) {
    if (part.stage == task.stage && part.partition == task.source.partition) return part.snapshot;
  }
  return invalid_error("snapshot " + snapshot.name + " has nothing of " + task.stage +
                       " partition " + std::to_string(task.source.partition) +
                       "; it is of version " + std::to_string(snapshot.version) +
                       " of the pipeline");
}

}  // namespace

Result<NamedSnapshot> PipelineRunner::create_snapshot(const std::string& name,
                                                      const std::function<bool()>& is_cancelled) {
  MR_CHECK(services_.catalog != nullptr);
  NamedSnapshot snapshot;
  snapshot.pipeline = plan_.name;
  snapshot.name = name;
  snapshot.version = plan_.version;
  snapshot.file = plan_.file;
  snapshot.created = services_.clock->wall_now();
  if (!is_snapshot_name(name) || services_.catalog->find(plan_.name, name).is_ok()) {
    return services_.catalog->add(snapshot);  // says what is wrong with the name
  }
  std::vector<std::shared_ptr<Answer<TakenSnapshot>>> answers;
  for (auto* runner : runners()) answers.push_back(runner->request_snapshot());
  std::vector<TakenSnapshot> taken;  // holds them until the catalogue does
  for (auto& answer : answers) {
    MR_ASSIGN_OR_RETURN(auto one, answer->wait(is_cancelled));
    taken.push_back(std::move(one));
  }
  const auto all = runners();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& options = all[i]->options();
    snapshot.parts.push_back({options.stage, options.source.partition, taken[i].entry});
  }
  MR_RETURN_IF_ERROR(services_.catalog->add(snapshot));
  return snapshot;
}

Result<std::vector<PipelineRunner::RestoredTask>> PipelineRunner::restore_snapshot(
    const std::string& name, const std::function<bool()>& is_cancelled) {
  MR_CHECK(services_.catalog != nullptr);
  MR_ASSIGN_OR_RETURN(const auto snapshot, services_.catalog->find(plan_.name, name));
  // What the tasks read since would be replayed with operators that did not read it.
  if (snapshot.file != plan_.file) {
    return invalid_error("snapshot " + name + " is of version " + std::to_string(snapshot.version) +
                         " of the pipeline, version " + std::to_string(plan_.version) +
                         " is in force; only a snapshot of that can be gone back to");
  }
  const auto all = runners();
  std::vector<task::SnapshotEntry> entries;
  for (const auto* runner : all) {
    MR_ASSIGN_OR_RETURN(auto entry, find_part(snapshot, runner->options()));
    entries.push_back(std::move(entry));
  }
  std::vector<std::shared_ptr<Answer<RestoredRange>>> answers;
  for (std::size_t i = 0; i < all.size(); ++i) {
    answers.push_back(all[i]->request_restore(std::move(entries[i])));
  }
  std::vector<RestoredTask> restored;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& options = all[i]->options();
    auto range = answers[i]->wait(is_cancelled);
    if (!range.is_ok()) {
      return std::move(range).take_status().with_context(options.stage + " partition " +
                                                         std::to_string(options.source.partition));
    }
    restored.push_back({options.stage, options.source.partition, *range});
  }
  return restored;
}

Status PipelineRunner::delete_snapshot(const std::string& name) {
  MR_CHECK(services_.catalog != nullptr);
  MR_RETURN_IF_ERROR(services_.catalog->remove(plan_.name, name));
  for (auto* runner : runners()) runner->request_retirement();
  return ok_status();
}

}  // namespace millrace::runtime
