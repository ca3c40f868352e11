#include "runtime/table_registry.h"

#include <cinttypes>
#include <cstdio>

#include "codec/record_batch.h"
#include "log/partition_scan.h"

namespace millrace::runtime {
namespace {

std::string version_key(const std::string& table, const Hash128& content) {
  char hash[40];
  std::snprintf(hash, sizeof hash, "/%016" PRIx64 "%016" PRIx64, content.high, content.low);
  return table + hash;
}

}  // namespace

TableRegistry::TableRegistry(log::Log& log, std::string topic)
    : log_(log), topic_(std::move(topic)) {}

Status TableRegistry::load(const std::vector<pipeline::TableFile>& files) {
  const auto take = [&](const RecordView& record) {
    if (!record.key || !record.value) return ok_status();
    const auto name = record.key->substr(0, record.key->rfind('/'));
    for (const auto& file : files) {
      if (file.name != name) continue;
      auto table = task::Table::parse(file.format, *record.value, file.key);
      // A version that another key or format was right for is of no use to this pipeline version.
      if (table.is_ok()) versions_[std::string(*record.key)] = std::move(table).value();
    }
    return ok_status();
  };
  return log::scan_partition(log_, {topic_, 0}, Offset(0), take).status();
}

Result<Hash128> TableRegistry::publish(const pipeline::TableFile& file) {
  const auto content = task::table_content_hash(file.content);
  const auto key = version_key(file.name, content);
  {
    const std::lock_guard lock(mutex_);
    if (versions_.contains(key)) return content;
  }
  auto table = task::Table::parse(file.format, file.content, file.key);
  if (!table.is_ok()) return std::move(table).take_status().with_context("table " + file.name);
  codec::RecordBatchBuilder builder(codec::Compression::lz4);
  builder.append(WallTime(0), key, file.content, {});
  log::AppendBatch batch{topic_, 0, {}};
  builder.finish(batch.bytes);
  MR_ASSIGN_OR_RETURN(const auto offset, log::append_and_wait(log_, std::move(batch)));
  (void)offset;
  const std::lock_guard lock(mutex_);
  versions_[key] = std::move(table).value();
  return content;
}

task::TableProvider TableRegistry::provider() {
  return [this](const std::string& table, const Hash128& content) {
    const std::lock_guard lock(mutex_);
    const auto it = versions_.find(version_key(table, content));
    return it == versions_.end() ? std::shared_ptr<const task::Table>() : it->second;
  };
}

}  // namespace millrace::runtime
