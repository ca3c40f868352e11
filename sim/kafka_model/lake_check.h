#pragma once

#include <string>
#include <vector>

#include "objects/object_store.h"
#include "pipeline/pipeline.h"
#include "sim/kafka_model/cluster.h"

namespace millrace::kafka_model {

// What must hold of the lake after everything was delivered; one line per breach. Per partition:
// delivered ranges tile it up to its end, the group's offset is the journal's, every file is there
// and in one range; and the files' rows are the topic's records, each once.
std::vector<std::string> check_lake(Cluster& cluster, objects::ObjectStore& objects,
                                    const pipeline::Pipeline& plan);

}  // namespace millrace::kafka_model
