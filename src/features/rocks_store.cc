#include "features/rocks_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include "base/check.h"

namespace millrace::features {
namespace {

constexpr std::size_t kWriteBufferBytes = 4 << 20;
constexpr std::size_t kBlockCacheBytes = 8 << 20;
constexpr std::size_t kManifestBytes = 64 << 10;
constexpr int kOpenFilesMax = 64;
constexpr double kBloomBitsPerKey = 10;  // about 1 % of the looks for absent ids read a block

// One store for every group, small because it shares the machine with the pipelines. What is not
// set here is RocksDB's default.
rocksdb::Options small_options() {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
  // Indexes and filters grow with the store; within the cache they are bounded.
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;

  rocksdb::Options options;
  options.create_if_missing = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = kWriteBufferBytes;
  options.max_write_buffer_number = 2;
  options.max_open_files = kOpenFilesMax;
  options.max_file_opening_threads = 1;  // else an open starts fifteen threads for nothing
  options.skip_stats_update_on_db_open = true;
  options.manifest_preallocation_size = kManifestBytes;
  options.compression = rocksdb::kLZ4Compression;
  // After a power cut: a beginning of the changes, whole ones only. That is all that is asked of
  // it, since the offsets are in the same changes.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.keep_log_file_num = 1;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

// The log is the truth, and its records were synced before they came here: syncing them a second
// time would buy nothing. What a power cut takes is applied again.
rocksdb::WriteOptions unsynced() {
  rocksdb::WriteOptions options;
  options.sync = false;
  options.disableWAL = false;
  return options;
}

rocksdb::Slice slice_of(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}
std::string_view view_of(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

Status status_of(const rocksdb::Status& status, std::string_view what) {
  if (status.ok()) return ok_status();
  const auto message = "feature store: " + std::string(what) + ": " + status.ToString();
  switch (status.code()) {
    case rocksdb::Status::kCorruption:
      return corrupt_error(message +
                           "; stop, remove the store's folder and start: it is made again "
                           "from the log");
    case rocksdb::Status::kNotSupported:
      return unsupported_error(message);
    case rocksdb::Status::kShutdownInProgress:
      return cancelled_error(message);
    default:
      return io_error(message);
  }
}

class RocksCursor final : public StoreCursor {
 public:
  explicit RocksCursor(std::unique_ptr<rocksdb::Iterator> iterator)
      : iterator_(std::move(iterator)) {}

  void seek(std::string_view first) override { iterator_->Seek(slice_of(first)); }
  [[nodiscard]] bool is_at_entry() const override { return iterator_->Valid(); }
  [[nodiscard]] std::string_view key() const override { return view_of(iterator_->key()); }
  [[nodiscard]] std::string_view value() const override { return view_of(iterator_->value()); }
  void advance() override { iterator_->Next(); }
  [[nodiscard]] Status status() const override { return status_of(iterator_->status(), "scan"); }

 private:
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

class RocksStore final : public OnlineStore {
 public:
  explicit RocksStore(std::unique_ptr<rocksdb::DB> db) : db_(std::move(db)) {
    MR_CHECK(db_ != nullptr);
  }
  // What close() reports no longer matters: see unsynced().
  ~RocksStore() override { db_->Close().PermitUncheckedError(); }
  RocksStore(const RocksStore&) = delete;
  RocksStore& operator=(const RocksStore&) = delete;

  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view key) const override {
    std::string value;
    const auto status = db_->Get(rocksdb::ReadOptions(), slice_of(key), &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    MR_RETURN_IF_ERROR(status_of(status, "read"));
    return std::optional(std::move(value));
  }

  Status apply(const StoreChange& change) override {
    rocksdb::WriteBatch batch;
    auto* family = db_->DefaultColumnFamily();
    rocksdb::Status status;
    if (change.removed) {
      MR_CHECK(change.removed->first <= change.removed->end);
      status = batch.DeleteRange(family, change.removed->first, change.removed->end);
      MR_RETURN_IF_ERROR(status_of(status, "remove"));
    }
    for (const auto& put : change.puts) {
      status = batch.Put(family, put.key, put.value);
      MR_RETURN_IF_ERROR(status_of(status, "put"));
    }
    return status_of(db_->Write(unsynced(), &batch), "write");
  }

  [[nodiscard]] std::unique_ptr<StoreCursor> cursor() const override {
    rocksdb::ReadOptions options;
    options.fill_cache = false;  // a scan would push out what point reads need
    return std::make_unique<RocksCursor>(
        std::unique_ptr<rocksdb::Iterator>(db_->NewIterator(options)));
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace

Result<OpenedStore> open_rocks_store(const std::string& folder) {
  MR_CHECK(!folder.empty());
  const auto options = small_options();
  OpenedStore opened;
  rocksdb::DB* db = nullptr;
  auto status = rocksdb::DB::Open(options, folder, &db);
  // A file that is missing is damage, too.
  if (status.IsCorruption() || status.IsPathNotFound()) {
    opened.note = "the feature store in " + folder + " is damaged (" + status.ToString() +
                  ") and is made again from the log";
    rocksdb::DestroyDB(folder, options).PermitUncheckedError();  // then Open says what is wrong
    status = rocksdb::DB::Open(options, folder, &db);
  }
  MR_RETURN_IF_ERROR(status_of(status, "open " + folder));
  opened.store = std::make_unique<RocksStore>(std::unique_ptr<rocksdb::DB>(db));
  return opened;
}

}  // namespace millrace::features
