#include "bench/ceiling.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <map>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/check.h"
#include "base/hash.h"
#include "bench/group_commit.h"
#include "bench/plain_batch.h"
#include "bench/tick_event.h"

namespace millrace::bench {

namespace {

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kOutOfOrdernessMs = 30'000;
constexpr std::int64_t kAllowedLatenessMs = 10 * kMinuteMs;
constexpr std::uint64_t kIdSeed = 0x6d696c6c72616365;
constexpr std::string_view kPipeline = "ticks@1";

// The ids seen so far: open addressing, linear probing, never more than half full. Of fixed size,
// because this program knows its input.
class IdTable {
 public:
  explicit IdTable(std::size_t ids_max) : slots_(std::bit_ceil(ids_max * 2 + 1)) {}

  void prefetch(const Hash128& id) const { __builtin_prefetch(&slots_[first_slot(id)]); }

  // False when it was there already.
  bool insert(const Hash128& id) {
    for (auto i = first_slot(id);; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i] == id) return false;
      if (slots_[i] == Hash128{}) {
        slots_[i] = id;
        return true;
      }
    }
  }

 private:
  [[nodiscard]] std::size_t first_slot(const Hash128& id) const {
    return id.low & (slots_.size() - 1);
  }

  std::vector<Hash128> slots_;
};

struct Window {
  std::int64_t event_count = 0;
  std::int64_t volume_sum = 0;
  std::int64_t price_sum = 0;
  std::int64_t price_min = INT64_MAX;
  std::int64_t price_max = INT64_MIN;
  std::int64_t revision = -1;  // of the last result that left
};

struct Minute {
  bool is_fired = false;
  std::vector<Window> by_ticker;
};

struct Partition {
  explicit Partition(std::size_t records) : seen(records) {}

  IdTable seen;
  std::map<std::int64_t, Minute> minutes;  // by start
  std::int64_t watermark_ms = INT64_MIN;
  std::int64_t next_due_ms = INT64_MAX;  // nothing fires or closes before the watermark is here
};

struct Ticker {
  std::size_t index;
  std::string_view name;
  std::string enrichment;  // ,"sector":"Technology","notional":"
};

// What is kept of a record between the two passes over its batch.
struct Decoded {
  PlainRecord record;
  TickVerdict verdict = TickVerdict::good;
  const Ticker* ticker = nullptr;
  Hash128 id;
  std::int64_t time_ms = 0;
  std::int64_t price = 0;
  std::int64_t volume = 0;
};

void append_number(std::string& out, std::int64_t value) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  out.append(text, end);
}

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
}

class Job {
 public:
  Job(const TickInput& input, const CeilingOptions& options)
      : log_(options.folder + "/ceiling.wal", options.is_synced),
        enriched_(options.is_lz4),
        results_(options.is_lz4),
        dead_letters_(options.is_lz4) {
    for (const auto& row : input.sectors) {
      tickers_.emplace(row.ticker, Ticker{tickers_.size(), row.ticker,
                                          ",\"sector\":\"" + row.sector + "\",\"notional\":\""});
    }
    names_.resize(tickers_.size());
    for (const auto& [name, ticker] : tickers_) names_[ticker.index] = name;
    std::vector<std::size_t> records(static_cast<std::size_t>(input.options.partition_count));
    for (const auto& batch : input.batches) {
      records[static_cast<std::size_t>(batch.partition)] +=
          static_cast<std::size_t>(batch.record_count);
    }
    for (const auto count : records) partitions_.emplace_back(count);
  }

  void apply(const TickBatch& batch) {
    const bool is_good = reader_.open(batch.bytes);
    MR_CHECK(is_good);
    now_ms_ = reader_.timestamp_ms();  // processing time is when the log got the batch
    auto& partition = partitions_[static_cast<std::size_t>(batch.partition)];
    // First pass: decode, and ask for the cache line each id will need in the second.
    decoded_.clear();
    while (const auto record = reader_.next()) {
      decoded_.push_back(decode(*record));
      partition.seen.prefetch(decoded_.back().id);
    }
    source_ = "input_topic/";
    append_number(source_, batch.partition);
    source_ += '/';
    const auto prefix_bytes = source_.size();
    for (const auto& event : decoded_) {
      source_.resize(prefix_bytes);
      append_number(source_, event.record.offset);
      apply(partition, event);
    }
    commit(batch.partition, batch.base_offset + batch.record_count);
  }

