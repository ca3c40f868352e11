#include "sim/sim_online_store.h"

#include <utility>

namespace millrace::sim {
namespace {

using Entries = std::map<std::string, std::string, std::less<>>;

class Cursor final : public features::StoreCursor {
 public:
  explicit Cursor(Entries entries) : entries_(std::move(entries)), at_(entries_.end()) {}

  void seek(std::string_view first) override { at_ = entries_.lower_bound(first); }
  [[nodiscard]] bool is_at_entry() const override { return at_ != entries_.end(); }
  [[nodiscard]] std::string_view key() const override { return at_->first; }
  [[nodiscard]] std::string_view value() const override { return at_->second; }
  void advance() override { ++at_; }
  [[nodiscard]] Status status() const override { return ok_status(); }

 private:
  const Entries entries_;
  Entries::const_iterator at_;
};

class SimOnlineStore final : public features::OnlineStore {
 public:
  SimOnlineStore(OnlineStoreWorld& world, Scheduler& scheduler, std::shared_ptr<const bool> is_dead)
      : world_(world), scheduler_(scheduler), is_dead_(std::move(is_dead)) {}

  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view key) const override {
    scheduler_.yield();
    const auto at = world_.entries.find(key);
    if (at == world_.entries.end()) return std::optional<std::string>();
    return std::optional(at->second);
  }
  Status apply(const features::StoreChange& change) override {
    scheduler_.yield();
    if (*is_dead_) return io_error("the process is gone");
    world_.apply(change);
    scheduler_.yield();
    return ok_status();
  }
  [[nodiscard]] std::unique_ptr<features::StoreCursor> cursor() const override {
    return std::make_unique<Cursor>(world_.entries);
  }

 private:
  OnlineStoreWorld& world_;
  Scheduler& scheduler_;
  const std::shared_ptr<const bool> is_dead_;
};

}  // namespace

void OnlineStoreWorld::apply_to(Entries& to, const features::StoreChange& change) {
  if (change.removed) {
    to.erase(to.lower_bound(change.removed->first), to.lower_bound(change.removed->end));
  }
  for (const auto& put : change.puts) to[put.key] = put.value;
}

void OnlineStoreWorld::apply(const features::StoreChange& change) {
  apply_to(entries, change);
  unsynced_.push_back(change);
  if (!random_.one_in(8)) return;
  synced_ = entries;
  unsynced_.clear();
}

void OnlineStoreWorld::lose_power() {
  unsynced_.resize(random_.below(unsynced_.size() + 1));
  for (const auto& change : unsynced_) apply_to(synced_, change);
  unsynced_.clear();
  entries = synced_;
}

void OnlineStoreWorld::lose_all() {
  entries.clear();
  synced_.clear();
  unsynced_.clear();
}

std::unique_ptr<features::OnlineStore> make_sim_online_store(OnlineStoreWorld& world,
                                                             Scheduler& scheduler,
                                                             std::shared_ptr<const bool> is_dead) {
  return std::make_unique<SimOnlineStore>(world, scheduler, std::move(is_dead));
}

}  // namespace millrace::sim
