#pragma once

#include <string>
#include <vector>

#include "pipeline/pipeline.h"
#include "sim/kafka_model/cluster.h"
#include "sim/kafka_model/workload.h"
#include "task/journal.h"

namespace millrace::kafka_model {

// What a task's journal, as read_committed shows it, says at the end.
struct JournalView {
  std::vector<task::JournalEntry> entries;
  std::string wrong;  // empty: fine
};
JournalView read_whole_journal(const Cluster& cluster, const TopicPartition& journal);

// Everything that must hold of what a run has left behind; one line per breach.
//  - Journals: sequences 1, 2, 3, ..., commit sequences too, the last entry of a commit its
//    position, offsets never backwards.
//  - Group offsets: those of the journals' last positions, with their metadata.
//  - Output topics: exactly what fresh tasks give that apply the same input and journal once, each
//    task's records in its order; so none is lost, doubled, torn, or from a zombie.
//  - Every event once in the output or the dead letters; windows as computed from all events.
std::vector<std::string> check_outcome(const Cluster& cluster, const pipeline::Pipeline& plan,
                                       const std::vector<Event>& events);

}  // namespace millrace::kafka_model
