#include "task/source_task.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "base/check.h"
#include "base/json_text.h"
#include "base/time_text.h"
#include "codec/json.h"
#include "task/source_task_internal.h"

namespace millrace::task {
namespace {

// A letter's message shows no further faults beyond this.
constexpr std::size_t kViolationBytesShown = 16 << 10;
// A chunk's rows and values should stay in the first level of the cache.
constexpr std::size_t kChunkRecords = 32;
constexpr std::size_t kChunkBytes = 64 << 10;  // of values; large records go one by one

std::span<const HeaderView> copied(std::span<const HeaderView> headers, Arena& arena) {
  if (headers.empty()) return {};
  const auto copy = arena.array<HeaderView>(headers.size());
  std::copy(headers.begin(), headers.end(), copy.begin());
  return copy;
}

}  // namespace

std::unique_ptr<Task> make_source_task(const SourcePlan& plan, std::int32_t partition,
                                       TableProvider tables) {
  return std::make_unique<SourceTask>(plan, partition, std::move(tables));
}

SourceTask::SourceTask(const SourcePlan& plan, std::int32_t partition, TableProvider tables)
    : plan_(plan),
      partition_(partition),
      provider_(std::move(tables)),
      watermark_(plan.watermark),
      table_versions_(plan.tables.size()),
      decoder_(plan.layout, plan.schema_field_count),
      events_(kChunkRecords),
      rows_(kChunkRecords * plan.layout.fields.size()),
      variables_(1),
      table_owners_(plan.tables.size()),
      tables_(plan.tables.size(), &no_table_),
      causes_(plan.source_topic, partition, plan.pipeline) {
  MR_CHECK(partition >= 0 && partition < plan.source_partition_count);
  MR_CHECK(plan.event_time_slot < plan.schema_field_count);
  if (plan.dedup) dedup_ = std::make_unique<Dedup>(plan.dedup->ttl_us, plan.dedup->hash_secret);
  for (const auto& window : plan.windows) windows_.emplace_back(window, plan.version);
  for (const auto& field : plan.computed) {
    auto& name = member_names_.emplace_back(",");
    append_json_string(name, plan.layout.fields[field.slot].name);
    name += ':';
  }
  const auto field_count = plan.layout.fields.size();
  for (std::size_t i = 0; i < kChunkRecords; ++i) {
    events_[i].row = std::span(rows_).subspan(i * field_count, field_count);
    events_[i].input = {events_[i].row, tables_, variables_};
  }
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
  bool is_at_end = false;
  while (!is_at_end) {
    arena_.reset();
    std::size_t event_count = 0;
    std::size_t chunk_bytes = 0;
    while (event_count < kChunkRecords && chunk_bytes < kChunkBytes) {
      const RecordView* record = reader_.next();
      is_at_end = record == nullptr;
      if (is_at_end) break;
      if (record->offset < next_offset_) continue;
      chunk_bytes += record->value.value_or("").size();
      prepare(events_[event_count++], *record, append_time);
    }
    for (auto& event : std::span(events_).first(event_count)) {
      next_offset_ = event.record.offset;
      MR_RETURN_IF_ERROR(process(event, append_time, outputs));
      ++next_offset_;
    }
  }
  MR_RETURN_IF_ERROR(reader_.status());
  next_offset_ = std::max(next_offset_, reader_.header().next_offset());
  return ok_status();
}

void SourceTask::prepare(Event& event, const RecordView& record, WallTime time) {
  event.record = record;
  event.record.headers = copied(record.headers, arena_);
  event.step = decode(event);
  if (event.step == Step::go_on) event.step = check_key(event);
  if (event.step == Step::go_on) event.step = check_rules(event);
  if (event.step == Step::go_on) event.step = check_time(event, time);
  if (event.step == Step::go_on) event.step = find_id(event);
}

Status SourceTask::process(Event& event, WallTime time, Outputs& outputs) {
  ++counters_.records_in;
  auto step = event.step;
  if (step == Step::go_on) step = check_duplicate(event);
  if (step == Step::go_on) step = compute(event, time);
  switch (step) {
    case Step::refused:
      write_dead_letter(event, time, outputs);
      return ok_status();
    case Step::dropped:
      ++counters_.dropped_duplicates;
      return ok_status();
    case Step::failed:
      return std::move(failure_);
    case Step::go_on:
      break;
  }
  ++counters_.passed;
  write_enriched(event, time, outputs);
  add_to_windows(event, time, outputs);
  return ok_status();
}

SourceTask::Step SourceTask::refuse(Event& event, ErrorType type, std::string_view stage,
                                    std::string message) {
  event.refusal.type = type;
  event.refusal.stage = stage;
  event.refusal.message = std::move(message);
  return Step::refused;
}

SourceTask::Step SourceTask::decode(Event& event) {
  const auto& record = event.record;
  // The decoder sets the slots in front of these.
  const auto first = record.value ? plan_.schema_field_count : 0;
  std::fill(event.row.begin() + static_cast<std::ptrdiff_t>(first), event.row.end(), Value());
  if (!record.value) {
    return refuse(event, ErrorType::schema_invalid, "decode",
                  "the record has no value (a tombstone)");
  }
  const auto text = *record.value;
  auto outcome = decoder_.decode(text, reader_.readable_bytes_from(text.data()), arena_, event.row);
  if (!outcome.status.is_ok()) {
    return refuse(event, ErrorType::schema_invalid, "decode",
                  "unreadable JSON: " + std::string(outcome.status.message()));
  }
  violations_.clear();
  bool is_valid = false;
  if (plan_.schema->is_row_checkable()) {
    is_valid = plan_.schema->check_row(event.row.first(plan_.schema_field_count),
                                       outcome.mismatches, text, arena_, violations_);
  } else {
    auto document = codec::parse_json(text, arena_);
    // The decoder accepts exactly what parse_json accepts.
    MR_CHECK(document.is_ok());
    is_valid = plan_.schema->validate(*document, violations_) && outcome.mismatches == 0;
  }
  if (is_valid) return check_document(event, outcome.unknown_count);
  return refuse(event, ErrorType::schema_invalid, "schema", message_of_violations());
}

std::string SourceTask::message_of_violations() const {
  std::string message;
  std::size_t shown = 0;
  for (const auto& violation : violations_) {
    if (message.size() >= kViolationBytesShown) break;
    if (!message.empty()) message += "; ";
    message += violation.message;
    ++shown;
  }
  if (message.empty()) return "a field does not fit its type";
  if (shown < violations_.size()) {
    message += "; and " + std::to_string(violations_.size() - shown) + " more";
  }
  return message;
}

// The enriched event is the original text with the computed members behind it, so the original must
// not have members of those names. Only events with members the schema does not name come here.
SourceTask::Step SourceTask::check_document(Event& event, std::uint64_t unknown_count) {
  if (unknown_count == 0 || plan_.computed.empty()) return Step::go_on;
  auto document = codec::parse_json(*event.record.value, arena_);
  MR_CHECK(document.is_ok());
  for (const auto& member : document->as_map()) {
    for (const auto& field : plan_.computed) {
      const auto& name = plan_.layout.fields[field.slot].name;
      if (member.key.as_string() != name) continue;
      return refuse(event, ErrorType::schema_invalid, "schema",
                    "member " + name + " is computed by the pipeline and must not be in the event");
    }
  }
  return Step::go_on;
}

SourceTask::Step SourceTask::check_key(Event& event) {
  if (!plan_.key_slot) return Step::go_on;
  const auto& record = event.record;
  const Value& key = event.row[*plan_.key_slot];
  if (record.key && key.kind() == ValueKind::string && *record.key == key.as_string()) {
    return Step::go_on;
  }
  const auto& name = plan_.layout.fields[*plan_.key_slot].name;
  std::string message = "the record's key ";
  message += record.key ? "differs from" : "is null instead of";
  return refuse(event, ErrorType::schema_invalid, "key",
                message + " field " + name + "; produce with key " + name);
}

SourceTask::Step SourceTask::check_rules(Event& event) {
  std::string message;
  for (const auto& rule : plan_.rules) {
    const Value holds = rule.program.evaluate(event.input, arena_);
    if (holds.kind() == ValueKind::boolean && holds.as_boolean()) continue;
    if (!message.empty()) message += "; ";
    message += rule.message;
    if (holds.is_error()) message += " (" + std::string(holds.as_string()) + ")";
  }
  if (message.empty()) return Step::go_on;
  return refuse(event, ErrorType::business_rule_violation, "rules", std::move(message));
}

SourceTask::Step SourceTask::check_time(Event& event, WallTime time) {
  const Value& value = event.row[plan_.event_time_slot];
  if (value.kind() != ValueKind::timestamp) {
    return refuse(event, ErrorType::schema_invalid, "schema",
                  "event time " + plan_.layout.fields[plan_.event_time_slot].name + " is missing");
  }
  event.event_time = EventTime(value.as_micros());
  if (event.event_time.value <= time.value * kMicrosPerMilli + plan_.max_ahead_us)
    return Step::go_on;
  return refuse(event, ErrorType::future_event, "time",
                "event time " + format_event_time(event.event_time) + " is more than " +
                    std::to_string(plan_.max_ahead_us / kMicrosPerSecond) +
                    " s ahead of processing time");
}

SourceTask::Step SourceTask::find_id(Event& event) {
  if (!plan_.dedup) return Step::go_on;
  const Value id = plan_.dedup->id.evaluate(event.input, arena_);
  if (id.kind() != ValueKind::string) {
    return refuse(event, ErrorType::business_rule_violation, "dedup", "the id is not a string");
  }
  event.id = id.as_string();
  event.id_hash = dedup_->hash_of(event.id);
  dedup_->prefetch(event.id_hash);
  return Step::go_on;
}

SourceTask::Step SourceTask::check_duplicate(Event& event) {
  if (!plan_.dedup) return Step::go_on;
  auto is_new = dedup_->insert(event.id_hash, watermark_.current());
  if (!is_new.is_ok()) {
    failure_ = std::move(is_new).take_status().with_context("deduplication");
    return Step::failed;
  }
  if (*is_new) return Step::go_on;
  if (!plan_.dedup->is_dead_lettered) return Step::dropped;
  return refuse(event, ErrorType::duplicate, "dedup",
                "id " + std::string(event.id) + " was seen before");
}

SourceTask::Step SourceTask::compute(Event& event, WallTime time) {
  variables_[0] = Value::timestamp_micros(time.value * kMicrosPerMilli);
  for (const auto& field : plan_.computed) {
    Value& slot = event.row[field.slot];
    // In place: assigning a value just made costs a failed store forwarding.
    ::new (&slot) Value(field.program.evaluate(event.input, arena_));
    if (!slot.is_error()) continue;
    return refuse(event, ErrorType::business_rule_violation, "enrich",
                  plan_.layout.fields[field.slot].name + ": " + std::string(slot.as_string()));
  }
  return Step::go_on;
}

void SourceTask::write_enriched(const Event& event, WallTime time, Outputs& outputs) {
  if (outputs.is_suppressed() || plan_.enriched_outputs.empty()) return;
  const auto& record = event.record;
  const auto brace = record.value->rfind('}');
  MR_CHECK(brace != std::string_view::npos);
  const auto text = record.value->substr(0, brace);
  // The computed members with the brace behind them.
  value_.clear();
  for (std::size_t i = 0; i < plan_.computed.size(); ++i) {
    value_ += member_names_[i];
    codec::append_json(value_, event.row[plan_.computed[i].slot]);
  }
  value_ += '}';
  std::string_view tail = value_;
  // Only a comma too many, where the event itself has no members.
  const bool has_members = text[text.find_last_not_of(" \t\r\n")] != '{';
  if (!has_members && tail.front() == ',') tail.remove_prefix(1);
  const auto& because = cause(time);
  const OutputRecord enriched{time, record.key, text, {}, because.headers, tail};
  for (const auto output : plan_.enriched_outputs) {
    // With as many partitions as the source a record stays in its partition, so that order is kept
    // whatever partitioner the producer used.
    const bool is_same_count =
        outputs.topic(output).partition_count == plan_.source_partition_count;
    const auto partition =
        is_same_count ? partition_ : outputs.partition_for(output, record.key, partition_);
    outputs.append(output, partition, enriched);
  }
}

void SourceTask::write_dead_letter(const Event& event, WallTime time, Outputs& outputs) {
  const auto& record = event.record;
  const auto& refusal = event.refusal;
  ++counters_.dead_letters[static_cast<std::size_t>(refusal.type)];
  if (outputs.is_suppressed()) return;
  std::string id;
  if (plan_.dedup) {
    const Value value = plan_.dedup->id.evaluate(event.input, arena_);
    if (value.kind() == ValueKind::string) id = value.as_string();
  }
  value_.clear();
  append_dead_letter(value_,
                     {refusal.type, refusal.message, refusal.stage, plan_.pipeline, time,
                      plan_.source_topic, partition_, id, plan_.dead_letter_id_name},
                     record);
  const auto& because = cause(time);
  const std::array<codec::HeaderToAppend, 3> headers{{{"millrace-source", because.source},
                                                      {"millrace-pipeline", because.pipeline},
                                                      {"millrace-error", to_string(refusal.type)}}};
  const auto output = plan_.dead_letter_output;
  outputs.append(output, outputs.partition_for(output, record.key, partition_),
                 {time, record.key, value_, headers});
}

void SourceTask::add_to_windows(Event& event, WallTime time, Outputs& outputs) {
  const EventPosition position{event.event_time, next_offset_, partition_};
  const auto before = watermark_.current();
  const auto& because = cause(time);
  for (auto& window : windows_) {
    const auto outcome = window.add(event.input, arena_, position, before, because, outputs);
    const std::string stage = outcome.late_panes > 0 || !outcome.error.empty()
                                  ? "window " + window.window().name
                                  : std::string();
    if (!outcome.error.empty()) {
      refuse(event, ErrorType::business_rule_violation, stage, outcome.error);
      ++counters_.window_letters;
      write_dead_letter(event, time, outputs);
    } else if (outcome.late_panes > 0) {
      refuse(event, ErrorType::late_event, stage,
             "too late for " + std::to_string(outcome.late_panes) + " of window " +
                 window.window().name + ", the first starting at " +
                 format_event_time(EventTime(outcome.first_late_start_us)) + "; the watermark is " +
                 format_event_time(before));
      ++counters_.window_letters;
      write_dead_letter(event, time, outputs);
    }
  }
  const bool has_moved = watermark_.observe(event.event_time);
  move_watermark(has_moved, because, outputs);
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
  for (const auto& window : windows_) {
    if (window.window().local) continue;
    const auto output = window.window().partials_output;
    for (std::int32_t p = 0; p < outputs.topic(output).partition_count; ++p) {
      outputs.append(output, p, {because.time, std::nullopt, value_, {}, because.headers, {}});
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
  // After an upgrade merging tasks that begin anew have yet to hear where this one stands.
  const bool is_unheard = sent_watermark_ == kNoWatermark && watermark_.current() != kNoWatermark;
  move_watermark(has_moved || is_unheard, cause(wall_time), outputs);
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
