#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace millrace::features {

// All of it happens, or nothing does, whatever ends the process.
struct StoreChange {
  struct Put {
    std::string key;
    std::string value;
  };
  struct KeyRange {
    std::string first;
    std::string end;  // the first key behind it
  };
  std::optional<KeyRange> removed;  // before the puts
  std::vector<Put> puts;
};

// One moment of the store, in the order of the keys' bytes: changes after its making are not seen,
// over any number of seeks. One thread; the store outlives it.
class StoreCursor {
 public:
  virtual ~StoreCursor() = default;
  virtual void seek(std::string_view first) = 0;  // to the first key not before it
  [[nodiscard]] virtual bool is_at_entry() const = 0;
  // Only at an entry. The views die with the next call.
  [[nodiscard]] virtual std::string_view key() const = 0;
  [[nodiscard]] virtual std::string_view value() const = 0;
  virtual void advance() = 0;
  // Whether the entries ended, or could not be read on.
  [[nodiscard]] virtual Status status() const = 0;
};

// An ordered map from bytes to bytes. Changes are made by one thread at a time; reads may come from
// any number of threads meanwhile. After a crash of the process every change is still there; after
// one of the machine a beginning of them, in order: what is missing is applied again from the log.
class OnlineStore {
 public:
  virtual ~OnlineStore() = default;
  // `corrupt` when a checksum of the store is wrong, `io` when the disk refuses.
  [[nodiscard]] virtual Result<std::optional<std::string>> get(std::string_view key) const = 0;
  virtual Status apply(const StoreChange& change) = 0;
  [[nodiscard]] virtual std::unique_ptr<StoreCursor> cursor() const = 0;
};

// The slow twin: a std::map. Nothing is kept. For tests, simulations, and services without groups.
std::unique_ptr<OnlineStore> make_memory_store();

}  // namespace millrace::features
