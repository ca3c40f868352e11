#include "runtime/table_registry.h"

#include <cinttypes>
#include <cstdio>

#include "base/check.h"
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
  {
    const std::lock_guard lock(reading_);
    files_ = files;
    next_ = Offset(0);
  }
  return read_on();
}

Status TableRegistry::read_on() {
  const std::lock_guard lock(reading_);
  const auto each = [this](const RecordView& record) {
    if (record.key && record.value) take(*record.key, *record.value);
    return ok_status();
  };
  MR_ASSIGN_OR_RETURN(next_, log::scan_partition(log_, {topic_, 0}, next_, each));
  return ok_status();
}

// With reading_ held.
void TableRegistry::take(std::string_view key, std::string_view content) {
  const auto name = key.substr(0, key.rfind('/'));
  for (const auto& file : files_) {
    if (file.name != name) continue;
    auto table = task::Table::parse(file.format, content, file.key);
    // A version that another key or format was right for is of no use to this pipeline version.
    if (!table.is_ok()) continue;
    const std::lock_guard lock(mutex_);
    versions_[std::string(key)] = std::move(table).value();
    newest_[file.name] = task::table_content_hash(content);
  }
}

Result<Hash128> TableRegistry::publish(const pipeline::TableFile& file) {
  const auto content = task::table_content_hash(file.content);
  MR_ASSIGN_OR_RETURN(auto batch, unpublished(file));
  if (!batch) return content;
  MR_ASSIGN_OR_RETURN(const auto offset, log::append_and_wait(log_, std::move(*batch)));
  (void)offset;
  auto table = task::Table::parse(file.format, file.content, file.key);
  MR_CHECK(table.is_ok());
  const std::lock_guard lock(mutex_);
  versions_[version_key(file.name, content)] = std::move(table).value();
  return content;
}

Result<std::optional<log::AppendBatch>> TableRegistry::unpublished(
    const pipeline::TableFile& file) {
  const auto key = version_key(file.name, task::table_content_hash(file.content));
  if (find(key) != nullptr) return std::optional<log::AppendBatch>();
  auto table = task::Table::parse(file.format, file.content, file.key);
  if (!table.is_ok()) return std::move(table).take_status().with_context("table " + file.name);
  codec::RecordBatchBuilder builder(codec::Compression::lz4);
  builder.append(WallTime(0), key, file.content, {});
  log::AppendBatch batch{topic_, 0, {}};
  builder.finish(batch.bytes);
  return std::optional(std::move(batch));
}

std::vector<task::TableVersionEntry> TableRegistry::newest() const {
  const std::lock_guard lock(mutex_);
  std::vector<task::TableVersionEntry> all;
  for (const auto& [table, content] : newest_) all.push_back({table, content});
  return all;
}

std::shared_ptr<const task::Table> TableRegistry::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto known = versions_.find(key);
  return known == versions_.end() ? nullptr : known->second;
}

task::TableProvider TableRegistry::provider(bool reads_on) {
  return [this, reads_on](const std::string& table, const Hash128& content) {
    const auto key = version_key(table, content);
    auto found = find(key);
    if (found != nullptr || !reads_on || !read_on().is_ok()) return found;
    return find(key);
  };
}

}  // namespace millrace::runtime
