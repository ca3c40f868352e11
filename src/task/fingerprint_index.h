#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "task/fingerprint_table.h"
#include "task/id_filter.h"

namespace millrace::task {

// What memory knows of the ids in runs, by the tag of their bucket, within a bound of bytes
// (docs/decisions/0007). The ids of a tag are
//
//   listed     in the table: a look-up is wrong with a probability of 1 in a thousand or less
//   compact    in a filter: a byte an id instead of 3.5, and wrong once in forty
//   unlisted   not in memory at all: runs are asked for every id
//
// Over the bound the oldest tags become compact, and when all are, the oldest become unlisted. They
// never go back. Nothing is ever forgotten, so the answer of a look-up in runs is the same whatever
// is in memory. One thread at a time.
class FingerprintIndex {
 public:
  static constexpr std::size_t kNoBound = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t kFiltersMax = 64;

  struct Found {
    std::uint32_t listed = 0;   // tags that have this fingerprint
    std::uint32_t perhaps = 0;  // others of which only their runs can say
  };
  void prefetch(std::uint64_t fingerprint) const;
  [[nodiscard]] Found find(std::uint64_t fingerprint) const;
  // Does nothing for an unlisted tag.
  void insert(std::uint64_t fingerprint, unsigned tag);
  void insert_if_absent(std::uint64_t fingerprint, unsigned tag);

  // Tags of live buckets, oldest first; with several of one tag it stands for all of them.
  // Everything of other tags goes, bit by bit with tidy() and every insert.
  void set_live(std::span<const unsigned> tags);

  // With fit() called whenever is_too_large(), byte_count() stays below the bound, except for the
  // 20 KB that a table takes at least, and for a while after the bound was lowered.
  void set_bytes_max(std::size_t bytes) { bytes_max_ = bytes; }
  [[nodiscard]] bool is_too_large() const {
    return byte_count() > limit() && !table_.is_sweeping() && unlisted_ != live_ &&
           (is_dumping() || !table_.is_sparse());
  }
  void fit();
  // Sweeps or joins up to so many blocks. True while there is more to be done.
  bool tidy(std::size_t blocks);

  [[nodiscard]] bool is_unlisted(unsigned tag) const { return (unlisted_ >> tag & 1) != 0; }
  [[nodiscard]] bool is_bounded() const { return unlisted_ != 0 || !filters_.empty(); }
  [[nodiscard]] std::size_t listed_count() const { return table_.size(); }
  [[nodiscard]] std::size_t compact_count() const;
  [[nodiscard]] std::size_t byte_count() const { return table_.byte_count() + filter_bytes_; }
  [[nodiscard]] std::size_t bytes_max() const { return bytes_max_; }
  // The bound under which so many ids can all be listed.
  static std::size_t bytes_wanted(std::uint64_t ids) { return bytes_of_listed(ids) / 7 * 8; }

  // A dump: table, then filters, in parts of about `bytes_max`. What was in memory when it began is
  // in it, except what is unlisted by its end, or expired. Meanwhile the table is not joined.
  void begin_dump();
  // A part, which begins with an empty `out`, is of the table or of filters, as its head says.
  enum class DumpStep : std::uint8_t { more, part_ends, done };
  DumpStep continue_dump(std::size_t bytes_max, std::string& out);
  void end_dump() { dump_.reset(); }
  [[nodiscard]] bool is_dumping() const { return dump_.has_value(); }
  // Of the table that was dumped: the shape that a load begins with.
  [[nodiscard]] std::size_t block_count() const { return table_.block_count(); }

  // Loads a dump into an emptied index, from its last part to its first: so filters come before it
  // is decided for what else there is room. `ids` of each live tag, oldest first, are what dump and
  // runs have together, `dumped_blocks` is 0 without a dump. Tags that are not in `covered` are
  // ignored in dumps.
  struct TagIds {
    unsigned tag = 0;
    std::uint64_t ids = 0;
  };
  void begin_load(std::vector<TagIds> ids, std::uint32_t covered, std::size_t dumped_blocks);
  // `corrupt` and `unsupported`: begin again without a dump.
  Status load(std::string_view part);
  // All parts are loaded, `corrupt` when something of a filter is missing. Only now it is known
  // which tags are unlisted.
  Status end_dump_load() { return plan_load(); }
  // An id that was read from a run. False when it is to be given to insert_all(), with others.
  bool take_loaded(std::uint64_t fingerprint, unsigned tag);
  void insert_all(std::span<const FingerprintTable::Marked> entries) {
    table_.insert_all_if_absent(entries);
  }
  void end_load();

 private:
  struct Filter {
    unsigned tag = 0;
    std::uint32_t number = 0;  // of those of this index, ascending
    IdFilter ids;
    std::size_t loaded_blocks = 0;  // of a dump
  };
  struct Dump {
    std::size_t block = 0;
    bool is_in_filters = false;
    std::uint32_t filter = 0;  // number
    std::size_t filter_block = 0;
  };
  struct Load {
    std::vector<TagIds> ids;
    std::uint32_t covered = 0;
    std::size_t dumped_blocks = 0;
    bool is_planned = false;
  };

  struct FilterPiece {
    unsigned tag = 0;
    std::uint32_t number = 0;
    std::uint64_t ids = 0;
    std::size_t blocks = 0;
    std::size_t first = 0;
    std::string_view bytes;
  };

  static std::size_t bytes_of_listed(std::uint64_t ids);
  // What fit() keeps below: a sweep may then take an eighth of the bound for new filters.
  [[nodiscard]] std::size_t limit() const { return bytes_max_ - bytes_max_ / 8; }
  void add_filter(unsigned tag, IdFilter ids);
  void erase_filters(std::uint32_t tags);
  bool take(std::uint64_t fingerprint, unsigned tag);
  [[nodiscard]] std::size_t listed_bytes(unsigned tag) const;
  std::size_t compact_some(std::size_t excess);
  void unlist_some(std::size_t excess);
  Status plan_load();
  Status load_filters(std::string_view pieces);
  Status load_piece(const FilterPiece& piece);
  [[nodiscard]] std::uint64_t filter_blocks_max(unsigned tag) const;
  bool dump_filters(std::size_t bytes_max, std::string& out);
  Filter* filter_of(unsigned tag);

  FingerprintTable table_;
  std::vector<Filter> filters_;
  std::size_t filter_bytes_ = 0;
  std::uint32_t next_number_ = 0;
  std::vector<unsigned> tags_;  // live, oldest first
  std::uint32_t live_ = 0;
  std::uint32_t unlisted_ = 0;
  std::uint32_t taken_ = 0;  // entries of these go from the table to their newest filter
  std::size_t bytes_max_ = kNoBound;
  std::optional<Dump> dump_;
  std::optional<Load> load_;
};

}  // namespace millrace::task
