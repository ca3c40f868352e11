#include "sim/named_snapshots.h"

#include <algorithm>
#include <array>

#include "pipeline/pipeline.h"
#include "runtime/journal_reader.h"
#include "runtime/snapshot_store.h"

namespace millrace::sim {
namespace {

constexpr std::array<const char*, 3> kNames{"first", "second", "third"};
constexpr const char* kObjects = "/data/objects/";
constexpr const char* kSnapshots = "snapshots/";

// What a disk, a store or the end of the process answers.
bool may_happen(const Status& status) {
  const auto code = status.code();
  return code == StatusCode::io || code == StatusCode::overloaded ||
         code == StatusCode::disconnected || code == StatusCode::cancelled;
}

std::string source_topic(const runtime::NamedSnapshot& snapshot, const std::string& stage) {
  const auto& names = snapshot.pipeline == tick_names().pipeline ? tick_names() : order_names();
  return stage == pipeline::kSourceStage ? names.input
                                         : pipeline::partials_topic(names.pipeline, names.window);
}

}  // namespace

void NamedSnapshots::violation(const Name& name, const std::string& what) {
  world_.violation("snapshot " + name.second + " of " + name.first + " " + what);
}

void NamedSnapshots::ask(Process& process, bool has_damage) {
  const auto& pipelines = process.runtime().pipelines();
  auto& pipeline = *pipelines[world_.random.below(pipelines.size())];
  const Name name{pipeline.plan().name, kNames[world_.random.below(kNames.size())]};
  const auto known = names_.find(name);
  const bool is_there = known != names_.end() && known->second.snapshot;
  const auto choice = world_.random.below(6);
  if (!is_there || choice == 0) {
    create(process, pipeline, name);
  } else if (choice == 1) {
    remove(process, name);
  } else {
    restore(process, pipeline, name, has_damage);
  }
}

void NamedSnapshots::create(Process& process, runtime::PipelineRunner& pipeline, const Name& name) {
  const auto before = names_[name];
  names_[name].is_sure = false;
  auto created = process.runtime().create_snapshot(pipeline, name.second);
  auto& known = names_[name];
  if (created.is_ok()) {
    if (before.is_sure && before.snapshot) violation(name, "was given a second time");
    known = {std::move(created).value(), true};
    return world_.census.count("snapshot.named");
  }
  if (created.status().code() == StatusCode::exists) {
    if (before.is_sure && !before.snapshot) violation(name, "exists, though nobody gave that name");
    known = before;
    return world_.census.count("snapshot.name_taken");
  }
  if (!may_happen(created.status())) violation(name, created.status().to_string());
  if (before.is_sure && before.snapshot) known = before;  // the name is taken, whatever happened
  world_.census.count("snapshot.not_named");
}

void NamedSnapshots::remove(Process& process, const Name& name) {
  const auto before = names_[name];
  names_[name].is_sure = false;
  const auto status = process.runtime().delete_snapshot(name.first, name.second);
  if (status.is_ok()) {
    forget(before);
    names_[name] = {};
    return world_.census.count("snapshot.name_deleted");
  }
  if (status.code() == StatusCode::not_found) {
    if (before.is_sure) violation(name, "is not known any more");
  } else if (!may_happen(status)) {
    violation(name, status.to_string());
  }
  world_.census.count("snapshot.name_not_deleted");
}

void NamedSnapshots::forget(const Known& known) {
  if (!known.snapshot) return;
  for (const auto& part : known.snapshot->parts) {
    const auto bytes = object(part.snapshot.object_key);
    const auto decoded = runtime::decode_snapshot(bytes.value_or(""));
    if (decoded.is_ok()) deleted_runs_.insert(decoded->objects.begin(), decoded->objects.end());
  }
}

bool NamedSnapshots::restore(Process& process, runtime::PipelineRunner& pipeline, const Name& name,
                             bool has_damage) {
  const auto known = names_[name];
  const auto restored = process.runtime().restore_snapshot(pipeline, name.second);
  if (restored.is_ok()) {
    for (std::size_t i = 0; i < restored->size() && known.snapshot; ++i) {
      if ((*restored)[i].range.from == known.snapshot->parts[i].snapshot.next_offset) continue;
      violation(name, "was not what was restored");
    }
    world_.census.count("snapshot.restored");
    return true;
  }
  const auto& status = restored.status();
  const bool is_of_other_version =
      known.snapshot && known.snapshot->version != pipeline.plan().version;
  if (is_of_other_version && status.code() == StatusCode::invalid) {
    world_.census.count("snapshot.of_other_version");
    return true;
  }
  world_.census.count("snapshot.not_restored");
  if (may_happen(status) || (has_damage && status.code() == StatusCode::corrupt)) return false;
  if (known.is_sure || status.code() != StatusCode::not_found) violation(name, status.to_string());
  return false;
}

void NamedSnapshots::check_started(Process& process, bool has_damage) {
  std::set<Name> listed;
  for (const auto& snapshot : process.runtime().catalog().list()) {
    const Name name{snapshot.pipeline, snapshot.name};
    listed.insert(name);
    auto& known = names_[name];
    if (known.is_sure && !known.snapshot) violation(name, "is back after its deletion");
    if (known.is_sure && known.snapshot &&
        encode_named_snapshot(*known.snapshot) != encode_named_snapshot(snapshot)) {
      violation(name, "is another one after a restart");
    }
    known = {snapshot, true};
    check_one(process, snapshot, has_damage);
    world_.census.count("snapshot.name_survived");
  }
  for (auto& [name, known] : names_) {
    if (listed.contains(name)) continue;
    if (known.is_sure && known.snapshot) violation(name, "is gone after a restart");
    known = {};
  }
}

// All that a restore needs: objects, the journals since, the input since.
void NamedSnapshots::check_one(Process& process, const runtime::NamedSnapshot& snapshot,
                               bool has_damage) {
  const Name name{snapshot.pipeline, snapshot.name};
  for (const auto& part : snapshot.parts) {
    const auto& entry = part.snapshot;
    const auto bytes = object(entry.object_key);
    if (!bytes) {
      violation(name, "lacks object " + entry.object_key);
      continue;
    }
    const TopicPartition source{source_topic(snapshot, part.stage), part.partition};
    const auto input = process.log().offsets(source);
    if (!input.is_ok() || input->start > entry.next_offset) {
      violation(name, "lacks input of " + source.to_string());
    }
    const TopicPartition journal{pipeline::journal_topic(snapshot.pipeline, part.stage),
                                 part.partition};
    const auto entries = process.log().offsets(journal);
    if (!entries.is_ok() ||
        entries->start > Offset(static_cast<std::int64_t>(entry.journal_sequence))) {
      violation(name, "lacks entries of " + journal.to_string());
    }
    if (has_damage) continue;
    const auto decoded = runtime::decode_snapshot(*bytes);
    if (runtime::snapshot_content_hash(*bytes) != entry.content || !decoded.is_ok()) {
      violation(name, "has another object " + entry.object_key);
      continue;
    }
    for (const auto& key : decoded->objects) {
      if (!object(key)) violation(name, "lacks object " + key);
    }
  }
}

void NamedSnapshots::restore_all(Process& process) {
  for (const auto& pipeline : process.runtime().pipelines()) {
    for (const auto& [name, known] : names_) {
      if (name.first != pipeline->plan().name || !known.snapshot) continue;
      if (!restore(process, *pipeline, name, false)) {
        violation(name, "cannot be restored without any fault");
      }
    }
  }
}

void NamedSnapshots::delete_some(Process& process) {
  for (const auto& [name, known] : names_) {
    if (known.snapshot && world_.random.one_in(2)) remove(process, name);
  }
}

void NamedSnapshots::check_retired(Process& process) {
  constexpr std::size_t kSnapshotsKept = 2;
  std::set<std::string> named;
  for (const auto& [name, known] : names_) {
    if (!known.snapshot) continue;
    for (const auto& part : known.snapshot->parts) named.insert(part.snapshot.object_key);
  }
  for (const auto& pipeline : process.runtime().pipelines()) {
    for (const auto& stage : pipeline->stages()) {
      for (const auto& task : stage.tasks) {
        const auto& at = task->options().journal;
        const auto journal = runtime::read_journal(process.log(), at);
        if (!journal.is_ok()) return world_.violation(journal.status().to_string());
        const auto kept = std::ranges::count_if(journal->snapshots, [&](const auto& entry) {
          return !named.contains(entry.object_key);
        });
        if (static_cast<std::size_t>(kept) <= kSnapshotsKept) continue;
        world_.violation(std::to_string(kept) + " snapshots without a name are not retired in " +
                         at.to_string());
      }
    }
  }
}

void NamedSnapshots::check_garbage(Process& process) {
  std::set<std::string> kept;
  std::set<std::string> existing = snapshot_keys();
  for (const auto& pipeline : process.runtime().pipelines()) {
    for (const auto& stage : pipeline->stages()) {
      for (const auto& task : stage.tasks) {
        const auto& options = task->options();
        const auto journal = runtime::read_journal(process.log(), options.journal);
        if (!journal.is_ok()) return world_.violation(journal.status().to_string());
        for (const auto& entry : journal->snapshots) {
          kept.insert(entry.object_key);
          const auto bytes = object(entry.object_key);
          if (!bytes) {
            world_.violation("a kept snapshot has no object " + entry.object_key);
            continue;
          }
          const auto decoded = runtime::decode_snapshot(*bytes);
          if (decoded.is_ok()) kept.insert(decoded->objects.begin(), decoded->objects.end());
        }
        // Left over, and may be made again.
        const auto prefix =
            runtime::task_prefix(options.pipeline, options.stage, options.source.partition);
        const auto newest =
            journal->snapshots.empty() ? 0 : journal->snapshots.back().journal_sequence;
        std::erase_if(existing, [&](const auto& key) {
          const auto made_at = runtime::snapshot_journal_sequence(key);
          return key.starts_with(prefix) && made_at && *made_at > newest;
        });
      }
    }
  }
  for (const auto& key : existing) {
    // A run of ids that no snapshot names may be one that the task has just made of others.
    const bool is_run = key.find("/runs/") != std::string::npos;
    if (kept.contains(key) || (is_run && !deleted_runs_.contains(key))) continue;
    world_.violation("nobody needs object " + key);
  }
  world_.census.count("snapshot.garbage_checked");
}

std::optional<std::string> NamedSnapshots::object(const std::string& key) const {
  if (world_.profile.has_directory_store) {
    const auto path = kObjects + key;
    const auto paths = world_.platter.all_paths();
    if (std::find(paths.begin(), paths.end(), path) == paths.end()) return std::nullopt;
    return std::string(world_.platter.content(path));
  }
  const auto known = world_.objects.objects.find(key);
  if (known == world_.objects.objects.end()) return std::nullopt;
  return known->second;
}

std::set<std::string> NamedSnapshots::snapshot_keys() const {
  std::set<std::string> keys;
  if (world_.profile.has_directory_store) {
    const auto prefix = std::string(kObjects) + kSnapshots;
    for (const auto& path : world_.platter.all_paths()) {
      if (path.starts_with(prefix)) keys.insert(path.substr(std::string(kObjects).size()));
    }
    return keys;
  }
  for (const auto& [key, bytes] : world_.objects.objects) {
    if (key.starts_with(kSnapshots)) keys.insert(key);
  }
  return keys;
}

}  // namespace millrace::sim
