#pragma once

#include <memory>

#include "task/plan.h"
#include "task/table.h"
#include "task/task.h"

namespace millrace::task {

// The stage that reads a source topic: decode, schema, rules, time, deduplication, enrichment,
// windows. `plan` and `tables` outlive the task.
std::unique_ptr<Task> make_source_task(const SourcePlan& plan, std::int32_t partition,
                                       TableProvider tables);

// The stage that merges partial results: `partition` is one of the repartition topic.
std::unique_ptr<Task> make_merge_task(const MergePlan& plan, std::int32_t partition);

// What window a merging task's snapshot is of, whatever plan it ran under.
Result<WindowStateReport> read_merge_state(std::string_view snapshot);

}  // namespace millrace::task