  // Fires every window that is still open.
  CeilingResult finish() {
    for (std::size_t i = 0; i < partitions_.size(); ++i) {
      advance(partitions_[i], INT64_MAX);
      commit(static_cast<std::int32_t>(i), 0);
    }
    result_.worker_cpu_ns = thread_cpu_ns();
    log_.close();
    result_.writer_cpu_ns = log_.writer_cpu_ns();
    result_.log_bytes = log_.written_bytes();
    result_.sync_count = log_.sync_count();
    return result_;
  }

 private:
  Decoded decode(const PlainRecord& record) {
    Decoded decoded;
    decoded.record = record;
    TickEvent event;
    const auto readable_bytes = reader_.readable_bytes_from(record.value.data());
    decoded.verdict = parser_.parse(record.value, readable_bytes, event);
    if (decoded.verdict != TickVerdict::good) return decoded;
    const auto found = tickers_.find(event.ticker);
    MR_CHECK(found != tickers_.end());
    decoded.ticker = &found->second;
    decoded.id = hash128(event.event_id, kIdSeed);
    decoded.time_ms = event.time_ms;
    decoded.price = event.price;
    decoded.volume = event.volume;
    return decoded;
  }

  void apply(Partition& partition, const Decoded& event) {
    auto& tallies = result_.tallies;
    tallies.event_count += 1;
    if (event.verdict != TickVerdict::good) {
      tallies.bad_count += 1;
      dead_letter(event.record, event.verdict == TickVerdict::schema_invalid
                                    ? "SCHEMA_INVALID"
                                    : "BUSINESS_RULE_VIOLATION");
      return;
    }
    if (!partition.seen.insert(event.id)) {
      tallies.duplicate_count += 1;
      dead_letter(event.record, "DUPLICATE");
      return;
    }
    enrich(event);
    add_to_window(partition, event);
    const auto watermark_ms = event.time_ms - kOutOfOrdernessMs;
    if (watermark_ms > partition.watermark_ms) advance(partition, watermark_ms);
  }

  void append_to(PlainBatchWriter& writer, std::string_view key) {
    const PlainHeaders headers{{"millrace-source", source_}, {"millrace-pipeline", kPipeline}};
    writer.append(key, value_, &headers);
  }

  void enrich(const Decoded& event) {
    const auto json = event.record.value;
    value_.assign(json, 0, json.size() - 1);  // without the brace
    value_ += event.ticker->enrichment;
    // The generator's amounts fit by far; the system itself has to calculate with 128 bits.
    append_decimal(value_, event.price * event.volume);
    value_ += "\"}";
    result_.output_bytes += static_cast<std::int64_t>(value_.size());
    append_to(enriched_, event.record.key);
  }

  void dead_letter(const PlainRecord& record, std::string_view error_type) {
    value_ = "{\"original_message\":\"";
    append_escaped(value_, record.value);
    value_ += "\",\"error_type\":\"";
    value_ += error_type;
    value_ += "\",\"error_timestamp\":\"";
    append_time(value_, now_ms_);
    value_ += "\",\"source\":\"";
    value_ += source_;
    value_ += "\"}";
    append_to(dead_letters_, record.key);
  }

  void add_to_window(Partition& partition, const Decoded& event) {
    const auto start_ms = event.time_ms - event.time_ms % kMinuteMs;
    const auto end_ms = start_ms + kMinuteMs;
    if (partition.watermark_ms >= end_ms + kAllowedLatenessMs) {
      result_.tallies.late_count += 1;
      dead_letter(event.record, "LATE_EVENT");
      return;
    }
    auto& minute = partition.minutes[start_ms];
    if (minute.by_ticker.empty()) {
      minute.by_ticker.resize(tickers_.size());
      partition.next_due_ms = std::min(partition.next_due_ms, end_ms);
    }
    auto& window = minute.by_ticker[event.ticker->index];
    window.event_count += 1;
    window.volume_sum += event.volume;
    window.price_sum += event.price;
    window.price_min = std::min(window.price_min, event.price);
    window.price_max = std::max(window.price_max, event.price);
    if (minute.is_fired) emit(start_ms, event.ticker->name, window, false);
  }

