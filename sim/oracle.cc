#include "sim/oracle.h"

#include <algorithm>
#include <cstdio>
#include <variant>

#include "base/check.h"
#include "base/time_text.h"

namespace millrace::sim {
namespace {

std::int64_t floor_to(std::int64_t value, std::int64_t step) {
  std::int64_t down = value / step * step;
  if (down > value) down -= step;
  return down;
}

// R12; the beginning is a jump from nothing.
class WatermarkOracle {
 public:
  [[nodiscard]] std::optional<std::int64_t> now() const { return now_; }

  void see(std::int64_t time_us) {
    const std::int64_t reference = std::max(largest_.value_or(INT64_MIN), now_.value_or(INT64_MIN));
    if (time_us <= reference + kMaxJumpUs) {
      far_ahead_.clear();
      return believe(time_us);
    }
    far_ahead_.push_back(time_us);
    if (static_cast<std::int32_t>(far_ahead_.size()) <= kJumpConfirmations) return;
    const auto smallest = *std::min_element(far_ahead_.begin(), far_ahead_.end());
    far_ahead_.clear();
    believe(smallest);
  }
  void set(std::int64_t watermark_us) { now_ = std::max(now_.value_or(INT64_MIN), watermark_us); }

 private:
  void believe(std::int64_t time_us) {
    if (largest_ && time_us <= *largest_) return;
    largest_ = time_us;
    set(time_us - kOutOfOrderUs);
  }

  std::optional<std::int64_t> now_;
  std::optional<std::int64_t> largest_;
  std::vector<std::int64_t> far_ahead_;
};

// R16.
class DedupOracle {
 public:
  bool is_new(const std::string& id, std::optional<std::int64_t> watermark_us) {
    constexpr std::int64_t kBucketUs = kDedupTtlUs / 24;
    if (watermark_us) {
      const std::int64_t bucket = floor_to(*watermark_us, kBucketUs);
      // Filed before there was a watermark: the first one counts.
      for (auto& [known, filed] : filed_) {
        if (!filed) filed = bucket;
      }
      std::erase_if(filed_, [&](const auto& entry) {
        return *watermark_us > *entry.second + kBucketUs + kDedupTtlUs;
      });
    }
    if (filed_.contains(id)) return false;
    filed_[id] = watermark_us ? std::optional(floor_to(*watermark_us, kBucketUs)) : std::nullopt;
    return true;
  }

 private:
  std::map<std::string, std::optional<std::int64_t>> filed_;  // id -> start of its bucket
};

// R15, for windows whose results leave the source task.
class WindowOracle {
 public:
  explicit WindowOracle(Expectation& out) : out_(out) {}

  void add(const PaneKey& pane, const Event& event) {
    auto& open = open_[pane.first];
    auto at = std::find_if(open.keys.begin(), open.keys.end(),
                           [&](const auto& known) { return known.key == pane.second; });
    if (at == open.keys.end()) at = open.keys.insert(at, Key{pane.second, {}, 0});
    at->totals.add(event);
    if (open.is_fired) emit(pane.first, *at, false);
  }
  void advance(std::optional<std::int64_t> watermark_us) {
    if (!watermark_us) return;
    for (auto at = open_.begin(); at != open_.end();) {
      const std::int64_t end = at->first + kWindowUs;
      if (*watermark_us >= end && !at->second.is_fired) {
        at->second.is_fired = true;
        for (auto& key : at->second.keys) emit(at->first, key, false);
      }
      if (*watermark_us >= end + kLatenessUs) {
        for (auto& key : at->second.keys) emit(at->first, key, true);
        at = open_.erase(at);
      } else {
        ++at;
      }
    }
  }

 private:
  struct Key {
    std::string key;
    Totals totals;
    std::int64_t revision = 0;
  };
  struct Pane {
    bool is_fired = false;
    std::vector<Key> keys;  // in the order of their first event
  };

  void emit(std::int64_t start, Key& key, bool is_final) {
    out_.results.push_back(
        result_text("key", {start, key.key}, key.totals, key.revision++, is_final));
  }

  Expectation& out_;
  std::map<std::int64_t, Pane> open_;
};

class Oracle {
 public:
  explicit Oracle(const OracleInput& input) : input_(input), windows_(out_) {}

  Expectation run() {
    auto entry = input_.journal.begin();
    const auto apply_until = [&](std::int64_t offset) {
      for (; entry != input_.journal.end() && entry->at.value <= offset; ++entry) apply(*entry);
    };
    for (std::size_t i = 0; i < input_.records->size(); ++i) {
      apply_until(static_cast<std::int64_t>(i));
      out_.fates.push_back(take((*input_.records)[i]));
    }
    apply_until(static_cast<std::int64_t>(input_.records->size()));
    out_.has_watermark = watermark_.now().has_value();
    out_.watermark_us = watermark_.now().value_or(0);
    return std::move(out_);
  }

 private:
  void apply(const task::JournalEntry& entry) {
    if (const auto* watermark = std::get_if<task::WatermarkEntry>(&entry.event)) {
      watermark_.set(watermark->watermark.value);
      if (input_.is_ticks) windows_.advance(watermark_.now());
    } else if (const auto* table = std::get_if<task::TableVersionEntry>(&entry.event)) {
      while (task::table_content_hash(table_text(table_)) != table->content) {
        MR_CHECK(++table_ < 1000);
      }
    } else if (const auto* pipeline = std::get_if<task::PipelineEntry>(&entry.event)) {
      version_ = pipeline->version;
    }
  }

