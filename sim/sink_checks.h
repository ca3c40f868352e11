#pragma once

#include "sim/world.h"

namespace millrace::sim {

// Before anything runs: the online store has nothing that the log does not have (R17).
void check_online_store(World& world, const log::Log& log);

// At the end, after a drain and a flush: what left the pipelines for the feature store and the
// lake.
void check_features(World& world, Process& process);
void check_lake(World& world, Process& process);

// Which branches the run has taken, as its journals and reports tell.
void count_branches(World& world, Process& process);

}  // namespace millrace::sim
