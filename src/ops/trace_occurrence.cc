#include "ops/trace_occurrence.h"

#include <array>
#include <charconv>

#include "base/time_text.h"
#include "base/utf8.h"
#include "codec/json.h"

namespace millrace::ops {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 7> kSteps{"decode", "schema", "key",   "rules",
                                                 "time",   "dedup",  "enrich"};

Json text_or_base64(const std::optional<std::string>& bytes) {
  if (!bytes) return {};
  return is_valid_utf8(*bytes) ? Json(*bytes) : Json("base64:" + codec::base64_encode(*bytes));
}

// JSON where it is some, else the text itself: what an evaluation that failed says.
Json parsed_or_text(const std::string& text) {
  auto json = Json::parse(text, nullptr, false);
  return json.is_discarded() ? Json(text) : json;
}

Json place_json(const TracedRecord& record) {
  return {{"topic", record.at.topic},
          {"partition", record.at.partition},
          {"offset", record.offset.value}};
}

// "too late for 2 of window ..." says how many panes, which are the earliest ones.
std::size_t late_panes(const Json& letter) {
  const auto message = letter.value("error_message", "");
  constexpr std::string_view kBegin = "too late for ";
  std::size_t count = 0;
  if (message.starts_with(kBegin)) {
    std::from_chars(message.data() + kBegin.size(), message.data() + message.size(), count);
  }
  return count;
}

}  // namespace

Status OccurrenceTrace::run() {
  const FoundRecordView view(record_);
  MR_ASSIGN_OR_RETURN(explained_,
                      explainer_.explain(view.view(), record_.at.partition, record_.append_time));
  MR_ASSIGN_OR_RETURN(rows_, outputs_.rows());
  MR_ASSIGN_OR_RETURN(letters_, outputs_.letters());
  for (const auto& letter : letters_) {
    letter_values_.push_back(Json::parse(letter.value, nullptr, false));
    if (!letter_values_.back().is_object()) letter_values_.back() = Json::object();
  }
  for (const auto& letter : letter_values_) {
    if (!letter.value("stage", "").starts_with("window ")) row_letter_ = &letter;
  }
  decide();
  if (outcome_ == "passed") {
    MR_RETURN_IF_ERROR(follow_windows());
    ask_extensions();
  }
  return ok_status();
}

// What is stored says what happened; without anything stored, what can still have happened.
void OccurrenceTrace::decide() {
  // What is known of another process' task may be a moment old.
  const bool is_stored = !rows_.empty() || row_letter_ != nullptr;
  if (!is_stored && record_.offset >= committed_offset(pipeline_, record_.at.partition)) {
    outcome_ = "pending";
  } else if (row_letter_ != nullptr) {
    const auto stage = row_letter_->value("stage", "");
    outcome_ = row_letter_->value("error_type", "") == "DUPLICATE" ? "duplicate" : "dead_lettered";
    is_filed_ = stage == "enrich";
  } else if (!rows_.empty()) {
    outcome_ = "passed";
    is_filed_ = true;
  } else if (plan_.source.dedup && !plan_.source.dedup->is_dead_lettered && !explained_.refusal &&
             !plan_.source.enriched_outputs.empty()) {
    outcome_ = "duplicate";
  } else if (plan_.source.enriched_outputs.empty() && !explained_.refusal) {
    outcome_ = "passed";
    is_filed_ = true;
  } else {
    outcome_ = "unknown";
  }
}

const Json* OccurrenceTrace::letter_of(const std::string& stage) const {
  for (const auto& letter : letter_values_) {
    if (letter.value("stage", "") == stage) return &letter;
  }
  return nullptr;
}

Status OccurrenceTrace::follow_windows() {
  for (std::size_t w = 0; w < explained_.windows.size(); ++w) {
    const auto& window = explained_.windows[w];
    const auto* letter = letter_of("window " + window.window->name);
    const auto late = letter == nullptr ? 0 : late_panes(*letter);
    auto& panes = panes_.emplace_back();
    for (const auto start : window.pane_starts_us) {
      TracedPane pane;
      pane.start_us = start;
      pane.is_late = panes.size() < late;
      pane.is_refused = letter != nullptr && late == 0;
      panes.push_back(std::move(pane));
    }
    MR_RETURN_IF_ERROR(outputs_.follow(w, window.key, panes));
  }
  return ok_status();
}

void OccurrenceTrace::ask_extensions() {
  for (auto* extension : context_.extensions) {
    for (const auto& row : rows_) {
      extension->append_trace({&plan_, row.at, row.offset, explained_.row, {}, {}}, effects_);
    }
    for (std::size_t w = 0; w < panes_.size(); ++w) {
      for (const auto& pane : panes_[w]) {
        if (pane.results.empty()) continue;
        const auto& last = pane.results.back();
        extension->append_trace(
            {&plan_, last.at, last.offset, {}, explained_.windows[w].key, last.value}, effects_);
      }
    }
  }
}

