#include "task/explain.h"

#include <algorithm>

#include "codec/json.h"
#include "codec/record_batch.h"
#include "task/window.h"

namespace millrace::task {
namespace {

// Of a table without a version in force.
class EmptyTable final : public expr::LookupTable {
 public:
  [[nodiscard]] Value find(const Value&) const override { return Value::null(); }
};
const EmptyTable kEmptyTable;

std::string json_of(const Value& value) {
  if (value.is_error()) return std::string(value.as_string());
  std::string text;
  codec::append_json(text, value);
  return text;
}

std::vector<OutputTopic> uncompressed(std::vector<OutputTopic> outputs) {
  for (auto& output : outputs) output.compression = codec::Compression::none;
  return outputs;
}

std::string batch_of(const RecordView& record) {
  codec::RecordBatchBuilder builder;
  std::vector<codec::HeaderToAppend> headers;
  headers.reserve(record.headers.size());
  for (const auto& header : record.headers) headers.push_back({header.key, header.value});
  builder.append(record.timestamp, record.key, record.value, headers);
  std::string bytes;
  builder.finish(bytes);
  codec::set_base_offset(bytes, 0, record.offset);
  return bytes;
}

}  // namespace

Explainer::Explainer(const SourcePlan& plan, TableProvider tables,
                     std::vector<TableVersionEntry> in_force)
    : plan_(plan),
      provider_(std::move(tables)),
      in_force_(std::move(in_force)),
      decoder_(plan.layout, plan.schema_field_count),
      row_(plan.layout.fields.size()),
      variables_(1),
      table_owners_(plan.tables.size()),
      tables_(plan.tables.size(), &kEmptyTable) {
  for (std::size_t i = 0; i < plan.tables.size(); ++i) {
    for (const auto& version : in_force_) {
      if (version.table != plan.tables[i]) continue;
      table_owners_[i] = provider_(version.table, version.content);
      if (table_owners_[i] != nullptr) tables_[i] = table_owners_[i].get();
    }
  }
}

Explainer::~Explainer() = default;

bool Explainer::decode(const RecordView& record) {
  arena_.reset();
  std::fill(row_.begin(), row_.end(), Value());
  if (!record.value) return false;
  return decoder_.decode(*record.value, record.value->size(), arena_, row_).status.is_ok();
}

std::optional<std::string_view> Explainer::id_of(const RecordView& record) {
  if (!plan_.dedup || !decode(record)) return std::nullopt;
  const Value id = plan_.dedup->id.evaluate(input(), arena_);
  if (id.kind() != ValueKind::string) return std::nullopt;
  return id.as_string();
}

Result<Explanation> Explainer::explain(const RecordView& record, std::int32_t partition,
                                       WallTime append_time) {
  Explanation out;
  MR_RETURN_IF_ERROR(run(record, partition, append_time, out));
  if (!decode(record)) return out;
  variables_[0] = Value::timestamp_micros(append_time.value * kMicrosPerMilli);
  const Value& time = row_[plan_.event_time_slot];
  if (time.kind() == ValueKind::timestamp) out.event_time = EventTime(time.as_micros());
  if (plan_.dedup) {
    const Value id = plan_.dedup->id.evaluate(input(), arena_);
    if (id.kind() == ValueKind::string) out.id = std::string(id.as_string());
  }
  explain_rules(out);
  if (out.refusal) return out;
  explain_fields(append_time, out);
  explain_windows(out);
  out.row = row_;
  return out;
}

// A task that has seen nothing yet: to it no id is a duplicate and no event late.
Status Explainer::run(const RecordView& record, std::int32_t partition, WallTime append_time,
                      Explanation& out) {
  Outputs outputs(uncompressed(plan_.outputs));
  const auto task = make_source_task(plan_, partition, provider_);
  for (const auto& version : in_force_) {
    MR_RETURN_IF_ERROR(task->apply_event(version, append_time, outputs));
  }
  task->start_at(record.offset);
  const auto batch = batch_of(record);
  MR_RETURN_IF_ERROR(task->apply(batch, append_time, outputs));
  codec::BatchReader reader;
  for (const auto& made : outputs.take()) {
    const bool is_letter = made.output == plan_.dead_letter_output;
    const bool is_row = std::find(plan_.enriched_outputs.begin(), plan_.enriched_outputs.end(),
                                  made.output) != plan_.enriched_outputs.end();
    if (!is_letter && !is_row) continue;
    MR_RETURN_IF_ERROR(reader.open(made.bytes));
    while (const RecordView* output = reader.next()) {
      if (is_row) out.enriched = *output->value;
      if (is_letter) read_letter(*output->value, out);
    }
    MR_RETURN_IF_ERROR(reader.status());
  }
  return ok_status();
}

void Explainer::read_letter(std::string_view json, Explanation& out) {
  arena_.reset();
  const auto letter = codec::parse_json(json, arena_);
  if (!letter.is_ok() || letter->kind() != ValueKind::map) return;
  Explanation::Refusal refusal;
  for (const auto& [name, value] : letter->as_map()) {
    if (value.kind() != ValueKind::string) continue;
    if (name.as_string() == "error_type") refusal.error_type = value.as_string();
    if (name.as_string() == "stage") refusal.stage = value.as_string();
    if (name.as_string() == "error_message") refusal.message = value.as_string();
  }
  // A window's letter stands beside the row.
  if (!refusal.stage.starts_with("window ")) out.refusal = std::move(refusal);
}

void Explainer::explain_rules(Explanation& out) {
  for (const auto& rule : plan_.rules) {
    const Value value = rule.program.evaluate(input(), arena_);
    const bool holds = value.kind() == ValueKind::boolean && value.as_boolean();
    out.rules.push_back({rule.name, rule.program.text(), holds, json_of(value)});
  }
}

void Explainer::explain_fields(WallTime append_time, Explanation& out) {
  variables_[0] = Value::timestamp_micros(append_time.value * kMicrosPerMilli);
  for (const auto& field : plan_.computed) {
    row_[field.slot] = field.program.evaluate(input(), arena_);
    out.computed.push_back({plan_.layout.fields[field.slot].name, json_of(row_[field.slot])});
  }
}

void Explainer::explain_windows(Explanation& out) {
  for (const auto& window : plan_.windows) {
    ExplainedWindow explained;
    explained.window = &window;
    if (window.key) {
      const Value key = window.key->evaluate(input(), arena_);
      if (key.kind() == ValueKind::string) {
        explained.key = key.as_string();
      } else {
        explained.error = "the key is not a string: " + json_of(key);
      }
    }
    if (explained.error.empty() && out.event_time) {
      const auto starts = PaneSet(window, true).starts_for(*out.event_time);
      for (auto start = starts.first_us; start <= starts.last_us; start += window.every_us) {
        if (explained.pane_starts_us.size() == ExplainedWindow::kPanesMax) break;
        explained.pane_starts_us.push_back(start);
      }
    }
    out.windows.push_back(std::move(explained));
  }
}

}  // namespace millrace::task
