#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/time.h"
#include "log/log.h"
#include "model/record.h"

namespace millrace::ops {

// Where a record of a request went.
struct RecordPlace {
  std::int32_t partition = 0;
  Offset offset;

  bool operator==(const RecordPlace&) const = default;
};

// Which requests with an Idempotency-Key have been served: a repeated one gets the first answer and
// appends nothing, also after a crash. What a request appends and its key are one commit, see
// docs/formats/http_requests.md. Kept for a day, the newest kBytesMax of them.
//
// Threads: every method from any thread.
class RequestKeys {
 public:
  static constexpr std::string_view kTopic = "millrace.http.requests";
  static constexpr std::int64_t kKeptMs = 86'400'000;
  static constexpr std::size_t kBytesMax = 32 << 20;
  static constexpr std::size_t kKeyBytesMax = 255;

  // `log` and `clock` outlive it.
  RequestKeys(log::Log& log, const Clock& clock);

  // Reads what is kept; makes the topic where it is not there. Once, before the rest.
  Status load();

  struct Served {
    log::CommitSequence sequence{0};  // not durable yet, perhaps; 0: since before the start
    // Not there after a crash between two commits: the records are, each once.
    std::optional<std::vector<RecordPlace>> places;
  };
  // Nothing for a new request: `commit` has its key added, and commit() must follow. `invalid` for
  // a key that is none or that another request had, `exists` while that request is being served.
  Result<std::optional<Served>> begin(std::string_view topic, std::string_view key,
                                      std::string_view body, log::Commit& commit);
  // The request of begin() was appended; or, with an error, was not and may be sent again.
  void end(std::string_view topic, std::string_view key, const Result<log::Appended>& appended,
           const std::vector<RecordPlace>& places);

 private:
  struct Entry {
    Hash128 body;
    WallTime at;
    bool is_pending = false;
    Served served;
  };

  Status load_one(const RecordView& record);
  void take(const Hash128& id, Entry entry);
  void forget_old(WallTime now);
  [[nodiscard]] static std::size_t bytes_of(const Entry& entry);

  log::Log& log_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<Hash128, Entry> entries_;
  std::deque<std::pair<WallTime, Hash128>> by_age_;  // may name what was replaced since
  std::size_t bytes_ = 0;
};

}  // namespace millrace::ops
