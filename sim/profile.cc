#include "sim/profile.h"

#include <array>

#include "base/random.h"

namespace millrace::sim {
namespace {

template <typename T, std::size_t kCount>
T any_of(Random& random, const std::array<T, kCount>& choices) {
  return choices[random.below(kCount)];
}

}  // namespace

Profile make_profile(std::uint64_t seed) {
  Random random(seed * 0x9e3779b97f4a7c15ULL + 1);
  Profile p;
  p.seed = seed;
  p.scheduler.seed = random.next();
  p.scheduler.switch_one_in = any_of(random, std::array<std::uint32_t, 5>{1, 2, 4, 10, 40});
  p.scheduler.has_priorities = random.one_in(4);
  p.scheduler.step_ns = any_of(random, std::array<std::int64_t, 3>{200, 1000, 5000});
  p.scheduler.steps_max = 40'000'000;

  p.parallelism = 1 + static_cast<int>(random.below(3));
  p.checkpoint_interval_ms = any_of(random, std::array<std::int64_t, 5>{20, 100, 300, 1000, 10000});
  p.wal_file_bytes = any_of(random, std::array<std::uint64_t, 3>{16 << 10, 32 << 10, 128 << 10});
  p.unsynced_bytes_max = any_of(random, std::array<std::size_t, 3>{3 << 10, 16 << 10, 1 << 20});
  p.tail_cache_bytes = any_of(random, std::array<std::size_t, 3>{0, 8 << 10, 1 << 20});
  p.maintenance_interval_ms = any_of(random, std::array<std::int64_t, 4>{5, 50, 300, 2000});
  p.segment_bytes = any_of(random, std::array<std::int64_t, 3>{2 << 10, 8 << 10, 1 << 20});
  if (random.one_in(3)) p.retention_ms = 1000 + static_cast<std::int64_t>(random.below(3000));
  p.has_directory_store = random.one_in(3);

  p.tick_partitions = 1 + static_cast<int>(random.below(3));
  p.order_partitions = 1 + static_cast<int>(random.below(3));
  p.is_live = random.one_in(2);
  p.drops_duplicates = random.one_in(4);
  p.idle_advance = any_of(random, std::array<const char*, 3>{"auto", "on", "off"});

  p.lives = 3 + static_cast<int>(random.below(10));
  p.life_ms_max = any_of(random, std::array<std::int64_t, 4>{60, 300, 1500, 5000});
  p.events_per_partition = 10 + static_cast<int>(random.below(80));
  if (random.one_in(3)) p.late_one_in = 3;
  if (random.one_in(4)) p.pause_one_in = 5;

  const auto rarely = [&](std::uint32_t one_in_seeds, std::uint32_t one_in_calls) {
    return random.one_in(one_in_seeds) ? one_in_calls : 0U;
  };
  p.disk.read_error_one_in = rarely(6, 300);
  p.disk.write_error_one_in = rarely(6, 400);
  p.disk.sync_error_one_in = rarely(6, 200);
  p.disk.name_error_one_in = rarely(5, 100);
  p.disk.stall_one_in = rarely(4, 60);
  p.store.error_one_in = rarely(2, 6);
  p.store.busy_one_in = rarely(3, 8);
  p.store.late_one_in = rarely(3, 10);
  p.store.duplicate_one_in = rarely(2, 6);
  p.full_disk_one_in = rarely(4, 3);
  p.flip_one_in = rarely(3, 2);
  p.clock_back_one_in = rarely(4, 2);
  p.clean_stop_one_in = any_of(random, std::array<std::uint32_t, 3>{2, 4, 10});
  p.upgrade_one_in = rarely(3, 2);
  p.table_change_one_in = rarely(2, 3);
  p.has_names = random.one_in(3);
  if (random.one_in(2)) p.dedup_open_ids_max = 1 + random.below(20);
  p.store_away_one_in = rarely(4, 3);
  p.store_lost_one_in = rarely(3, 3);
  if (random.one_in(3)) p.dedup_memory_bytes_max = random.below(300'000);
  return p;
}

std::string describe(const Profile& p) {
  const auto number = [](auto value) { return std::to_string(value); };
  return "switch 1/" + number(p.scheduler.switch_one_in) +
         (p.scheduler.has_priorities ? " by priority" : "") + ", " + number(p.parallelism) +
         " workers, checkpoints " + number(p.checkpoint_interval_ms) + " ms, WAL files " +
         number(p.wal_file_bytes) + " B, partitions " + number(p.tick_partitions) + "+" +
         number(p.order_partitions) + ", " + number(p.lives) + " lives up to " +
         number(p.life_ms_max) + " ms, " + number(p.events_per_partition) + " events each" +
         (p.is_live ? ", live" : ", replay") + (p.has_directory_store ? ", directory store" : "") +
         (p.has_names ? ", named snapshots" : "") +
         (p.dedup_open_ids_max < 1000 ? ", " + number(p.dedup_open_ids_max) + " open ids" : "") +
         (p.dedup_memory_bytes_max < runtime::kDedupMemoryBytesMax
              ? ", " + number(p.dedup_memory_bytes_max) + " B of fingerprints"
              : "") +
         (p.retention_ms >= 0 ? ", retention " + number(p.retention_ms) + " ms" : "");
}

}  // namespace millrace::sim
