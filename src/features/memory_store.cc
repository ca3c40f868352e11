#include <map>
#include <mutex>

#include "base/check.h"
#include "base/thread.h"
#include "features/online_store.h"

namespace millrace::features {
namespace {

using Entries = std::map<std::string, std::string, std::less<>>;

class MemoryCursor final : public StoreCursor {
 public:
  explicit MemoryCursor(Entries entries) : entries_(std::move(entries)), at_(entries_.end()) {}

  void seek(std::string_view first) override { at_ = entries_.lower_bound(first); }
  [[nodiscard]] bool is_at_entry() const override { return at_ != entries_.end(); }
  [[nodiscard]] std::string_view key() const override { return at_->first; }
  [[nodiscard]] std::string_view value() const override { return at_->second; }
  void advance() override { ++at_; }
  [[nodiscard]] Status status() const override { return ok_status(); }

 private:
  const Entries entries_;  // a copy: the twin is slow and obvious
  Entries::const_iterator at_;
};

class MemoryStore final : public OnlineStore {
 public:
  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view key) const override {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return std::optional<std::string>();
    return std::optional(found->second);
  }

  Status apply(const StoreChange& change) override {
    const std::lock_guard lock(mutex_);
    if (change.removed) {
      MR_CHECK(change.removed->first <= change.removed->end);
      entries_.erase(entries_.lower_bound(change.removed->first),
                     entries_.lower_bound(change.removed->end));
    }
    for (const auto& put : change.puts) entries_[put.key] = put.value;
    return ok_status();
  }

  [[nodiscard]] std::unique_ptr<StoreCursor> cursor() const override {
    const std::lock_guard lock(mutex_);
    return std::make_unique<MemoryCursor>(entries_);
  }

 private:
  mutable Mutex mutex_;
  Entries entries_;
};

}  // namespace

std::unique_ptr<OnlineStore> make_memory_store() {
  return std::make_unique<MemoryStore>();
}

}  // namespace millrace::features
