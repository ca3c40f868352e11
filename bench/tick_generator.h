#pragma once

#include <cstdint>
#include <string>
#include <vector>

// The input of the ticks benchmarks: seeded, the same bytes for the same options on every machine.
// An event is a JSON object of about 140 bytes,
//
//   {"event_id":"5d21f1f0ab0c7a53e9b1c0de","timestamp":"2026-01-13T09:00:00.017Z","ticker":"TAC",
//    "price":"223.82","volume":21,"source":"lobster"}
//
// keyed by ticker, spread over the partitions by Kafka's default partitioner. Event time runs on
// evenly, up to five seconds out of order. One event in `bad_one_in` is bad (cut off, without a
// volume, or with a negative price), one in `duplicate_one_in` repeats an earlier one of its
// partition byte for byte, one in `late_one_in` is 20 minutes old: later than 30 s out-of-orderness
// plus 10 min lateness allow.

namespace millrace::bench {

struct TickOptions {
  std::uint64_t seed = 1;
  std::int64_t event_count = 1'000'000;
  std::int32_t ticker_count = 200;  // at most 676
  std::int32_t partition_count = 8;
  std::int32_t batch_record_count = 500;
  std::int64_t events_per_second = 1'000;  // of event time
  std::uint64_t bad_one_in = 100;
  std::uint64_t duplicate_one_in = 100;
  std::uint64_t late_one_in = 100;
  bool is_lz4 = true;
};

// Sums over all one-minute windows per ticker; prices in 1/10000.
struct WindowTotals {
  std::int64_t window_count = 0;
  std::int64_t event_count = 0;
  std::int64_t volume_sum = 0;
  std::int64_t price_sum = 0;
  std::int64_t price_min_sum = 0;
  std::int64_t price_max_sum = 0;
  bool operator==(const WindowTotals&) const = default;
};

// What the job must make of the input.
struct TickTallies {
  std::int64_t event_count = 0;
  std::int64_t bad_count = 0;
  std::int64_t duplicate_count = 0;
  std::int64_t late_count = 0;  // in the enriched output, but in no window
  WindowTotals windows;
  bool operator==(const TickTallies&) const = default;
};

struct TickBatch {
  std::int32_t partition = 0;
  std::int32_t record_count = 0;
  std::int64_t base_offset = 0;
  std::string bytes;  // one Kafka record batch v2
};

struct Sector {
  std::string ticker;
  std::string sector;
};

struct TickInput {
  TickOptions options;
  std::vector<Sector> sectors;     // the table of the enrichment
  std::vector<TickBatch> batches;  // in the order in which they were filled
  std::int64_t json_bytes = 0;
  TickTallies expected;
};

// Uses about 90 bytes of memory per event with LZ4.
TickInput generate_ticks(const TickOptions& options);

}  // namespace millrace::bench
