#include "log/transaction_state.h"

#include <algorithm>

#include "base/check.h"

namespace millrace::log {

void TransactionTable::begin(ProducerId id, Offset offset) {
  if (!open_.emplace(id, offset).second) return;
  MR_CHECK(open_firsts_.insert(offset).second);
}

void TransactionTable::end(ProducerId id, Offset marker, bool is_commit) {
  const auto open = open_.find(id);
  if (open == open_.end()) return;
  const Offset first = open->second;
  MR_CHECK(first < marker && (ended_.empty() || ended_.back().marker < marker));
  MR_CHECK(aborted_.empty() || aborted_.back().transaction.marker < marker);
  open_firsts_.erase(first);
  open_.erase(open);
  ended_.push_back({first, marker});
  if (is_commit) return;
  aborted_.push_back({.transaction = {.producer = id, .first = first, .marker = marker},
                      .stable_after = first_open(marker + 1)});
}

void TransactionTable::settle(Offset durable_end) {
  while (!ended_.empty() && ended_.front().marker < durable_end) ended_.pop_front();
}

bool TransactionTable::forget_below(Offset offset) {
  bool has_forgotten = false;
  for (; !aborted_.empty() && aborted_.front().transaction.marker < offset; aborted_.pop_front()) {
    has_forgotten = true;
  }
  return has_forgotten;
}

std::optional<Offset> TransactionTable::open_since(ProducerId id) const {
  const auto open = open_.find(id);
  return open == open_.end() ? std::nullopt : std::optional(open->second);
}

Offset TransactionTable::first_open(Offset otherwise) const {
  return open_firsts_.empty() ? otherwise : std::min(otherwise, *open_firsts_.begin());
}

Offset TransactionTable::stable(Offset limit) const {
  Offset first = first_open(limit);
  for (auto at = ended_.rbegin(); at != ended_.rend() && at->marker >= limit; ++at) {
    first = std::min(first, at->first);
  }
  return first;
}

const AbortedTransaction* TransactionTable::find_aborted(ProducerId id, Offset offset) const {
  auto at = std::partition_point(aborted_.begin(), aborted_.end(), [&](const Aborted& aborted) {
    return aborted.transaction.marker <= offset;
  });
  for (; at != aborted_.end(); ++at) {
    const AbortedTransaction& transaction = at->transaction;
    if (transaction.producer == id && transaction.first <= offset) return &transaction;
    if (at->stable_after > offset) return nullptr;
  }
  return nullptr;
}

std::vector<AbortedTransaction> TransactionTable::aborted(Offset from, Offset until) const {
  std::vector<AbortedTransaction> out;
  auto at = std::partition_point(aborted_.begin(), aborted_.end(), [&](const Aborted& aborted) {
    return aborted.transaction.marker < from;
  });
  for (; at != aborted_.end(); ++at) {
    if (at->transaction.first < until) out.push_back(at->transaction);
    if (at->stable_after >= until) break;
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return out;
}

void TransactionTable::encode(Encoder& to) const {
  to.varint(open_.size());
  for (const auto& [id, first] : open_) {
    to.zigzag(id.value);
    to.zigzag(first.value);
  }
  to.varint(aborted_.size());
  for (const auto& [transaction, stable_after] : aborted_) {
    to.zigzag(transaction.producer.value);
    to.zigzag(transaction.first.value);
    to.zigzag(transaction.marker.value);
    to.zigzag(stable_after.value);
  }
}

Result<TransactionTable> TransactionTable::decode(Decoder& from, Offset end) {
  TransactionTable table;
  bool is_possible = true;
  const std::uint64_t open_count = from.varint();
  for (std::uint64_t i = 0; i < open_count && !from.has_failed() && is_possible; ++i) {
    const ProducerId id(from.zigzag());
    const Offset first(from.zigzag());
    is_possible = first.value >= 0 && first < end && !table.open_.contains(id) &&
                  !table.open_firsts_.contains(first);
    if (is_possible) table.begin(id, first);
  }
  const std::uint64_t aborted_count = from.varint();
  for (std::uint64_t i = 0; i < aborted_count && !from.has_failed() && is_possible; ++i) {
    Aborted aborted;
    aborted.transaction.producer = ProducerId(from.zigzag());
    aborted.transaction.first = Offset(from.zigzag());
    aborted.transaction.marker = Offset(from.zigzag());
    aborted.stable_after = Offset(from.zigzag());
    const AbortedTransaction& transaction = aborted.transaction;
    is_possible =
        transaction.first.value >= 0 && transaction.first < transaction.marker &&
        transaction.marker < end && aborted.stable_after.value >= 0 &&
        (table.aborted_.empty() || table.aborted_.back().transaction.marker < transaction.marker);
    table.aborted_.push_back(aborted);
  }
  if (from.has_failed() || !is_possible) {
    return corrupt_error("a partition's transactions have impossible values");
  }
  return table;
}

}  // namespace millrace::log
