#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "features/online_store.h"

namespace millrace::features {

struct OpenedStore {
  std::unique_ptr<OnlineStore> store;
  std::string note;  // a sentence for the user when a damaged store was given up; else empty
};

// The store in `folder` (made if it is not there; its parent must be), in RocksDB. Whoever opens it
// holds the data folder's lock. A damaged one is thrown away, as the log has everything in it.
// Closed by the destructor.
Result<OpenedStore> open_rocks_store(const std::string& folder);

}  // namespace millrace::features
