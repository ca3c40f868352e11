#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/random.h"
#include "base/time.h"

namespace millrace::sim {

// An event as the workload meant it. Oracles work on this and never parse its text.
struct Event {
  enum class Kind : std::uint8_t {
    good,
    unreadable,    // no JSON
    incomplete,    // a required field is missing
    against_rule,  // breaks the pipeline's rule
  };
  Kind kind = Kind::good;
  std::string id;
  std::string key;
  std::int64_t time_us = 0;
  std::int64_t cents = 0;
  std::int64_t count = 0;
};

// A record as it is produced.
struct EventRecord {
  std::optional<std::string> key;
  std::optional<std::string> value;
};

// Everything that was ever produced, by its text: every text is made once, or is the same event.
class EventBook {
 public:
  const std::string& add(const Event& event);
  // nullptr for a text that nobody produced.
  [[nodiscard]] const Event* find(const std::string& text) const;

 private:
  std::map<std::string, Event> by_text_;
};

// The text of the event; with its fields named as both pipelines of the simulation want them.
std::string event_text(const Event& event);
// "12.34"
std::string cents_text(std::int64_t cents);

}  // namespace millrace::sim