  [[nodiscard]] std::string pipeline_name() const {
    return (input_.is_ticks ? "ticks@" : "orders@") + std::to_string(version_);
  }

  Fate refuse(const char* error) {
    ++out_.refused_count;
    return {Fate::Kind::refused, error, {}, false, pipeline_name()};
  }

  Fate take(const SeenRecord& record) {
    if (!record.value) return refuse("SCHEMA_INVALID");
    const Event* event = input_.events->find(*record.value);
    MR_CHECK(event != nullptr);
    if (event->kind == Event::Kind::unreadable || event->kind == Event::Kind::incomplete) {
      return refuse("SCHEMA_INVALID");
    }
    if (!record.key || *record.key != event->key) return refuse("SCHEMA_INVALID");
    if (event->kind == Event::Kind::against_rule) return refuse("BUSINESS_RULE_VIOLATION");
    if (event->time_us > record.append_time.value * 1000 + kMaxAheadUs) {
      return refuse("FUTURE_EVENT");
    }
    if (!dedup_.is_new(event->id, watermark_.now())) {
      if (!input_.profile->drops_duplicates) return refuse("DUPLICATE");
      ++out_.dropped_count;
      return {Fate::Kind::dropped, {}, {}, false, pipeline_name()};
    }
    Fate fate{Fate::Kind::passed,
              {},
              enrich(*record.value, *event, record.append_time),
              false,
              pipeline_name()};
    const PaneKey pane{floor_to(event->time_us, kWindowUs),
                       input_.is_ticks ? event->key : region_of(table_, event->key)};
    const auto now = watermark_.now();
    fate.is_late = now && *now >= pane.first + kWindowUs + kLatenessUs;
    if (fate.is_late) {
      ++out_.late_count;
    } else {
      out_.counted[pane].add(*event);
      if (input_.is_ticks) windows_.add(pane, *event);
    }
    watermark_.see(event->time_us);
    if (input_.is_ticks) windows_.advance(watermark_.now());
    return fate;
  }

  [[nodiscard]] std::string enrich(const std::string& text, const Event& event,
                                   WallTime append_time) const {
    const std::string head =
        text.substr(0, text.size() - 1) + ",\"grade\":\"v" + std::to_string(version_) + "\"";
    if (!input_.is_ticks) {
      return head + ",\"region\":\"" + region_of(table_, event.key) + "\"}";
    }
    return head + ",\"worth\":\"" + cents_text(event.cents * event.count) + "\",\"seen_at\":\"" +
           format_event_time(EventTime(append_time.value * 1000)) + "\"}";
  }

  const OracleInput& input_;
  Expectation out_;
  WatermarkOracle watermark_;
  DedupOracle dedup_;
  WindowOracle windows_;
  int version_ = 0;
  int table_ = 0;
};

}  // namespace

void Totals::add(const Event& event) {
  low_cents = n == 0 ? event.cents : std::min(low_cents, event.cents);
  high_cents = n == 0 ? event.cents : std::max(high_cents, event.cents);
  ++n;
  sum_cents += event.cents;
  count += event.count;
}

void Totals::add(const Totals& other) {
  low_cents = n == 0 ? other.low_cents : std::min(low_cents, other.low_cents);
  high_cents = n == 0 ? other.high_cents : std::max(high_cents, other.high_cents);
  n += other.n;
  sum_cents += other.sum_cents;
  count += other.count;
}

std::string mean_text(std::int64_t sum_cents, std::int64_t n) {
  // In ten-thousandths.
  const std::int64_t scaled = sum_cents * 100;
  std::int64_t mean = scaled / n;
  const std::int64_t twice_rest = (scaled % n) * 2;
  if (twice_rest > n || (twice_rest == n && mean % 2 == 1)) ++mean;
  char text[40];
  std::snprintf(text, sizeof text, "%lld.%04lld", static_cast<long long>(mean / 10'000),
                static_cast<long long>(mean % 10'000));
  return text;
}

std::string result_text(const std::string& key_name, const PaneKey& pane, const Totals& totals,
                        std::int64_t revision, bool is_final) {
  return "{\"" + key_name + "\":\"" + pane.second + "\",\"window_start\":\"" +
         format_event_time(EventTime(pane.first)) + "\",\"window_end\":\"" +
         format_event_time(EventTime(pane.first + kWindowUs)) +
         "\",\"revision\":" + std::to_string(revision) +
         ",\"is_final\":" + (is_final ? "true" : "false") + ",\"n\":" + std::to_string(totals.n) +
         ",\"low\":\"" + cents_text(totals.low_cents) + "\",\"high\":\"" +
         cents_text(totals.high_cents) + "\",\"mean\":\"" + mean_text(totals.sum_cents, totals.n) +
         "\",\"total\":" + std::to_string(totals.count) + "}";
}

Expectation expect(const OracleInput& input) {
  return Oracle(input).run();
}

}  // namespace millrace::sim
