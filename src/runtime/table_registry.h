#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/status.h"
#include "base/thread.h"
#include "log/log.h"
#include "pipeline/pipeline.h"
#include "task/table.h"

namespace millrace::runtime {

// Published versions of a pipeline's look-up tables: records of its table topic, keyed by table and
// content hash, so that a replay finds the version that was in force (R23). Thread-safe.
class TableRegistry {
 public:
  TableRegistry(log::Log& log, std::string topic);

  // Reads every version that is published.
  Status load(const std::vector<pipeline::TableFile>& files);
  // Publishes the file's content if it is new; the version's hash. Durable when it returns.
  Result<Hash128> publish(const pipeline::TableFile& file);
  // For tasks. The registry outlives the provider.
  [[nodiscard]] task::TableProvider provider();

 private:
  log::Log& log_;
  const std::string topic_;
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<const task::Table>> versions_;  // by record key
};

}  // namespace millrace::runtime
