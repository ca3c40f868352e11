#include "bench/tick_generator.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "base/random.h"
#include "bench/plain_batch.h"

namespace millrace::bench {

namespace {

constexpr std::int64_t kFirstEventMs = 1'768'294'800'000;  // 2026-01-13T09:00:00Z
constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::uint64_t kDisorderMs = 5'000;
constexpr std::int64_t kLateByMs = 20 * kMinuteMs;
// A partition's watermark begins with its first eleven events; nothing is late before.
constexpr std::size_t kEventsBeforeLate = 20;
constexpr std::size_t kRepeatableEventsMax = 1'000;  // duplicates come from the last so many
constexpr std::array<std::string_view, 5> kSectors = {"Technology", "Energy", "Health Care",
                                                      "Financials", "Utilities"};

struct WindowTwin {
  std::int64_t event_count = 0;
  std::int64_t volume_sum = 0;
  std::int64_t price_sum = 0;
  std::int64_t price_min = INT64_MAX;
  std::int64_t price_max = 0;
};

struct Partition {
  PlainBatchWriter writer;
  std::int64_t next_offset = 0;
  std::deque<std::pair<std::string, std::string>> repeatable;  // key, value
};

class Generator {
 public:
  explicit Generator(const TickOptions& options) : options_(options), random_(options.seed) {
    MR_CHECK(options.ticker_count > 0 && options.ticker_count <= 26 * 26);
    MR_CHECK(options.partition_count > 0 && options.events_per_second > 0);
    input_.options = options;
    for (std::int32_t i = 0; i < options.partition_count; ++i) {
      partitions_.push_back({PlainBatchWriter(options.is_lz4), 0, {}});
    }
    for (std::int32_t i = 0; i < options.ticker_count; ++i) {
      const std::string ticker = {'T', static_cast<char>('A' + i / 26),
                                  static_cast<char>('A' + i % 26)};
      input_.sectors.push_back({ticker, std::string(kSectors[i % kSectors.size()])});
    }
  }

  TickInput run() {
    for (std::int64_t i = 0; i < options_.event_count; ++i) add_event(i);
    for (std::int32_t i = 0; i < options_.partition_count; ++i) flush(i);
    for (const auto& [key, window] : windows_) {
      auto& totals = input_.expected.windows;
      totals.window_count += 1;
      totals.event_count += window.event_count;
      totals.volume_sum += window.volume_sum;
      totals.price_sum += window.price_sum;
      totals.price_min_sum += window.price_min;
      totals.price_max_sum += window.price_max;
    }
    return std::move(input_);
  }

 private:
  void add_event(std::int64_t index) {
    const auto& ticker = input_.sectors[random_.below(input_.sectors.size())].ticker;
    const auto partition_index = partition_for_key(ticker, options_.partition_count);
    auto& partition = partitions_[static_cast<std::size_t>(partition_index)];
    auto& expected = input_.expected;
    expected.event_count += 1;
    now_ms_ = kFirstEventMs + index * 1'000 / options_.events_per_second;
    auto time_ms = now_ms_ - static_cast<std::int64_t>(random_.below(kDisorderMs));

    // Duplicates and late events need something in front of them.
    const bool has_past = !partition.repeatable.empty();
    if (random_.one_in(options_.bad_one_in)) {
      expected.bad_count += 1;
      append(partition_index, ticker, bad_event(ticker, time_ms));
    } else if (random_.one_in(options_.duplicate_one_in) && has_past) {
      expected.duplicate_count += 1;
      const auto [key, value] = partition.repeatable[random_.below(partition.repeatable.size())];
      append(partition_index, key, value);
    } else {
      const bool is_late =
          random_.one_in(options_.late_one_in) && partition.repeatable.size() >= kEventsBeforeLate;
      if (is_late) time_ms -= kLateByMs;
      const auto price_cents = static_cast<std::int64_t>(10'000 + random_.below(20'000));
      const auto volume = static_cast<std::int64_t>(1 + random_.below(900));
      const auto value = event(ticker, time_ms, price_cents, volume);
      append(partition_index, ticker, value);
      if (is_late) {
        expected.late_count += 1;
        return;
      }
      count(ticker, time_ms, price_cents * 100, volume);
      partition.repeatable.emplace_back(ticker, value);
      if (partition.repeatable.size() > kRepeatableEventsMax) partition.repeatable.pop_front();
    }
  }

