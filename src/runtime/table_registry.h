#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/thread.h"
#include "log/log.h"
#include "pipeline/pipeline.h"
#include "task/journal.h"
#include "task/table.h"

namespace millrace::runtime {

// Published versions of a pipeline's look-up tables: records of its table topic, keyed by table and
// content hash, so that a replay finds the version that was in force (R23). Thread-safe.
class TableRegistry {
 public:
  TableRegistry(log::Log& log, std::string topic);

  // Reads every version that is published.
  Status load(const std::vector<pipeline::TableFile>& files);
  // Reads what was published since load() or the last call.
  Status read_on();
  // Publishes the file's content if it is new; the version's hash. Durable when it returns.
  Result<Hash128> publish(const pipeline::TableFile& file);
  // For tasks. The registry outlives the provider. With `reads_on` one that does not know a version
  // looks whether another process has published it meanwhile.
  [[nodiscard]] task::TableProvider provider(bool reads_on = false);

  // --- where several processes publish, each by itself ---
  // The record that publishes the file's content; nothing if that was read already. `invalid` for a
  // file that cannot be read.
  Result<std::optional<log::AppendBatch>> unpublished(const pipeline::TableFile& file);
  // The version that was published last, of every table that has one, as far as was read.
  [[nodiscard]] std::vector<task::TableVersionEntry> newest() const;

 private:
  [[nodiscard]] std::shared_ptr<const task::Table> find(const std::string& key) const;
  void take(std::string_view key, std::string_view content);

  log::Log& log_;
  const std::string topic_;
  Mutex reading_;  // held while the topic is read; guards files_ and next_
  std::vector<pipeline::TableFile> files_;
  Offset next_;
  mutable Mutex mutex_;                                                 // guards what follows
  std::map<std::string, std::shared_ptr<const task::Table>> versions_;  // by record key
  std::map<std::string, Hash128> newest_;                               // by table
};

}  // namespace millrace::runtime
