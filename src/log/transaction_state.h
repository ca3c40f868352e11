#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/coding.h"
#include "log/log.h"

namespace millrace::log {

// The transactions of one partition: those that are open, and, of those that have ended, which ones
// were aborted. Not thread-safe.
//
// A transaction here is Kafka's view of one partition: it begins with the producer's first
// transactional batch and ends with a marker. Offsets are those of batches.
class TransactionTable {
 public:
  // --- changes, in the order of the offsets ---
  // A transactional batch stands at `offset`. Nothing if its producer has a transaction open.
  void begin(ProducerId id, Offset offset);
  // A marker stands at `marker`. Nothing if its producer has none open.
  void end(ProducerId id, Offset marker, bool is_commit);
  // Markers below are durable: nobody asks for `stable` with a lower limit again.
  void settle(Offset durable_end);
  // Forgets the aborted transactions whose marker stands below: nothing of theirs is left. True if
  // there were any.
  bool forget_below(Offset offset);

  [[nodiscard]] std::optional<Offset> open_since(ProducerId id) const;
  // The first offset of any transaction that has not ended below `limit`, at most `limit`. It never
  // decreases with a growing limit: a transaction whose marker is not yet durable is open to those
  // who see only what is.
  [[nodiscard]] Offset stable(Offset limit) const;
  // The aborted transaction that a transactional batch belongs to, or null. The pointer lives until
  // the next change.
  [[nodiscard]] const AbortedTransaction* find_aborted(ProducerId id, Offset offset) const;
  [[nodiscard]] std::vector<AbortedTransaction> aborted(Offset from, Offset until) const;
  [[nodiscard]] std::size_t open_count() const { return open_.size(); }

  // Open and aborted transactions; everything in it must be durable.
  void encode(Encoder& to) const;
  // `from` fails when what it reads cannot be.
  static Result<TransactionTable> decode(Decoder& from, Offset end);
  bool operator==(const TransactionTable&) const = default;

 private:
  struct Ended {
    Offset first;
    Offset marker;
    bool operator==(const Ended&) const = default;
  };
  struct Aborted {
    AbortedTransaction transaction;
    // What stable() gave right behind the marker: every transaction that ends later begins at or
    // above it, which ends a search.
    Offset stable_after;
    bool operator==(const Aborted&) const = default;
  };

  [[nodiscard]] Offset first_open(Offset otherwise) const;

  std::map<ProducerId, Offset> open_;
  std::set<Offset> open_firsts_;  // the offsets in open_
  std::deque<Ended> ended_;       // by marker, until it is durable
  std::deque<Aborted> aborted_;   // by marker
};

}  // namespace millrace::log
