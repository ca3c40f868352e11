#pragma once

#include <string>
#include <vector>

#include "features/feature_record.h"
#include "features/online_store.h"
#include "log/log.h"

namespace millrace::features {

struct AuditCheck {
  std::string check;
  bool ok = false;
  std::string detail;
};

// More ids than this are not held in memory; the check then fails and says so.
inline constexpr std::size_t kAuditedIdsMax = 4'000'000;

// Reads a group's topic from its start up to where the store stands, finds the newest record of
// each id anew, and compares. The store may go on changing meanwhile. Any thread; takes as long as
// reading the topic.
std::vector<AuditCheck> audit_group(const log::Log& log, const OnlineStore& store,
                                    const FeatureGroup& group);

}  // namespace millrace::features