  // Moves the watermark; fires minutes that it passes and closes those past their lateness.
  void advance(Partition& partition, std::int64_t watermark_ms) {
    partition.watermark_ms = watermark_ms;
    if (watermark_ms < partition.next_due_ms) return;
    partition.next_due_ms = INT64_MAX;
    auto& minutes = partition.minutes;
    for (auto it = minutes.begin(); it != minutes.end();) {
      auto& [start_ms, minute] = *it;
      const auto end_ms = start_ms + kMinuteMs;
      const bool is_closing = watermark_ms >= end_ms + kAllowedLatenessMs;
      const bool is_firing = !minute.is_fired && watermark_ms >= end_ms;
      if (is_firing || is_closing) fire(start_ms, minute, is_closing);
      if (is_closing) {
        it = minutes.erase(it);
        continue;
      }
      const auto due_ms = minute.is_fired ? end_ms + kAllowedLatenessMs : end_ms;
      partition.next_due_ms = std::min(partition.next_due_ms, due_ms);
      ++it;
    }
  }

  void fire(std::int64_t start_ms, Minute& minute, bool is_final) {
    minute.is_fired = true;
    for (std::size_t i = 0; i < minute.by_ticker.size(); ++i) {
      auto& window = minute.by_ticker[i];
      if (window.event_count == 0) continue;
      emit(start_ms, names_[i], window, is_final);
      if (is_final) add_to_totals(window);
    }
  }

  void add_to_totals(const Window& window) {
    auto& totals = result_.tallies.windows;
    totals.window_count += 1;
    totals.event_count += window.event_count;
    totals.volume_sum += window.volume_sum;
    totals.price_sum += window.price_sum;
    totals.price_min_sum += window.price_min;
    totals.price_max_sum += window.price_max;
  }

  void emit(std::int64_t start_ms, std::string_view ticker, Window& window, bool is_final) {
    window.revision += 1;
    result_.result_count += 1;
    value_ = "{\"ticker\":\"";
    value_ += ticker;
    value_ += "\",\"window_start\":\"";
    append_time(value_, start_ms);
    value_ += "\",\"window_end\":\"";
    append_time(value_, start_ms + kMinuteMs);
    value_ += "\",\"revision\":";
    append_number(value_, window.revision);
    value_ += is_final ? ",\"is_final\":true" : ",\"is_final\":false";
    value_ += ",\"event_count\":";
    append_number(value_, window.event_count);
    value_ += ",\"min_price\":\"";
    append_decimal(value_, window.price_min);
    value_ += "\",\"max_price\":\"";
    append_decimal(value_, window.price_max);
    value_ += "\",\"avg_price\":\"";
    append_decimal(value_, average_half_even(window.price_sum, window.event_count));
    value_ += "\",\"total_volume\":";
    append_number(value_, window.volume_sum);
    value_ += '}';
    append_to(results_, ticker);
  }

  static std::int64_t average_half_even(std::int64_t sum, std::int64_t count) {
    const auto quotient = sum / count;
    const auto twice_rest = sum % count * 2;
    const bool is_up = twice_rest > count || (twice_rest == count && quotient % 2 != 0);
    return quotient + (is_up ? 1 : 0);
  }

  // One entry of the log: the position, then the batches there are.
  void commit(std::int32_t partition, std::int64_t next_offset) {
    entry_.clear();
    append_number(entry_, partition);
    entry_ += ':';
    append_number(entry_, next_offset);
    entry_ += ';';
    for (auto* writer : {&enriched_, &results_, &dead_letters_}) {
      if (writer->record_count() > 0) writer->finish(0, now_ms_, entry_);
    }
    log_.append(entry_);
  }

  GroupCommitLog log_;
  std::vector<Partition> partitions_;
  boost::unordered_flat_map<std::string_view, Ticker> tickers_;
  std::vector<std::string_view> names_;  // of tickers, by index
  TickParser parser_;
  PlainBatchReader reader_;
  std::vector<Decoded> decoded_;  // the batch at hand
  PlainBatchWriter enriched_;
  PlainBatchWriter results_;
  PlainBatchWriter dead_letters_;
  std::int64_t now_ms_ = 0;
  std::string source_;  // header millrace-source of the record at hand
  std::string value_;   // the record being built
  std::string entry_;
  CeilingResult result_;
};

}  // namespace

CeilingResult run_ceiling(const TickInput& input, const CeilingOptions& options) {
  const auto wall_begin_ns = wall_ns();
  const auto cpu_begin_ns = thread_cpu_ns();
  Job job(input, options);
  for (const auto& batch : input.batches) job.apply(batch);
  auto result = job.finish();
  result.worker_cpu_ns -= cpu_begin_ns;
  result.wall_ns = wall_ns() - wall_begin_ns;
  if (!options.keeps_log) ::unlink((options.folder + "/ceiling.wal").c_str());
  return result;
}

}  // namespace millrace::bench
