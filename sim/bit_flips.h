#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/world.h"

namespace millrace::sim {

// Flips bits in what lies on the disk or in the object store between two lives, and flips them back
// after the next one: it must have noticed, or not have read them. Only where it can be noticed: in
// the write-ahead log before the newest group, in drained segments, in snapshots.
class BitFlips {
 public:
  explicit BitFlips(World& world) : world_(world) {}

  void flip();
  void heal();
  [[nodiscard]] bool empty() const { return flips_.empty(); }

 private:
  struct Flip {
    std::string path;  // of a file, or an object's key
    bool is_object = false;
    std::uint64_t position = 0;
    std::string around_before;  // the bytes around, as they were, and as they are now
    std::string around_after;
    std::uint64_t around_position = 0;
  };

  void flip_in_file(const std::string& path, std::uint64_t position);
  bool flip_in_wal();
  bool flip_in_segment();
  bool flip_in_snapshot();

  World& world_;
  std::vector<Flip> flips_;
};

}  // namespace millrace::sim
