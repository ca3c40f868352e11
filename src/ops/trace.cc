#include "ops/trace.h"

#include <nlohmann/json.hpp>

#include "ops/known_tasks.h"
#include "ops/trace_occurrence.h"

namespace millrace::ops {
namespace {

using Json = nlohmann::ordered_json;

std::string place_text(const TopicPartition& at, Offset offset) {
  return at.to_string() + "/" + std::to_string(offset.value);
}

class Tracer {
 public:
  Tracer(const ApiContext& context, const TraceRequest& request, const IsCancelled& is_cancelled,
         JobProgress& progress)
      : context_(context), request_(request), is_cancelled_(is_cancelled), progress_(progress) {}

  Result<Json> run();

 private:
  Status trace_pipeline(const KnownPipeline& pipeline);
  Result<std::vector<FoundRecord>> find(const KnownPipeline& pipeline, task::Explainer& explainer);
  // Where the id that makes `one` a duplicate was filed, as far as it was found.
  static std::string first_of(const OccurrenceTrace& one, const std::vector<OccurrenceTrace>& all);

  const ApiContext& context_;
  const TraceRequest& request_;
  const IsCancelled& is_cancelled_;
  JobProgress& progress_;
  Json occurrences_ = Json::array();
  Json searched_ = Json::array();
  bool has_more_ = false;  // records that were not looked at
};

Result<std::vector<FoundRecord>> Tracer::find(const KnownPipeline& pipeline,
                                              task::Explainer& explainer) {
  const auto& plan = pipeline.plan->source;
  std::vector<FoundRecord> records;
  auto id = request_.event_id;
  if (request_.place) {
    MR_ASSIGN_OR_RETURN(auto record, find_record(*context_.log, *request_.place, request_.offset));
    const FoundRecordView view(record);
    const auto own = explainer.id_of(view.view());
    id = own ? std::string(*own) : std::string();
    records.push_back(std::move(record));
    if (id.empty()) return records;
  }
  MR_ASSIGN_OR_RETURN(auto search, find_event(*context_.log, plan, explainer, id, request_.bounds,
                                              is_cancelled_, progress_));
  has_more_ |= !search.has_reached_start;
  searched_.push_back({{"topic", plan.source_topic},
                       {"records", search.scanned},
                       {"reached_start", search.has_reached_start}});
  // A record asked for by its place may be older than what was looked through.
  for (auto& found : search.found) {
    const bool is_known = !records.empty() && found.at == records.front().at &&
                          found.offset == records.front().offset;
    if (!is_known) records.push_back(std::move(found));
  }
  return records;
}

std::string Tracer::first_of(const OccurrenceTrace& one, const std::vector<OccurrenceTrace>& all) {
  const FoundRecord* first = nullptr;
  for (const auto& other : all) {
    const auto& record = other.record();
    if (!other.is_filed() || record.at != one.record().at) continue;
    if (record.offset >= one.record().offset) continue;
    if (first == nullptr || record.offset > first->offset) first = &record;
  }
  return first == nullptr ? std::string() : place_text(first->at, first->offset);
}

Status Tracer::trace_pipeline(const KnownPipeline& pipeline) {
  task::Explainer explainer(pipeline.plan->source, table_provider(pipeline),
                            tables_in_force(pipeline));
  MR_ASSIGN_OR_RETURN(const auto records, find(pipeline, explainer));
  std::vector<OccurrenceTrace> traces;
  traces.reserve(records.size());
  for (const auto& record : records) {
    traces.emplace_back(context_, pipeline, explainer, record, is_cancelled_);
    MR_RETURN_IF_ERROR(traces.back().run());
  }
  for (const auto& trace : traces) {
    const bool is_wanted = !request_.place || (trace.record().at == *request_.place &&
                                               trace.record().offset == request_.offset);
    if (is_wanted) occurrences_.push_back(trace.json(first_of(trace, traces)));
  }
  return ok_status();
}

Result<Json> Tracer::run() {
  if (request_.event_id.empty() && !request_.place) {
    return invalid_error("name an event: its id, or its place with topic, partition and offset");
  }
  std::string known;
  bool has_any = false;
  MR_ASSIGN_OR_RETURN(const auto pipelines, known_pipelines(context_));
  for (const auto& pipeline : pipelines) {
    const auto& plan = *pipeline.plan;
    known += (known.empty() ? "" : ", ") + plan.name + " reading " + plan.source.source_topic;
    if (!request_.pipeline.empty() && plan.name != request_.pipeline) continue;
    if (request_.place && plan.source.source_topic != request_.place->topic) continue;
    has_any = true;
    auto status = trace_pipeline(pipeline);
    if (!status.is_ok()) return std::move(status).with_context(plan.name);
  }
  if (!has_any) return not_found_error("no such pipeline or source topic; there are: " + known);
  Json hint;
  if (occurrences_.empty()) {
    std::string text = "not found";
    for (const auto& topic : searched_) {
      text += (text == "not found" ? " within the last " : ", the last ") +
              std::to_string(topic["records"].get<std::int64_t>()) + " records of " +
              topic["topic"].get<std::string>();
    }
    hint = text + (has_more_               ? "; widen with --max-scan"
                   : request_.bounds.since ? "; widen with an earlier --since"
                                           : ", which is all that is retained");
  }
  return Json{{"event_id", request_.event_id.empty() ? Json() : Json(request_.event_id)},
              {"found", !occurrences_.empty()},
              {"searched", searched_},
              {"hint", hint},
              {"occurrences", occurrences_}};
}

}  // namespace

Result<Json> trace_event(const ApiContext& context, const TraceRequest& request,
                         const IsCancelled& is_cancelled, JobProgress& progress) {
  return Tracer(context, request, is_cancelled, progress).run();
}

}  // namespace millrace::ops
