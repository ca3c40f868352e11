#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/coding.h"
#include "base/status.h"
#include "base/time.h"
#include "codec/record_batch.h"
#include "model/topic.h"

namespace millrace::log {

// What one idempotent producer has appended to one partition: its newest five batches, so that a
// retry of any request a Kafka client may have in flight is answered with the offset it got the
// first time.
class ProducerEntry {
 public:
  static constexpr std::size_t kBatchesKept = 5;

  struct Batch {
    std::int32_t first_sequence = 0;
    std::int32_t last_sequence = 0;
    Offset base_offset;
    bool operator==(const Batch&) const = default;
  };

  // The old base offset when `header` repeats a kept batch, nothing when it may be appended.
  // `fenced` for an older epoch; `out_of_sequence`, naming the expected one, for a gap or a
  // sequence too old to be remembered. An unknown producer may start anywhere (its state may have
  // expired); a new epoch starts at 0.
  [[nodiscard]] Result<std::optional<Offset>> check(const codec::BatchHeader& header) const;
  // After `check` gave nothing.
  void appended(const codec::BatchHeader& header, Offset base_offset, WallTime append_time);
  // A transaction's marker: `fenced` for an older epoch. A newer one counts from then on, from
  // sequence 0.
  [[nodiscard]] Status check_marker(ProducerId id, ProducerEpoch epoch) const;
  void ended(ProducerEpoch epoch, WallTime append_time);

  [[nodiscard]] WallTime last_append_time() const { return last_append_time_; }
  [[nodiscard]] ProducerEpoch epoch() const { return epoch_; }
  [[nodiscard]] std::int32_t next_sequence() const;
  // -1: no batch of this epoch.
  [[nodiscard]] std::int32_t last_sequence() const;

  void encode(Encoder& to) const;
  static ProducerEntry decode(Decoder& from);
  bool operator==(const ProducerEntry&) const = default;

 private:
  [[nodiscard]] Status refuse(const codec::BatchHeader& header) const;

  ProducerEpoch epoch_ = kNoProducerEpoch;
  WallTime last_append_time_{};
  std::uint8_t count_ = 0;  // of batches_, oldest first
  std::array<Batch, kBatchesKept> batches_{};
};

// The producers of one partition. Not thread-safe.
class ProducerTable {
 public:
  [[nodiscard]] const ProducerEntry* find(ProducerId id) const;
  void set(ProducerId id, const ProducerEntry& entry) { entries_[id] = entry; }
  // Forgets producers whose last batch or marker is older than `before`, but not those that
  // `is_needed` names.
  void expire(WallTime before, const std::function<bool(ProducerId)>& is_needed);
  [[nodiscard]] std::vector<ProducerId> ids() const;  // ascending
  [[nodiscard]] std::size_t count() const { return entries_.size(); }

  void encode(Encoder& to) const;  // by ascending id
  static ProducerTable decode(Decoder& from);
  bool operator==(const ProducerTable&) const = default;

 private:
  std::unordered_map<ProducerId, ProducerEntry> entries_;
};

// A producer idle for this long (of append time) may be forgotten, as Kafka's
// producer.id.expiration.ms, but long enough for a client that was off over a weekend.
inline constexpr std::int64_t kProducerExpiryMs = 7LL * 86'400'000;

}  // namespace millrace::log
