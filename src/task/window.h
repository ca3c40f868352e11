#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/coding.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/time.h"
#include "task/aggregate.h"
#include "task/plan.h"

namespace millrace::task {

// The aggregates of one key in one pane.
struct KeyState {
  std::string key;
  std::int64_t revision = -1;  // of the last result that left; -1: none yet
  bool is_changed = true;      // since that result
  std::vector<Aggregate> aggregates;
};

// Finds std::string keys by std::string_view.
struct KeyHash {
  using is_avalanching = void;
  using is_transparent = void;
  std::size_t operator()(std::string_view key) const { return hash64(key); }
};

// Of what the open panes of a window depend on: name, key, lengths, lateness, aggregates. Two
// definitions with one hash may share them.
std::uint64_t definition_hash(const Window& window);

// One window of time: [start, start + length).
struct Pane {
  std::int64_t start_us = 0;
  bool is_fired = false;
  std::vector<KeyState> keys;  // in the order of their first event: the order results leave in
  boost::unordered_flat_map<std::string, std::uint32_t, KeyHash, std::equal_to<>>
      index;  // key -> position in keys
};

// Reads where a pane starts. Fails where none does.
std::int64_t decode_pane_start(Decoder& from, const Window& window);

// The open panes of one window definition, by start. A pane fires when the watermark passes its
// end, is kept for allowed lateness while events revise it, then closes. Pure bookkeeping: what a
// firing does is up to the caller. Bounded by Window::open_keys_max keys over all panes: the caller
// asks has_room() before it adds one.
class PaneSet {
 public:
  PaneSet(const Window& window, bool keeps_fired_panes);

  // Starts of the panes that hold `event_time`, ascending: [first, last] in steps of every_us.
  struct Starts {
    std::int64_t first_us;
    std::int64_t last_us;
  };
  [[nodiscard]] Starts starts_for(EventTime event_time);

  // Whether an event for the pane comes too late to be counted (R15).
  [[nodiscard]] bool is_late(std::int64_t start_us, EventTime watermark) const;
  // Whether the watermark has passed the pane's end.
  [[nodiscard]] bool is_past_end(std::int64_t start_us, EventTime watermark) const;

  Pane& pane(std::int64_t start_us);
  KeyState& key_state(Pane& pane, std::string_view key);
  // Whether the pane has the key already.
  [[nodiscard]] bool has_key(std::int64_t start_us, std::string_view key) const;
  [[nodiscard]] bool has_room(std::size_t new_keys) const {
    return open_keys_ + new_keys <= window_->open_keys_max;
  }

  // Calls `fire` for each pane that `watermark` passes now, in order of its end, and `close` when
  // it passes end + allowed lateness as well; then the pane is gone. Cheap when nothing is due.
  template <typename Fire, typename Close>
  void advance(EventTime watermark, Fire&& fire, Close&& close);

  [[nodiscard]] std::size_t open_keys() const { return open_keys_; }
  // Largest end of an open pane; kNoWatermark when there is none.
  [[nodiscard]] EventTime largest_end() const;
  [[nodiscard]] const std::map<std::int64_t, Pane>& panes() const { return panes_; }

  // The snapshot names the window's definition by a hash; `invalid` when it was another one.
  void snapshot(Encoder& to) const;
  Status restore(Decoder& from);

 private:
  void recompute_due();
  [[nodiscard]] std::int64_t due_at(const Pane& pane) const;

  const Window* window_;
  bool keeps_fired_panes_;
  std::map<std::int64_t, Pane> panes_;
  std::int64_t last_start_us_ = 0;  // a multiple of every_us: most events follow the same one
  Pane* last_pane_ = nullptr;       // most events fall into the pane of the one before
  std::int64_t next_due_us_;        // no pane has anything to do before the watermark is here
  std::size_t open_keys_ = 0;
};

template <typename Fire, typename Close>
void PaneSet::advance(EventTime watermark, Fire&& fire, Close&& close) {
  if (watermark == kNoWatermark || watermark.value < next_due_us_) return;
  for (auto it = panes_.begin(); it != panes_.end();) {
    auto& pane = it->second;
    if (!is_past_end(pane.start_us, watermark)) break;
    if (!pane.is_fired) {
      pane.is_fired = true;
      fire(pane);
    }
    const bool is_closed = !keeps_fired_panes_ || is_late(pane.start_us, watermark);
    if (!is_closed) {
      ++it;
      continue;
    }
    close(pane);
    open_keys_ -= pane.keys.size();
    if (last_pane_ == &pane) last_pane_ = nullptr;
    it = panes_.erase(it);
  }
  recompute_due();
}

}  // namespace millrace::task