  void count(const std::string& ticker, std::int64_t time_ms, std::int64_t price,
             std::int64_t volume) {
    auto& window = windows_[{ticker, time_ms / kMinuteMs}];
    window.event_count += 1;
    window.volume_sum += volume;
    window.price_sum += price;
    window.price_min = std::min(window.price_min, price);
    window.price_max = std::max(window.price_max, price);
  }

  std::string event(const std::string& ticker, std::int64_t time_ms, std::int64_t price_cents,
                    std::int64_t volume) {
    const auto since_midnight_ms = time_ms - kFirstEventMs + 9 * 3'600'000;
    const auto day = 13 + since_midnight_ms / 86'400'000;
    const auto in_day_ms = since_midnight_ms % 86'400'000;
    MR_CHECK(since_midnight_ms >= 0 && day <= 31);  // the stream stays within January
    std::array<char, 256> text{};
    const auto bytes = std::snprintf(
        text.data(), text.size(),
        R"({"event_id":"%016llx%08llx","timestamp":"2026-01-%02lldT%02lld:%02lld:%02lld.%03lldZ",)"
        R"("ticker":"%s","price":"%s%lld.%02lld","volume":%lld,"source":"lobster"})",
        static_cast<unsigned long long>(random_.next()),
        static_cast<unsigned long long>(random_.next() >> 32), static_cast<long long>(day),
        static_cast<long long>(in_day_ms / 3'600'000),
        static_cast<long long>(in_day_ms / 60'000 % 60),
        static_cast<long long>(in_day_ms / 1'000 % 60), static_cast<long long>(in_day_ms % 1'000),
        ticker.c_str(), price_cents < 0 ? "-" : "", std::llabs(price_cents) / 100,
        std::llabs(price_cents) % 100, static_cast<long long>(volume));
    MR_CHECK(bytes > 0 && static_cast<std::size_t>(bytes) < text.size());
    return {text.data(), static_cast<std::size_t>(bytes)};
  }

  std::string bad_event(const std::string& ticker, std::int64_t time_ms) {
    const auto kind = random_.below(3);
    if (kind == 0) return event(ticker, time_ms, -12'345, 7);
    auto text = event(ticker, time_ms, 12'345, 7);
    if (kind == 1) return text.substr(0, text.size() / 2);
    const std::string_view volume = R"("volume":7,)";
    return text.erase(text.find(volume), volume.size());
  }

  void append(std::int32_t partition_index, std::string_view key, const std::string& value) {
    auto& writer = partitions_[static_cast<std::size_t>(partition_index)].writer;
    writer.append(key, value);
    input_.json_bytes += static_cast<std::int64_t>(value.size());
    if (writer.record_count() == options_.batch_record_count) flush(partition_index);
  }

  void flush(std::int32_t partition_index) {
    auto& partition = partitions_[static_cast<std::size_t>(partition_index)];
    const auto record_count = partition.writer.record_count();
    if (record_count == 0) return;
    TickBatch batch{partition_index, record_count, partition.next_offset, {}};
    partition.writer.finish(partition.next_offset, now_ms_, batch.bytes);
    batch.bytes.shrink_to_fit();
    partition.next_offset += record_count;
    input_.batches.push_back(std::move(batch));
  }

  TickOptions options_;
  Random random_;
  std::int64_t now_ms_ = kFirstEventMs;  // when the event at hand is sent
  TickInput input_;
  std::vector<Partition> partitions_;
  std::map<std::pair<std::string, std::int64_t>, WindowTwin> windows_;
};

}  // namespace

TickInput generate_ticks(const TickOptions& options) {
  return Generator(options).run();
}

}  // namespace millrace::bench
