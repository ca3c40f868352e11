#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "broker/group_store.h"
#include "kafka_wire/error_codes.h"
#include "log/log.h"

namespace millrace::broker {

// Nothing has to be durable first.
inline constexpr log::CommitSequence kAtOnce{0};

// What one call to the coordinator brings along for the groups it touches, and the answers that it
// leads to, which are given when the coordinator's lock is free.
class GroupTurn {
 public:
  struct Due {
    log::CommitSequence after;
    std::function<void(const Status&)> give;
  };

  GroupTurn(MonotonicTime now, WallTime wall_now, GroupStore& store)
      : now(now), wall_now(wall_now), store(store) {}

  // Gives the answer once `after` is durable; if that cannot be known, it becomes
  // COORDINATOR_NOT_AVAILABLE, upon which clients try again.
  template <typename Response>
  void answer(const std::function<void(Response)>& to, Response response,
              log::CommitSequence after = kAtOnce) {
    answers.push_back({after, [to, response = std::move(response)](const Status& status) mutable {
                         if (!status.is_ok()) {
                           response = Response();
                           response.error_code = kafka_wire::ErrorCode::coordinator_not_available;
                         }
                         to(std::move(response));
                       }});
  }

  const MonotonicTime now;
  const WallTime wall_now;
  GroupStore& store;
  std::vector<Due> answers;
};

// "NAME-0f7c...": never given before, also not by an earlier run.
class MemberIds {
 public:
  explicit MemberIds(std::uint64_t seed) : random_(seed) {}
  std::string next(std::string_view name);
  std::uint64_t next_number() { return random_.next(); }

 private:
  Random random_;
};

}  // namespace millrace::broker
