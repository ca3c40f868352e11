#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace millrace::objects {

struct ObjectInfo {
  std::string key;
  std::uint64_t bytes = 0;
};

struct UploadPart {
  int number = 0;  // 1..10000
  std::string etag;
};

// Parts of one object, for readers that need little of it. Thread-safe. What it reads after the
// object was replaced or removed is the old bytes or an error.
class ObjectReader {
 public:
  virtual ~ObjectReader() = default;
  [[nodiscard]] virtual std::uint64_t bytes() const = 0;
  // Appends up to `size` bytes at `position` to `out`; fewer only at the end.
  virtual Status read_at(std::uint64_t position, std::size_t size, std::string& out) const = 0;
};

// Named immutable blobs: a directory, S3, or memory with faults. Keys are '/'-separated, without
// "..". Everything that returned ok is durable. Thread-safe. An `io` or `disconnected` error leaves
// the outcome unknown: the write may have been applied.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // `exists` when `only_if_absent` and the key is taken (S3: If-None-Match: *).
  virtual Status put(const std::string& key, std::string_view bytes, bool only_if_absent) = 0;
  [[nodiscard]] virtual Result<std::string> get(const std::string& key) = 0;
  // By default a reader of the whole object in memory.
  [[nodiscard]] virtual Result<std::unique_ptr<ObjectReader>> open_to_read(const std::string& key);
  [[nodiscard]] virtual Result<ObjectInfo> head(const std::string& key) = 0;
  virtual Status remove(const std::string& key) = 0;  // ok if absent
  // All keys with the prefix, sorted.
  [[nodiscard]] virtual Result<std::vector<ObjectInfo>> list(const std::string& prefix) = 0;

  // Multipart: nothing is visible before complete. Parts may be sent in any order and again.
  [[nodiscard]] virtual Result<std::string> start_upload(const std::string& key) = 0;  // upload id
  [[nodiscard]] virtual Result<UploadPart> put_part(const std::string& key,
                                                    const std::string& upload_id, int number,
                                                    std::string_view bytes) = 0;
  // `exists` when the key is taken and `only_if_absent`; `not_found` when the upload is gone
  // (completed or aborted): look at the key to tell which.
  virtual Status complete_upload(const std::string& key, const std::string& upload_id,
                                 const std::vector<UploadPart>& parts, bool only_if_absent) = 0;
  virtual Status abort_upload(const std::string& key,
                              const std::string& upload_id) = 0;  // ok if gone
};

}  // namespace millrace::objects
