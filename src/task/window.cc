#include "task/window.h"

#include <limits>

#include "base/check.h"
#include "base/hash.h"
#include "task/watermark.h"

namespace millrace::task {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

std::int64_t floor_to(std::int64_t value, std::int64_t step) {
  const auto rest = value % step;
  return value - (rest < 0 ? rest + step : rest);
}

}  // namespace

std::int64_t decode_pane_start(Decoder& from, const Window& window) {
  const auto start = decode_event_time(from);
  if (start == kNoWatermark || start.value % window.every_us != 0) from.fail();
  return start.value;
}

std::uint64_t definition_hash(const Window& window) {
  std::string text;
  Encoder to(text);
  to.bytes(window.name);
  to.bytes(window.key ? window.key->text() : std::string());
  to.zigzag(window.length_us);
  to.zigzag(window.every_us);
  to.zigzag(window.allowed_lateness_us);
  to.boolean(window.local.has_value());
  for (const auto& call : window.aggregates) {
    to.bytes(call.name);
    to.u8(static_cast<std::uint8_t>(call.kind));
    to.bytes(call.argument ? call.argument->text() : std::string());
  }
  return hash64(text);
}

PaneSet::PaneSet(const Window& window, bool keeps_fired_panes)
    : window_(&window), keeps_fired_panes_(keeps_fired_panes), next_due_us_(kNever) {
  MR_CHECK(window.length_us > 0 && window.every_us > 0);
  MR_CHECK(window.length_us % window.every_us == 0);
}

PaneSet::Starts PaneSet::starts_for(EventTime event_time) {
  const auto since = event_time.value - last_start_us_;
  if (since < 0 || since >= window_->every_us) {
    last_start_us_ = floor_to(event_time.value, window_->every_us);
  }
  return {last_start_us_ - window_->length_us + window_->every_us, last_start_us_};
}

bool PaneSet::is_past_end(std::int64_t start_us, EventTime watermark) const {
  return watermark != kNoWatermark && watermark.value >= start_us + window_->length_us;
}

bool PaneSet::is_late(std::int64_t start_us, EventTime watermark) const {
  return watermark != kNoWatermark &&
         watermark.value >= start_us + window_->length_us + window_->allowed_lateness_us;
}

std::int64_t PaneSet::due_at(const Pane& pane) const {
  const auto end = pane.start_us + window_->length_us;
  return pane.is_fired ? end + window_->allowed_lateness_us : end;
}

Pane& PaneSet::pane(std::int64_t start_us) {
  if (last_pane_ != nullptr && last_pane_->start_us == start_us) return *last_pane_;
  const auto [it, is_new] = panes_.try_emplace(start_us);
  if (is_new) it->second.start_us = start_us;
  next_due_us_ = std::min(next_due_us_, due_at(it->second));
  last_pane_ = &it->second;
  return it->second;
}

bool PaneSet::has_key(std::int64_t start_us, std::string_view key) const {
  const auto it = panes_.find(start_us);
  if (it == panes_.end()) return false;
  const auto& keys = it->second.keys;
  if (keys.size() == 1) return keys.front().key == key;
  return it->second.index.contains(key);
}

KeyState& PaneSet::key_state(Pane& pane, std::string_view key) {
  if (pane.keys.size() == 1 && pane.keys.front().key == key) return pane.keys.front();
  if (const auto it = pane.index.find(key); it != pane.index.end()) return pane.keys[it->second];
  pane.index.emplace(key, static_cast<std::uint32_t>(pane.keys.size()));
  ++open_keys_;
  auto& state = pane.keys.emplace_back();
  state.key = key;
  state.aggregates.reserve(window_->aggregates.size());
  for (const auto& call : window_->aggregates) state.aggregates.emplace_back(call.kind);
  return state;
}

void PaneSet::recompute_due() {
  next_due_us_ = kNever;
  // Panes fire in the order of their starts, so the fired ones come first, and among the others the
  // first is due first. Fired panes are few: those within allowed lateness.
  for (const auto& [start, pane] : panes_) {
    next_due_us_ = std::min(next_due_us_, due_at(pane));
    if (!pane.is_fired) break;
  }
}

EventTime PaneSet::largest_end() const {
  if (panes_.empty()) return kNoWatermark;
  return EventTime(panes_.rbegin()->first + window_->length_us);
}

void PaneSet::snapshot(Encoder& to) const {
  to.u64(definition_hash(*window_));
  to.varint(panes_.size());
  for (const auto& [start, pane] : panes_) {
    to.zigzag(start);
    to.boolean(pane.is_fired);
    to.varint(pane.keys.size());
    for (const auto& state : pane.keys) {
      to.bytes(state.key);
      to.zigzag(state.revision);
      to.boolean(state.is_changed);
      for (const auto& aggregate : state.aggregates) aggregate.encode(to);
    }
  }
}

Status PaneSet::restore(Decoder& from) {
  if (from.u64() != definition_hash(*window_)) {
    return invalid_error("the snapshot's window " + window_->name + " was defined otherwise");
  }
  panes_.clear();
  last_pane_ = nullptr;
  open_keys_ = 0;
  const auto pane_count = from.varint();
  for (std::uint64_t p = 0; p < pane_count && !from.has_failed(); ++p) {
    const auto start = decode_pane_start(from, *window_);
    if (from.has_failed()) break;  // finish() says so
    auto& restored = pane(start);
    restored.is_fired = from.boolean();
    const auto key_count = from.varint();
    for (std::uint64_t k = 0; k < key_count && !from.has_failed(); ++k) {
      auto& state = key_state(restored, from.bytes());
      state.revision = from.zigzag();
      state.is_changed = from.boolean();
      for (auto& aggregate : state.aggregates) {
        if (!aggregate.decode(from)) return corrupt_error("snapshot: unreadable aggregate");
      }
    }
  }
  recompute_due();
  return ok_status();
}

}  // namespace millrace::task
