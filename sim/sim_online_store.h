#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "features/online_store.h"
#include "sim/scheduler.h"

namespace millrace::sim {

// What an online store keeps on its disk, over the lives of processes: all changes after a kill, a
// beginning of them after a power loss, as OnlineStore promises.
class OnlineStoreWorld {
 public:
  explicit OnlineStoreWorld(std::uint64_t seed) : random_(seed ^ 0xfea7ULL) {}

  void apply(const features::StoreChange& change);
  void lose_power();
  void lose_all();

  std::map<std::string, std::string, std::less<>> entries;

 private:
  static void apply_to(std::map<std::string, std::string, std::less<>>& entries,
                       const features::StoreChange& change);

  Random random_;
  std::map<std::string, std::string, std::less<>> synced_;
  std::vector<features::StoreChange> unsynced_;
};

// One process' handle. Changes of a dead one change nothing.
std::unique_ptr<features::OnlineStore> make_sim_online_store(OnlineStoreWorld& world,
                                                             Scheduler& scheduler,
                                                             std::shared_ptr<const bool> is_dead);

}  // namespace millrace::sim
