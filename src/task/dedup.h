#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/coding.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/time.h"
#include "task/fingerprint_index.h"
#include "task/id_run.h"
#include "task/open_ids.h"

namespace millrace::task {

// Which event ids were seen, by 128-bit hashes keyed with the pipeline's secret. An id is filed
// under the watermark at its arrival, in a bucket of ttl / 24, and counts as seen until the
// watermark passes that bucket's end + ttl (R16): what a look-up answers depends only on the
// records before it, never on where an id is kept:
//
//   open ids        what came since the last seal, in memory
//   sealed runs     all others, by bucket; immutable, sorted, kept by the runtime
//   fingerprints    35 bits and the bucket's tag of all of them: says which runs to ask, if any;
//                   less of the oldest buckets where a bound of memory asks for it
//
// Sealing, storing, merging and dumping may happen at any time between two inserts, and the bound
// may change. The runtime
// stores what take_sealed_runs() gives and attaches a reader for each; until then a run stays
// readable in memory. One thread at a time.
class Dedup {
 public:
  static constexpr std::size_t kOpenIdsMax = std::size_t{128} << 10;  // by default
  // A snapshot holds up to so many open ids itself (256 KiB); more are sealed before it.
  static constexpr std::size_t kSnapshotIdsMax = std::size_t{16} << 10;

  Dedup(std::int64_t ttl_us, std::uint64_t hash_secret);

  // Open ids are sealed at this count; 1 to OpenIds::kIdsMax.
  void set_open_ids_max(std::size_t count);

  // Bounds the memory of the fingerprints; without a bound at first. Set it before a restore, too.
  void set_fingerprint_bytes_max(std::size_t bytes) { fingerprints_.set_bytes_max(bytes); }
  // About what the fingerprints would need so that no bound is in force.
  [[nodiscard]] std::size_t fingerprint_bytes_wanted() const;
  // Whether one is.
  [[nodiscard]] bool is_bounded() const { return fingerprints_.is_bounded(); }
  // Memory that is no longer needed goes with every insert; here more of it, in so many steps. True
  // while there is more to do.
  bool tidy(std::size_t steps);

  // What an id is filed under.
  [[nodiscard]] Hash128 hash_of(std::string_view id) const { return hash128(id, hash_secret_); }
  // Fetches what insert() will look at; worth its while a few inserts ahead.
  void prefetch(const Hash128& id) const {
    open_.prefetch(id);
    if (has_fingerprints_) fingerprints_.prefetch(FingerprintTable::fingerprint_of(id));
  }
  // Files the id if it is new. Returns whether it was new. `watermark` never goes back between
  // calls. An error is that of a run's reader: the id is not filed.
  Result<bool> insert(const Hash128& id, EventTime watermark);

  struct Counts {
    std::uint64_t live_ids = 0;  // open and sealed; a function of the input
    std::uint64_t open_ids = 0;
    std::uint64_t runs = 0;
    std::uint64_t unattached_runs = 0;
    std::uint64_t fingerprints = 0;
    std::uint64_t fingerprint_bytes = 0;
    std::uint64_t fingerprint_bytes_max = FingerprintIndex::kNoBound;
    std::uint64_t compact_ids = 0;     // about so many have but a byte, because of the bound
    std::uint64_t unlisted_ids = 0;    // in buckets that have nothing
    std::uint64_t run_lookups = 0;     // since the start: runs asked for an id
    std::uint64_t direct_lookups = 0;  // of these, because there was no fingerprint to say no
  };
  [[nodiscard]] Counts counts() const;
  [[nodiscard]] std::size_t unattached_runs() const { return unattached_count_; }

  // Moves all open ids into runs.
  void seal();
  // To be called right before snapshot().
  void prepare_snapshot() {
    if (open_.live().size() > kSnapshotIdsMax) seal();
  }
  // Each once: what was sealed since the last call.
  std::vector<std::shared_ptr<const SealedRun>> take_sealed_runs();
  // From now on the run is read through `reader`. False: there is no such run any more.
  bool attach_run(const Hash128& content, std::shared_ptr<IdRunReader> reader);

  struct RunState {
    IdRunName name;
    std::int64_t bucket = 0;
    bool is_newest_bucket = false;  // it may still get runs
    bool is_readable = false;       // from memory, or through a reader
    bool is_attached = false;
    bool is_covered = false;   // by the last dump of fingerprints
    bool is_unlisted = false;  // its ids get no fingerprints
  };
  [[nodiscard]] std::vector<RunState> runs() const;
  // Changes whenever runs() does.
  [[nodiscard]] std::uint64_t runs_version() const { return runs_version_; }
  // The ids of the inputs, all of one bucket, are in `merged` now. False when one of them is gone:
  // nothing is replaced.
  bool replace_runs(std::span<const IdRunName> inputs, const IdRunName& merged,
                    std::shared_ptr<IdRunReader> reader);

  // Of a task that follows another one: `owner` is what that one's snapshot restored, of a place
  // that this one has passed. What the owner had in runs then is in the same ones here, which need
  // a reader where they are new, and no longer among the open ids. Of an owner that had no
  // watermark then nothing is taken. An error: the two are not of one history, and this one of no
  // more use.
  Status follow_runs(const Dedup& owner);

