#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "log/log.h"
#include "ops/audit_scan.h"

namespace millrace::ops {

// Results of one window that go to two topics.
struct AuditedFeature {
  std::string results_topic;
  std::string feature_topic;
  // Of the tasks that make them. Where the log never stands still, only what is of sources below is
  // judged.
  AuditCut cut;
  // Of a log that several processes share: it never stands still for this one. Asked after both
  // topics were read, whether the tasks have committed anything since the cut; if not, results at
  // the very cut are judged, too.
  std::function<Result<bool>()> has_moved = {};
};

struct FeaturesReport {
  std::uint64_t records = 0;
  std::vector<std::string> notes;
  Findings findings;
};

// Every result of the tasks is in both topics, with the same key, value and source, as often in the
// one as in the other. Compares sums of 128-bit hashes; only when these differ are the records
// told apart, in memory (kFeatureRecordsMax of them).
inline constexpr std::size_t kFeatureRecordsMax = 2'000'000;
Result<FeaturesReport> audit_features(const log::Log& log, const AuditedFeature& audited,
                                      const std::string& pipeline_name,
                                      const IsCancelled& is_cancelled);

}  // namespace millrace::ops
