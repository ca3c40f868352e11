#include "runtime/table_registry.h"

#include <cinttypes>
#include <cstdio>

#include "codec/record_batch.h"

namespace millrace::runtime {
namespace {

constexpr std::size_t kFetchBytes = 4 << 20;

std::string version_key(const std::string& table, const Hash128& content) {
  char hash[40];
  std::snprintf(hash, sizeof hash, "/%016" PRIx64 "%016" PRIx64, content.high, content.low);
  return table + hash;
}

}  // namespace

TableRegistry::TableRegistry(log::Log& log, std::string topic)
    : log_(log), topic_(std::move(topic)) {}

Status TableRegistry::load(const std::vector<pipeline::TableFile>& files) {
  const TopicPartition source{topic_, 0};
  MR_ASSIGN_OR_RETURN(const auto offsets, log_.offsets(source));
  codec::BatchReader reader;
  for (Offset next = offsets.start; next < offsets.high_watermark;) {
    MR_ASSIGN_OR_RETURN(const auto fetched,
                        log_.fetch(source, next, kFetchBytes, log::Visibility::durable));
    if (fetched.batches.empty()) break;
    for (const auto& batch : fetched.batches) {
      next = batch.next_offset;
      if (batch.kind != log::BatchKind::records) continue;
      MR_RETURN_IF_ERROR(reader.open(batch.bytes.view()));
      while (const RecordView* record = reader.next()) {
        if (!record->key || !record->value) continue;
        const auto name = record->key->substr(0, record->key->rfind('/'));
        for (const auto& file : files) {
          if (file.name != name) continue;
          auto table = task::Table::parse(file.format, *record->value, file.key);
          // A version that another key or format was right for is of no use to this pipeline
          // version.
          if (table.is_ok()) versions_[std::string(*record->key)] = std::move(table).value();
        }
      }
      MR_RETURN_IF_ERROR(reader.status());
    }
  }
  return ok_status();
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
