#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "log/log.h"
#include "ops/audit_scan.h"

namespace millrace::ops {

// A window whose results go to a topic.
struct AuditedWindow {
  std::string name;
  std::string key_name;  // the result's member that holds the key; empty: there is none
  std::int64_t length_us = 0;
  // The pipeline version under which it began with nothing; results of lower ones are of another
  // definition.
  std::int32_t since_version = 1;
  // Of the stage that makes its results, where these are judged as of one moment: what is behind it
  // counts for nothing.
  std::optional<AuditCut> cut = {};
};

struct WindowsReport {
  std::uint64_t windows = 0;           // (key, window_start) seen
  std::vector<std::uint64_t> results;  // records per audited window, in front of the cut
  std::vector<std::uint64_t> at_cut;   // and of the very position where it is
  std::uint64_t earlier = 0;           // results of windows that only earlier versions had
  bool is_whole = true;                // no part of the topic is gone, so all could be counted
  std::vector<std::string> notes;
  Findings findings;
};

// Each (key, window_start) in `topic` has the revisions 0, 1, 2, ... in this order, without hole or
// repeat, none after the final one, and each result names its source. Results of versions below
// `version` that are of no window today are only counted. Reads each partition once for
// each kWindowsPerPass results.
Result<WindowsReport> audit_windows(const log::Log& log, const std::string& topic,
                                    const std::string& pipeline_name, std::int32_t version,
                                    const std::vector<AuditedWindow>& windows,
                                    const IsCancelled& is_cancelled);

}  // namespace millrace::ops
