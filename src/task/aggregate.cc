#include "task/aggregate.h"

#include "base/check.h"

namespace millrace::task {
namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

// Sums of two numbers below this stay within a decimal's range.
constexpr __int128 kSmallSum = static_cast<__int128>(1) << 100;

constexpr bool is_small(__int128 unscaled) {
  return unscaled < kSmallSum && unscaled > -kSmallSum;
}

// What take() takes.
constexpr bool is_takeable(ValueKind kind) {
  return kind == ValueKind::int64 || kind == ValueKind::decimal || kind == ValueKind::string ||
         kind == ValueKind::boolean || kind == ValueKind::timestamp;
}

}  // namespace

void Aggregate::set_number(const Decimal& number, bool is_integer) {
  unscaled_ = number.unscaled();
  scale_ = static_cast<std::uint8_t>(number.scale());
  held_ = is_integer ? Held::integer : Held::decimal;
}

void Aggregate::add_number(const Value& value) {
  const bool is_integer = value.kind() == ValueKind::int64;
  if (!is_integer && value.kind() != ValueKind::decimal) return;
  ++count_;
  if (held_ == Held::overflow) return;
  if (!is_integer && held_ == Held::decimal) {
    const auto term = value.as_decimal();
    if (term.scale() == scale_ && is_small(term.unscaled()) && is_small(unscaled_)) {
      unscaled_ += term.unscaled();
      return;
    }
  } else if (is_integer && held_ == Held::integer && is_small(unscaled_)) {
    unscaled_ += value.as_int64();
    return;
  }
  const auto term = is_integer ? Decimal::from_int(value.as_int64()) : value.as_decimal();
  const auto sum = number().add(term);
  if (!sum) {
    held_ = Held::overflow;
    return;
  }
  set_number(*sum, is_integer && held_ != Held::decimal);
}

void Aggregate::take(const Value& value, const EventPosition& position) {
  position_ = position;
  switch (value.kind()) {
    case ValueKind::int64:
      set_number(Decimal::from_int(value.as_int64()), true);
      break;
    case ValueKind::decimal:
      set_number(value.as_decimal(), false);
      break;
    case ValueKind::string:
      held_ = Held::text;
      text_ = value.as_string();
      break;
    case ValueKind::boolean:
      held_ = Held::boolean;
      unscaled_ = value.as_boolean() ? 1 : 0;
      break;
    case ValueKind::timestamp:
      held_ = Held::timestamp;
      unscaled_ = static_cast<__int128>(value.seconds()) * kNanosPerSecond + value.nanos();
      break;
    default:
      break;  // the pipeline check admits no other type
  }
}

// min and max: an event that changes nothing is told by one comparison.
void Aggregate::add_extreme(const Value& value, const EventPosition& position) {
  if (held_ == Held::decimal && value.kind() == ValueKind::decimal) {
    const auto number = value.as_decimal();
    if (number.scale() == scale_) {
      ++count_;
      const bool is_better = kind_ == AggregateKind::min ? number.unscaled() < unscaled_
                                                         : number.unscaled() > unscaled_;
      if (is_better) {
        unscaled_ = number.unscaled();
        position_ = position;
      }
      return;
    }
  }
  add_plainly(value, position);
}

// first and last: most events are not.
void Aggregate::add_positioned(const Value& value, const EventPosition& position) {
  if (!is_takeable(value.kind())) return;
  const bool is_better =
      count_ == 0 || (kind_ == AggregateKind::first ? position < position_ : position > position_);
  ++count_;
  if (!is_better) return;
  scale_ = 0;
  unscaled_ = 0;
  text_.clear();
  take(value, position);
}

void Aggregate::add(const Value& value, const EventPosition& position) {
  if (value.is_absent() || value.is_null() || value.is_error()) return;
  switch (kind_) {
    case AggregateKind::count:
      ++count_;
      return;
    case AggregateKind::sum:
    case AggregateKind::avg:
      add_number(value);
      return;
    case AggregateKind::min:
    case AggregateKind::max:
      add_extreme(value, position);
      return;
    case AggregateKind::first:
    case AggregateKind::last:
      add_positioned(value, position);
      return;
  }
}

void Aggregate::add_plainly(const Value& value, const EventPosition& position) {
  if (value.is_absent() || value.is_null() || value.is_error()) return;
  if (kind_ == AggregateKind::count) {
    ++count_;
    return;
  }
  Aggregate one(kind_);
  one.count_ = 1;
  one.take(value, position);
  if (one.held_ == Held::nothing) return;
  const bool is_total = kind_ == AggregateKind::sum || kind_ == AggregateKind::avg;
  if (is_total && one.held_ != Held::integer && one.held_ != Held::decimal) return;
  merge(one);
}

