#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "sim/event.h"
#include "sim/profile.h"
#include "sim/recorder.h"
#include "sim/sim_pipelines.h"
#include "task/journal.h"
#include "task/table.h"

namespace millrace::sim {

// What has to come out of one partition of a pipeline's source, by the rules R12 to R16, computed
// the slow way from the records and the journal: whole numbers, maps, one event after the other.
// Shares no code with src/task.

struct Totals {
  std::int64_t n = 0;
  std::int64_t low_cents = 0;
  std::int64_t high_cents = 0;
  std::int64_t sum_cents = 0;
  std::int64_t count = 0;

  void add(const Event& event);
  void add(const Totals& other);
};

// What became of one input record.
struct Fate {
  enum class Kind : std::uint8_t { passed, refused, dropped };
  Kind kind = Kind::passed;
  std::string error;     // of a refused one
  std::string enriched;  // text of a passed one
  bool is_late = false;  // passed, but for no window any more
  std::string pipeline;  // "ticks@2"
};

// A pane's key: start of the window and key of the window.
using PaneKey = std::pair<std::int64_t, std::string>;

struct Expectation {
  std::vector<Fate> fates;            // by offset
  std::vector<std::string> results;   // of a local window: every text that leaves, in order
  std::map<PaneKey, Totals> counted;  // over all time
  std::int64_t watermark_us = 0;      // at the end
  bool has_watermark = false;
  std::uint64_t late_count = 0;
  std::uint64_t refused_count = 0;
  std::uint64_t dropped_count = 0;
};

struct OracleInput {
  const Profile* profile = nullptr;
  const EventBook* events = nullptr;
  bool is_ticks = true;  // else orders
  const std::vector<SeenRecord>* records = nullptr;
  std::vector<task::JournalEntry> journal;
};
Expectation expect(const OracleInput& input);

// The result of a window as it must read. `key_name`: "key" or "region".
std::string result_text(const std::string& key_name, const PaneKey& pane, const Totals& totals,
                        std::int64_t revision, bool is_final);
// sum / n to 4 digits, half to even.
std::string mean_text(std::int64_t sum_cents, std::int64_t n);

}  // namespace millrace::sim
