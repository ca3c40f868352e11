#pragma once

#include <vector>

#include "log/log.h"
#include "sim/producer.h"
#include "sim/world.h"

namespace millrace::sim {

// What must hold right after the log came back, before anything else runs: what was acknowledged is
// there; positions, offsets of groups and outputs stand at the same place.
void check_after_restart(World& world, log::Log& log,
                         const std::vector<const Producer*>& producers);

// What must hold when everything is done: see checks.cc.
// Once a process is up: the version that each journal says is in force is the one that runs (R22).
void check_versions(World& world, Process& process);
void check_at_the_end(World& world, Process& process,
                      const std::vector<const Producer*>& producers);

}  // namespace millrace::sim
