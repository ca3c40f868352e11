#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/coding.h"
#include "base/decimal.h"
#include "base/time.h"
#include "model/topic.h"
#include "model/value.h"

namespace millrace::task {

enum class AggregateKind : std::uint8_t { count, sum, min, max, avg, first, last };

// Where an event stands for first() and last(): by event time, then source offset, then partition.
struct EventPosition {
  EventTime event_time;
  Offset offset;
  std::int32_t partition = 0;
  auto operator<=>(const EventPosition&) const = default;
};

// The state of one aggregate call. Adding and merging commute, so that neither the order of partial
// results nor their grouping changes a value: numbers are exact, equal numbers keep the larger
// scale, first and last go by EventPosition. A sum that once leaves 38 digits is lost for good and
// reads as null; whether an intermediate sum does so is the one thing that may depend on the order.
class Aggregate {
 public:
  explicit Aggregate(AggregateKind kind) : kind_(kind) {}

  // `value` null or absent is not counted (count() gets a true). Text and booleans only for min,
  // max, first and last.
  void add(const Value& value, const EventPosition& position);
  // The same by way of merge(): the plain twin, for tests.
  void add_plainly(const Value& value, const EventPosition& position);
  void merge(const Aggregate& other);

  // The result; `digits` only for avg (rounded half-even). Null when nothing was added, except
  // count and sum, which are 0. Views live as long as this object is unchanged.
  [[nodiscard]] Value result(int digits) const;

  void encode(Encoder& to) const;
  // False when the bytes are no state of such an aggregate; then it holds anything.
  [[nodiscard]] bool decode(Decoder& from);

 private:
  enum class Held : std::uint8_t { nothing, integer, decimal, text, boolean, timestamp, overflow };

  void add_number(const Value& value);
  void add_extreme(const Value& value, const EventPosition& position);
  void add_positioned(const Value& value, const EventPosition& position);
  void take(const Value& value, const EventPosition& position);
  void take_from(const Aggregate& other);
  [[nodiscard]] Decimal number() const { return {unscaled_, scale_}; }
  void set_number(const Decimal& number, bool is_integer);
  [[nodiscard]] std::strong_ordering compare(const Aggregate& other) const;
  void keep_larger_scale(const Aggregate& other);

  AggregateKind kind_;
  Held held_ = Held::nothing;
  std::uint8_t scale_ = 0;
  std::int64_t count_ = 0;
  __int128 unscaled_ = 0;  // the number; a boolean; a timestamp in nanoseconds
  EventPosition position_;
  std::string text_;
};

}  // namespace millrace::task
