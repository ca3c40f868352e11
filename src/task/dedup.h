#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "base/coding.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/time.h"

namespace millrace::task {

// Which event ids were seen, by 128-bit hashes keyed with the pipeline's secret. An id is filed
// under the watermark at its arrival, in a bucket of ttl / 24, and counts as seen until the
// watermark passes that bucket's end + ttl (R16): what a look-up answers depends only on the
// records before it.
class Dedup {
 public:
  Dedup(std::int64_t ttl_us, std::uint64_t hash_secret);

  // What an id is filed under.
  [[nodiscard]] Hash128 hash_of(std::string_view id) const { return hash128(id, hash_secret_); }

  // Files the id if it is new. Returns whether it was new. `watermark` never goes back between
  // calls.
  bool insert(const Hash128& id, EventTime watermark);

  [[nodiscard]] std::size_t live_ids() const { return ids_.size(); }

  // The snapshot names TTL and secret by a hash; `invalid` when they were others.
  void snapshot(Encoder& to) const;
  Status restore(Decoder& from);

 private:
  struct IdHash {
    using is_avalanching = void;
    std::size_t operator()(const Hash128& id) const { return id.low; }
  };
  struct Bucket {
    std::int64_t number;  // watermark / bucket width, floored
    std::vector<Hash128> ids;
  };

  // Of what the ids in a snapshot depend on. Tells nothing about the secret.
  [[nodiscard]] Hash128 definition_hash() const;
  [[nodiscard]] std::int64_t bucket_of(EventTime watermark) const;
  void expire(EventTime watermark);

  std::int64_t ttl_us_;
  std::int64_t bucket_us_;
  std::uint64_t hash_secret_;
  boost::unordered_flat_set<Hash128, IdHash> ids_;
  std::deque<Bucket> buckets_;  // ascending numbers
};

}  // namespace millrace::task
