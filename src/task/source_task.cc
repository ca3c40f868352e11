#include "task/source_task.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "base/time_text.h"
#include "codec/json.h"
#include "task/source_task_internal.h"

namespace millrace::task {

std::unique_ptr<Task> make_source_task(const SourcePlan& plan, std::int32_t partition,
                                       TableProvider tables) {
  return std::make_unique<SourceTask>(plan, partition, std::move(tables));
}

SourceTask::SourceTask(const SourcePlan& plan, std::int32_t partition, TableProvider tables)
    : plan_(plan),
      partition_(partition),
      provider_(std::move(tables)),
      source_prefix_(plan.source_topic + "/" + std::to_string(partition) + "/"),
      watermark_(plan.watermark),
      table_versions_(plan.tables.size()),
      decoder_(plan.layout, plan.schema_field_count),
      row_(plan.layout.fields.size()),
      variables_(1),
      table_owners_(plan.tables.size()),
      tables_(plan.tables.size(), &no_table_) {
  MR_CHECK(partition >= 0 && partition < plan.source_partition_count);
  MR_CHECK(plan.event_time_slot < plan.schema_field_count);
  if (plan.dedup) dedup_ = std::make_unique<Dedup>(plan.dedup->ttl_us, plan.dedup->hash_secret);
  for (const auto& window : plan.windows) windows_.emplace_back(window);
}

void SourceTask::start_at(Offset offset) {
  MR_CHECK(counters_.records_in == 0 && next_offset_ <= offset);
  next_offset_ = offset;
}

Status SourceTask::apply(std::string_view batch, WallTime append_time, Outputs& outputs) {
  MR_RETURN_IF_ERROR(reader_.open(batch));
  if (reader_.header().is_control) {
    next_offset_ = std::max(next_offset_, reader_.header().next_offset());
    return ok_status();
  }
  while (const RecordView* record = reader_.next()) {
    if (record->offset < next_offset_) continue;
    next_offset_ = record->offset;
    process(*record, append_time, outputs);
    ++next_offset_;
  }
  MR_RETURN_IF_ERROR(reader_.status());
  next_offset_ = std::max(next_offset_, reader_.header().next_offset());
  return ok_status();
}

void SourceTask::process(const RecordView& record, WallTime time, Outputs& outputs) {
  ++counters_.records_in;
  arena_.reset();
  auto step = decode(record);
  if (step == Step::go_on) step = check_key(record);
  if (step == Step::go_on) step = check_rules();
  if (step == Step::go_on) step = check_time(time);
  if (step == Step::go_on) step = check_duplicate();
  if (step == Step::go_on) step = compute(time);
  switch (step) {
    case Step::refused:
      return write_dead_letter(record, time, outputs);
    case Step::dropped:
      ++counters_.dropped_duplicates;
      return;
    case Step::go_on:
      break;
  }
  ++counters_.passed;
  write_enriched(record, time, outputs);
  add_to_windows(record, time, outputs);
}

SourceTask::Step SourceTask::refuse(ErrorType type, std::string_view stage, std::string message) {
  refusal_ = {type, stage, std::move(message)};
  return Step::refused;
}

SourceTask::Step SourceTask::decode(const RecordView& record) {
  std::fill(row_.begin(), row_.end(), Value());
  if (!record.value) {
    return refuse(ErrorType::schema_invalid, "decode", "the record has no value (a tombstone)");
  }
  const auto text = *record.value;
  auto outcome = decoder_.decode(text, reader_.readable_bytes_from(text.data()), arena_, row_);
  if (!outcome.status.is_ok()) {
    return refuse(ErrorType::schema_invalid, "decode",
                  "unreadable JSON: " + std::string(outcome.status.message()));
  }
  violations_.clear();
  bool is_valid = false;
  if (plan_.schema->is_row_checkable()) {
    is_valid = plan_.schema->check_row(std::span(row_).first(plan_.schema_field_count),
                                       outcome.mismatches, text, arena_, violations_);
  } else {
    auto document = codec::parse_json(text, arena_);
    // The decoder accepts exactly what parse_json accepts.
    MR_CHECK(document.is_ok());
    is_valid = plan_.schema->validate(*document, violations_) && outcome.mismatches == 0;
  }
  if (is_valid) return check_document(text, outcome.unknown_count);
  std::string message;
  for (const auto& violation : violations_) {
    if (!message.empty()) message += "; ";
    message += violation.message;
  }
  if (message.empty()) message = "a field does not fit its type";
  return refuse(ErrorType::schema_invalid, "schema", std::move(message));
}

// The enriched event is the original text with the computed members behind it, so the original must
// not have members of those names. Only events with members the schema does not name come here.
SourceTask::Step SourceTask::check_document(std::string_view text, std::uint64_t unknown_count) {
  if (unknown_count == 0 || plan_.computed.empty()) return Step::go_on;
  auto document = codec::parse_json(text, arena_);
  MR_CHECK(document.is_ok());
  for (const auto& member : document->as_map()) {
    for (const auto& field : plan_.computed) {
      const auto& name = plan_.layout.fields[field.slot].name;
      if (member.key.as_string() != name) continue;
      return refuse(ErrorType::schema_invalid, "schema",
                    "member " + name + " is computed by the pipeline and must not be in the event");
    }
  }
  return Step::go_on;
}

SourceTask::Step SourceTask::check_key(const RecordView& record) {
  if (!plan_.key_slot) return Step::go_on;
  const Value& key = row_[*plan_.key_slot];
  if (record.key && key.kind() == ValueKind::string && *record.key == key.as_string()) {
    return Step::go_on;
  }
  const auto& name = plan_.layout.fields[*plan_.key_slot].name;
  std::string message = "the record's key ";
  message += record.key ? "differs from" : "is null instead of";
  return refuse(ErrorType::schema_invalid, "key",
                message + " field " + name + "; produce with key " + name);
}

SourceTask::Step SourceTask::check_rules() {
  std::string message;
  for (const auto& rule : plan_.rules) {
    const Value holds = rule.program.evaluate(input(), arena_);
    if (holds.kind() == ValueKind::boolean && holds.as_boolean()) continue;
    if (!message.empty()) message += "; ";
    message += rule.message;
    if (holds.is_error()) message += " (" + std::string(holds.as_string()) + ")";
  }
  if (message.empty()) return Step::go_on;
  return refuse(ErrorType::business_rule_violation, "rules", std::move(message));
}

SourceTask::Step SourceTask::check_time(WallTime time) {
  const Value& value = row_[plan_.event_time_slot];
  if (value.kind() != ValueKind::timestamp) {
    return refuse(ErrorType::schema_invalid, "schema",
                  "event time " + plan_.layout.fields[plan_.event_time_slot].name + " is missing");
  }
  event_time_ = EventTime(value.as_micros());
  if (event_time_.value <= time.value * kMicrosPerMilli + plan_.max_ahead_us) return Step::go_on;
  return refuse(ErrorType::future_event, "time",
                "event time " + format_event_time(event_time_) + " is more than " +
                    std::to_string(plan_.max_ahead_us / kMicrosPerSecond) +
                    " s ahead of processing time");
}

SourceTask::Step SourceTask::check_duplicate() {
  if (!plan_.dedup) return Step::go_on;
  const Value id = plan_.dedup->id.evaluate(input(), arena_);
  if (id.kind() != ValueKind::string) {
    return refuse(ErrorType::business_rule_violation, "dedup", "the id is not a string");
  }
  if (dedup_->insert(dedup_->hash_of(id.as_string()), watermark_.current())) return Step::go_on;
  if (!plan_.dedup->is_dead_lettered) return Step::dropped;
  return refuse(ErrorType::duplicate, "dedup",
                "id " + std::string(id.as_string()) + " was seen before");
}

SourceTask::Step SourceTask::compute(WallTime time) {
  variables_[0] = Value::timestamp_micros(time.value * kMicrosPerMilli);
  for (const auto& field : plan_.computed) {
    row_[field.slot] = field.program.evaluate(input(), arena_);
    if (!row_[field.slot].is_error()) continue;
    return refuse(
        ErrorType::business_rule_violation, "enrich",
        plan_.layout.fields[field.slot].name + ": " + std::string(row_[field.slot].as_string()));
  }
  return Step::go_on;
}

expr::EvaluateInput SourceTask::input() const {
  return {row_, tables_, variables_};
}

Cause SourceTask::cause(WallTime time) {
  if (source_offset_ != next_offset_) {
    source_ = source_prefix_;
    source_ += std::to_string(next_offset_.value);
    source_offset_ = next_offset_;
  }
  return {source_, plan_.pipeline, time};
}

void SourceTask::write_enriched(const RecordView& record, WallTime time, Outputs& outputs) {
  if (outputs.is_suppressed() || plan_.enriched_outputs.empty()) return;
  const auto text = *record.value;
  const auto brace = text.rfind('}');
  MR_CHECK(brace != std::string_view::npos);
  value_.assign(text.substr(0, brace));
  bool has_members = value_.find_last_not_of(" \t\r\n") != value_.find('{');
  for (const auto& field : plan_.computed) {
    value_ += has_members ? ",\"" : "\"";
    has_members = true;
    value_ += plan_.layout.fields[field.slot].name;
    value_ += "\":";
    codec::append_json(value_, row_[field.slot]);
  }
  value_ += '}';
  const auto because = cause(time);
  const std::array<codec::HeaderToAppend, 2> headers{
      {{"millrace-source", because.source}, {"millrace-pipeline", because.pipeline}}};
  for (const auto output : plan_.enriched_outputs) {
    // With as many partitions as the source a record stays in its partition, so that order is kept
    // whatever partitioner the producer used.
    const bool is_same_count =
        outputs.topic(output).partition_count == plan_.source_partition_count;
    const auto partition =
        is_same_count ? partition_ : outputs.partition_for(output, record.key, partition_);
    outputs.append(output, partition, {time, record.key, value_, headers});
  }
}

void SourceTask::write_dead_letter(const RecordView& record, WallTime time, Outputs& outputs) {
  ++counters_.dead_letters[static_cast<std::size_t>(refusal_.type)];
  if (outputs.is_suppressed()) return;
  std::string id;
  if (plan_.dedup) {
    const Value value = plan_.dedup->id.evaluate(input(), arena_);
    if (value.kind() == ValueKind::string) id = value.as_string();
  }
  value_.clear();
  append_dead_letter(value_,
                     {refusal_.type, refusal_.message, refusal_.stage, plan_.pipeline, time,
                      plan_.source_topic, partition_, id, plan_.dead_letter_id_name},
                     record);
  const auto because = cause(time);
  const std::array<codec::HeaderToAppend, 3> headers{
      {{"millrace-source", because.source},
       {"millrace-pipeline", because.pipeline},
       {"millrace-error", to_string(refusal_.type)}}};
  const auto output = plan_.dead_letter_output;
  outputs.append(output, outputs.partition_for(output, record.key, partition_),
                 {time, record.key, value_, headers});
}

void SourceTask::add_to_windows(const RecordView& record, WallTime time, Outputs& outputs) {
  const EventPosition position{event_time_, next_offset_, partition_};
  const auto before = watermark_.current();
  for (auto& window : windows_) {
    const auto because = cause(time);
    const auto outcome = window.add(input(), arena_, position, before, because, outputs);
    const std::string stage = outcome.late_panes > 0 || !outcome.error.empty()
                                  ? "window " + window.window().name
                                  : std::string();
    if (!outcome.error.empty()) {
      refuse(ErrorType::business_rule_violation, stage, outcome.error);
      write_dead_letter(record, time, outputs);
    } else if (outcome.late_panes > 0) {
      refuse(ErrorType::late_event, stage,
             "too late for " + std::to_string(outcome.late_panes) + " of window " +
                 window.window().name + ", the first starting at " +
                 format_event_time(EventTime(outcome.first_late_start_us)) + "; the watermark is " +
                 format_event_time(before));
      write_dead_letter(record, time, outputs);
    }
  }
  const bool has_moved = watermark_.observe(event_time_);
  move_watermark(has_moved, cause(time), outputs);
}

void SourceTask::move_watermark(bool has_moved, const Cause& because, Outputs& outputs) {
  for (auto& window : windows_) window.advance(watermark_.current(), because, outputs);
  if (has_moved) send_watermark(because, outputs);
}

// Merging tasks need to know only when a boundary of a pane is crossed (R14).
void SourceTask::send_watermark(const Cause& because, Outputs& outputs) {
  const auto now = watermark_.current().value;
  const auto sent = sent_watermark_.value;
  bool is_crossed = false;
  for (const auto& window : windows_) {
    if (window.window().local) continue;
    const auto every = window.window().every_us;
    const auto floored = now - ((now % every) + every) % every;
    is_crossed |= sent_watermark_ == kNoWatermark || floored > sent;
  }
  if (!is_crossed) return;
  sent_watermark_ = watermark_.current();
  if (outputs.is_suppressed()) return;
  value_.clear();
  encode_upstream_watermark({partition_, sent_watermark_}, value_);
  const std::array<codec::HeaderToAppend, 2> headers{
      {{"millrace-source", because.source}, {"millrace-pipeline", because.pipeline}}};
  for (const auto& window : windows_) {
    if (window.window().local) continue;
    const auto output = window.window().partials_output;
    for (std::int32_t p = 0; p < outputs.topic(output).partition_count; ++p) {
      outputs.append(output, p, {because.time, std::nullopt, value_, headers});
    }
  }
}

Status SourceTask::apply_event(const JournalEvent& event, WallTime wall_time, Outputs& outputs) {
  if (const auto* table = std::get_if<TableVersionEntry>(&event)) {
    return use_table(table->table, table->content);
  }
  const auto* watermark = std::get_if<WatermarkEntry>(&event);
  if (watermark == nullptr) return invalid_error("not an event that a source task applies");
  const bool has_moved = watermark_.advance_to(watermark->watermark);
  move_watermark(has_moved, cause(wall_time), outputs);
  return ok_status();
}

Status SourceTask::use_table(const std::string& table, const Hash128& content) {
  for (std::size_t i = 0; i < plan_.tables.size(); ++i) {
    if (plan_.tables[i] != table) continue;
    auto version = provider_(table, content);
    if (version == nullptr) {
      return not_found_error("the version of table " + table +
                             " that was in force is not published");
    }
    table_versions_[i] = content;
    tables_[i] = version.get();
    table_owners_[i] = std::move(version);
    return ok_status();
  }
  return ok_status();  // of a table that a later pipeline version dropped
}

}  // namespace millrace::task