Json OccurrenceTrace::step(std::string_view stage, const std::string& refused_by) const {
  Json out{{"stage", std::string(stage)}};
  out["result"] = stage == refused_by ? "refused" : "passed";
  if (stage == "rules") {
    Json rules = Json::array();
    for (const auto& rule : explained_.rules) {
      rules.push_back({{"rule", std::string(rule.name)},
                       {"expression", std::string(rule.expression)},
                       {"holds", rule.holds},
                       {"value", parsed_or_text(rule.value)}});
    }
    out["rules"] = rules;
  } else if (stage == "time") {
    out["event_time"] =
        explained_.event_time ? Json(format_event_time(*explained_.event_time)) : Json();
    out["processing_time"] = format_wall_time(record_.append_time);
  } else if (stage == "dedup") {
    out["id"] = explained_.id ? Json(*explained_.id) : Json();
  } else if (stage == "enrich") {
    // As it left, where it did: a table may have another version by now.
    const auto row = rows_.empty() ? Json() : Json::parse(rows_.front().value, nullptr, false);
    Json fields = Json::object();
    for (const auto& field : explained_.computed) {
      const std::string name(field.name);
      fields[name] =
          row.is_object() && row.contains(name) ? row[name] : parsed_or_text(field.value);
    }
    out["fields"] = fields;
  }
  return out;
}

Json OccurrenceTrace::steps(const std::string& first_occurrence) const {
  std::string refused_by;
  std::string type;
  std::string message;
  if (row_letter_ != nullptr) {
    refused_by = row_letter_->value("stage", "");
    type = row_letter_->value("error_type", "");
    message = row_letter_->value("error_message", "");
  } else if (is_duplicate()) {
    refused_by = "dedup";
    message = "the id was seen before; duplicates are dropped";
  } else if (explained_.refusal && outcome_ != "passed") {
    refused_by = explained_.refusal->stage;
    type = explained_.refusal->error_type;
    message = explained_.refusal->message;
  }
  Json out = Json::array();
  for (const auto stage : kSteps) {
    if (stage == "dedup" && !plan_.source.dedup) continue;
    auto one = step(stage, refused_by);
    if (stage == refused_by) {
      if (!type.empty()) one["error_type"] = type;
      one["message"] = message;
      if (is_duplicate()) {
        one["first_occurrence"] = first_occurrence.empty() ? Json() : Json(first_occurrence);
      }
    }
    out.push_back(std::move(one));
    if (stage == refused_by) break;
  }
  return out;
}

Json OccurrenceTrace::pane_json(const task::Window& window, const TracedPane& pane) const {
  Json out{{"start", format_event_time(EventTime(pane.start_us))},
           {"end", format_event_time(EventTime(pane.start_us + window.length_us))},
           {"decision", pane.is_refused ? "refused"
                        : pane.is_late  ? "late"
                                        : "counted"}};
  if (!pane.is_counted()) return out;
  if (pane.partial) out["partial"] = place_json(*pane.partial);
  Json results = Json::array();
  for (const auto& result : pane.results) {
    auto one = place_json(result);
    const auto value = Json::parse(result.value, nullptr, false);
    one["revision"] = value.value("revision", Json());
    one["is_final"] = value.value("is_final", Json());
    one["value"] = value;
    results.push_back(std::move(one));
  }
  out["result_count"] = pane.result_count;
  out["results"] = results;
  return out;
}

Json OccurrenceTrace::windows_json() const {
  Json out = Json::array();
  for (std::size_t w = 0; w < panes_.size(); ++w) {
    const auto& window = explained_.windows[w];
    Json panes = Json::array();
    for (const auto& pane : panes_[w]) panes.push_back(pane_json(*window.window, pane));
    Json one{{"window", window.window->name}, {"key", window.key}};
    if (!window.error.empty()) one["error"] = window.error;
    one["panes"] = panes;
    out.push_back(std::move(one));
  }
  return out;
}

Json OccurrenceTrace::json(const std::string& first_occurrence) const {
  Json rows = Json::array();
  for (const auto& row : rows_) rows.push_back(place_json(row));
  Json letters = Json::array();
  for (std::size_t i = 0; i < letters_.size(); ++i) {
    auto one = place_json(letters_[i]);
    for (const auto* name : {"error_type", "stage", "error_message"}) {
      one[name] = letter_values_[i].value(name, Json());
    }
    letters.push_back(std::move(one));
  }
  Json out{{"pipeline", plan_.source.pipeline},
           {"topic", record_.at.topic},
           {"partition", record_.at.partition},
           {"offset", record_.offset.value},
           {"append_time", format_wall_time(record_.append_time)},
           {"timestamp", format_wall_time(record_.timestamp)},
           {"key", text_or_base64(record_.key)},
           {"value", text_or_base64(record_.value)},
           {"found_by", record_.is_by_text ? "text" : "id"},
           {"outcome", outcome_},
           {"steps", steps(first_occurrence)},
           {"rows", rows},
           {"dead_letters", letters},
           {"windows", windows_json()},
           {"stored_in", effects_}};
  return out;
}

}  // namespace millrace::ops