  // A dump of the fingerprints in parts, named by the runtime, saves a restore the reading of the
  // runs it covers: those that were there at begin_dump().
  struct DumpPart {
    Hash128 content;
    std::uint64_t bytes = 0;
  };
  void begin_dump();
  // Appends up to about `bytes_max` to a part, which begins empty.
  using DumpStep = FingerprintIndex::DumpStep;
  DumpStep continue_dump(std::size_t bytes_max, std::string& out);
  // All parts are stored. Snapshots name them from now on.
  void finish_dump(std::vector<DumpPart> parts);
  void abandon_dump() { fingerprints_.end_dump(); }
  [[nodiscard]] bool is_dumping() const { return fingerprints_.is_dumping(); }
  [[nodiscard]] const std::vector<DumpPart>& dump_parts() const { return dump_parts_; }
  // Ids of runs that the last dump does not cover, and another one would.
  [[nodiscard]] std::uint64_t uncovered_ids() const;

  // The snapshot names TTL and secret by a hash; `invalid` when they were others. After a restore
  // each run needs a reader; then begin_fingerprints(), each dump part, the last one first, and
  // end_dump_parts(); should one of these fail, or a part be missing, begin_fingerprints() again
  // without the dump and end_dump_parts(); then the ids of each run that the dump does not cover
  // and that is not unlisted, and finish_fingerprints(), all before the first insert.
  void snapshot(Encoder& to) const;
  Status restore(Decoder& from);
  void begin_fingerprints(bool has_dump);
  Status load_dump_part(std::string_view bytes) { return fingerprints_.load(bytes); }
  Status end_dump_parts() { return fingerprints_.end_dump_load(); }
  void add_fingerprints(const Hash128& run, std::span<const Hash128> ids);
  void finish_fingerprints();

 private:
  // Before the first watermark ids are filed here; it is older than every real bucket.
  static constexpr std::int64_t kBeforeWatermark = std::numeric_limits<std::int64_t>::min();

  struct Run {
    IdRunName name;
    std::shared_ptr<IdRunReader> reader;  // null only right after a restore
    bool is_attached = false;
    bool is_covered = false;
    bool is_being_covered = false;  // by the dump in progress
  };
  struct Bucket {
    std::int64_t number = 0;  // watermark / bucket width, floored
    std::uint8_t tag = 0;     // of its fingerprints, for its life
    std::uint64_t id_count = 0;
    std::size_t open_count = 0;
    std::vector<Run> runs;  // oldest first
  };

  // Of what the ids in a snapshot depend on. Tells nothing about the secret.
  [[nodiscard]] Hash128 definition_hash() const;
  [[nodiscard]] std::int64_t bucket_of(EventTime watermark) const;
  [[nodiscard]] bool is_in_range(std::int64_t bucket_number) const;
  [[nodiscard]] std::int64_t end_of(const Bucket& bucket) const;
  void expire(EventTime watermark);
  void find_next_expiry();
  Bucket& bucket_for(EventTime watermark);
  Bucket& add_bucket(std::int64_t number);
  Result<bool> is_in_runs(const Hash128& id, FingerprintIndex::Found found);
  void fit_fingerprints();
  [[nodiscard]] Run* find_run(const Hash128& content);
  static Status check_follows(const Bucket& bucket, const Bucket& owners);
  void take_runs(Bucket& bucket, const Bucket& owners);
  void set_live_tags();
  void mark(const Bucket& bucket, std::span<const Hash128> ids);
  void insert_marked();
  Status restore_definition(Decoder& from);
  Status restore_bucket(Decoder& from);

  std::int64_t ttl_us_;
  std::int64_t bucket_us_;
  std::uint64_t hash_secret_;
  std::size_t open_ids_max_ = kOpenIdsMax;

  OpenIds open_;                // in the order of the buckets, too
  std::deque<Bucket> buckets_;  // ascending numbers
  std::uint8_t next_tag_ = 0;
  std::int64_t next_expiry_;      // a watermark above it changes something
  std::int64_t filing_from_ = 0;  // watermarks in [from, until) belong to the newest bucket
  std::int64_t filing_until_ = 0;
  std::uint64_t live_count_ = 0;

  // Nothing is sealed before the first run, so that small tasks never pay for fingerprints; from
  // then on ids get theirs as they arrive, and those that were there before at the next seal.
  bool has_fingerprints_ = false;
  std::size_t without_fingerprint_ = 0;  // that many of the oldest open ids, expired ones included
  FingerprintIndex fingerprints_;
  std::vector<FingerprintTable::Marked> marked_;  // read from runs, not inserted yet
  std::uint64_t run_lookups_ = 0;
  std::uint64_t direct_lookups_ = 0;

  std::vector<std::shared_ptr<const SealedRun>> sealed_;  // not taken yet
  std::size_t unattached_count_ = 0;
  std::uint64_t runs_version_ = 0;
  std::size_t dump_blocks_ = 0;  // of the table that dump_parts_ came from
  std::vector<DumpPart> dump_parts_;
};

}  // namespace millrace::task
