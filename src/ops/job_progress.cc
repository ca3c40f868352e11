#include "ops/job_progress.h"

#include <nlohmann/json.hpp>

namespace millrace::ops {

nlohmann::ordered_json progress_json(const JobProgress::Snapshot& now) {
  return {{"running", now.is_running},
          {"what", now.is_running ? nlohmann::ordered_json(now.what) : nlohmann::ordered_json()},
          {"done", now.done},
          {"total", now.total}};
}

}  // namespace millrace::ops
