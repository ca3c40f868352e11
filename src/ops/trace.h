#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "base/status.h"
#include "ops/api.h"
#include "ops/audit_scan.h"
#include "ops/job_progress.h"
#include "ops/trace_search.h"

namespace millrace::ops {

struct TraceRequest {
  std::string event_id;                 // of all records with it; or
  std::optional<TopicPartition> place;  // the record at `offset`
  Offset offset;
  std::string pipeline;  // empty: all
  SearchBounds bounds;
};

// What each stage did with an event, wherever it occurs: the steps up to enrich with rules and
// computed fields (task/explain.h), and what is stored because of it: rows, dead letters, partial
// results, revisions, files, features. Shape in docs/http_api.md. `invalid` for a request without
// an event, `not_found` for an unknown pipeline or place; an id that is not found is an answer.
Result<nlohmann::ordered_json> trace_event(const ApiContext& context, const TraceRequest& request,
                                           const IsCancelled& is_cancelled, JobProgress& progress);

}  // namespace millrace::ops
