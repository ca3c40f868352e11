#pragma once

#include <cstdint>
#include <string>

#include "runtime/dedup_memory.h"
#include "sim/scheduler.h"
#include "sim/sim_disk.h"
#include "sim/sim_store.h"
#include "task/dedup.h"

namespace millrace::sim {

// What one seed's world is like. Every seed leaves most faults out: with all of them at once hardly
// anything would get far (Groce et al., "Swarm testing", ISSTA 2012).
struct Profile {
  std::uint64_t seed = 1;
  SchedulerOptions scheduler;

  // The process.
  int parallelism = 2;
  std::int64_t checkpoint_interval_ms = 500;
  std::uint64_t wal_file_bytes = 32 << 10;
  std::size_t unsynced_bytes_max = 1 << 20;
  std::size_t tail_cache_bytes = 1 << 20;
  std::int64_t maintenance_interval_ms = 200;
  std::int64_t segment_bytes = 8 << 10;
  std::int64_t retention_ms = -1;  // of the topics that users see
  bool has_directory_store = false;
  std::size_t dedup_open_ids_max = task::Dedup::kOpenIdsMax;
  std::size_t dedup_memory_bytes_max = runtime::kDedupMemoryBytesMax;

  // The pipelines.
  int tick_partitions = 2;
  int order_partitions = 2;
  bool is_live = true;  // event times follow the wall clock; else they are years old
  bool drops_duplicates = false;
  std::string idle_advance = "auto";

  // The workload.
  int lives = 5;
  std::int64_t life_ms_max = 2000;
  int events_per_partition = 40;
  std::uint32_t bad_one_in = 12;
  std::uint32_t duplicate_one_in = 10;
  std::uint32_t late_one_in = 10;
  std::uint32_t pause_one_in = 20;
  bool has_names = false;  // somebody names snapshots and goes back to them

  // The faults.
  DiskFaults disk;
  StoreFaults store;
  std::uint32_t full_disk_one_in = 0;   // lives in which the disk is full for a while
  std::uint32_t store_lost_one_in = 0;  // restarts that find no online store
  std::uint32_t store_away_one_in = 0;  // lives in which the object store is away for a while
  std::uint32_t flip_one_in = 0;        // restarts that find a flipped bit
  std::uint32_t clock_back_one_in = 0;  // lives in which the wall clock is set back
  std::uint32_t clean_stop_one_in = 4;
  std::uint32_t upgrade_one_in = 0;       // of clean stops
  std::uint32_t table_change_one_in = 0;  // of restarts
};

Profile make_profile(std::uint64_t seed);
// One line.
std::string describe(const Profile& profile);

}  // namespace millrace::sim