std::strong_ordering Aggregate::compare(const Aggregate& other) const {
  const bool is_number = held_ == Held::integer || held_ == Held::decimal;
  const bool other_is_number = other.held_ == Held::integer || other.held_ == Held::decimal;
  if (is_number && other_is_number) return number() <=> other.number();
  if (held_ != other.held_) return held_ <=> other.held_;
  if (held_ == Held::text) return text_ <=> other.text_;
  return unscaled_ <=> other.unscaled_;
}

void Aggregate::take_from(const Aggregate& other) {
  const auto count = count_;
  *this = other;
  count_ = count;
}

// 1.5 and 1.50 are one number; printing must not depend on which came first.
void Aggregate::keep_larger_scale(const Aggregate& other) {
  if (other.held_ == Held::decimal && (held_ == Held::integer || other.scale_ > scale_)) {
    take_from(other);
  }
}

void Aggregate::merge(const Aggregate& other) {
  MR_CHECK(kind_ == other.kind_);
  if (other.count_ == 0) return;
  const bool was_empty = count_ == 0;
  count_ += other.count_;
  if (kind_ == AggregateKind::count) return;
  if (was_empty) return take_from(other);
  if (kind_ == AggregateKind::sum || kind_ == AggregateKind::avg) {
    const auto sum = held_ == Held::overflow || other.held_ == Held::overflow
                         ? std::nullopt
                         : number().add(other.number());
    if (!sum) {
      held_ = Held::overflow;
    } else {
      set_number(*sum, held_ == Held::integer && other.held_ == Held::integer);
    }
    return;
  }
  if (kind_ == AggregateKind::first || kind_ == AggregateKind::last) {
    const bool is_better =
        kind_ == AggregateKind::first ? other.position_ < position_ : other.position_ > position_;
    if (is_better) take_from(other);
    return;
  }
  const auto order = other.compare(*this);
  if (order == 0) return keep_larger_scale(other);
  if ((order < 0) == (kind_ == AggregateKind::min)) take_from(other);
}

Value Aggregate::result(int digits) const {
  if (kind_ == AggregateKind::count) return Value::int64(count_);
  if (held_ == Held::overflow) return Value::null();
  if (count_ == 0) return kind_ == AggregateKind::sum ? Value::int64(0) : Value::null();
  if (kind_ == AggregateKind::avg) {
    const auto average = number().divide(Decimal::from_int(count_), digits);
    return average ? Value::decimal(*average) : Value::null();
  }
  switch (held_) {
    case Held::integer: {
      const auto whole = number().to_int();
      return whole ? Value::int64(*whole) : Value::decimal(number());
    }
    case Held::decimal:
      return Value::decimal(number());
    case Held::text:
      return Value::string(text_);
    case Held::boolean:
      return Value::boolean(unscaled_ != 0);
    case Held::timestamp: {
      auto seconds = static_cast<std::int64_t>(unscaled_ / kNanosPerSecond);
      auto nanos = static_cast<std::int32_t>(unscaled_ % kNanosPerSecond);
      if (nanos < 0) {
        --seconds;
        nanos += static_cast<std::int32_t>(kNanosPerSecond);
      }
      return Value::timestamp(seconds, nanos);
    }
    default:
      return Value::null();
  }
}

void Aggregate::encode(Encoder& to) const {
  to.u8(static_cast<std::uint8_t>(held_));
  to.zigzag(count_);
  if (count_ == 0 || kind_ == AggregateKind::count) return;
  to.u8(scale_);
  to.u64(static_cast<std::uint64_t>(unscaled_));
  to.u64(static_cast<std::uint64_t>(unscaled_ >> 64));
  if (kind_ == AggregateKind::first || kind_ == AggregateKind::last) {
    to.zigzag(position_.event_time.value);
    to.zigzag(position_.offset.value);
    to.zigzag(position_.partition);
  }
  if (held_ == Held::text) to.bytes(text_);
}

bool Aggregate::decode(Decoder& from) {
  const auto held = from.u8();
  if (held > static_cast<std::uint8_t>(Held::overflow)) return false;
  held_ = static_cast<Held>(held);
  count_ = from.zigzag();
  if (count_ < 0) return false;
  if (count_ == 0 || kind_ == AggregateKind::count) return !from.has_failed();
  scale_ = from.u8();
  const auto low = from.u64();
  const auto high = from.u64();
  unscaled_ = static_cast<__int128>((static_cast<unsigned __int128>(high) << 64) | low);
  if (kind_ == AggregateKind::first || kind_ == AggregateKind::last) {
    position_.event_time = EventTime(from.zigzag());
    position_.offset = Offset(from.zigzag());
    position_.partition = static_cast<std::int32_t>(from.zigzag());
  }
  if (held_ == Held::text) text_ = from.bytes();
  const auto limit = power_of_ten(Decimal::kDigitsMax);
  return !from.has_failed() && scale_ <= Decimal::kDigitsMax && unscaled_ < limit &&
         unscaled_ > -limit;
}

}  // namespace millrace::task
