// The state of a task as a snapshot object holds it, behind its checksum. The first byte chooses
// the whole object, or the state of a source or merging task; restoring ends with an error or a
// task that snapshots itself again.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "runtime/snapshot_fuzz_plan.h"
#include "runtime/snapshot_store.h"
#include "task/partial.h"
#include "task/source_task.h"

namespace millrace::runtime {
namespace {

void restore(task::Task& task, std::string_view state) {
  if (!task.restore(state).is_ok()) return;
  static_cast<void>(task.report());
  std::string again;
  task.snapshot(again);
  MR_CHECK(!again.empty());
}

void run(std::uint8_t choice, std::string_view bytes) {
  static const auto plan = snapshot_fuzz_plan();
  const auto no_tables = [](const std::string&, const Hash128&) {
    return std::shared_ptr<const task::Table>();
  };
  switch (choice % 4) {
    case 0: {
      std::string object(bytes);
      append_little(object, crc32c(object));
      static_cast<void>(decode_snapshot(object));
      return;
    }
    case 1:
      return restore(*task::make_source_task(plan->source, 0, no_tables), bytes);
    case 2:
      return restore(*task::make_merge_task(plan->merges[0], 0), bytes);
    default:
      static_cast<void>(task::decode_repartition_record(bytes, plan->source.windows[1]));
  }
}

}  // namespace
}  // namespace millrace::runtime

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  millrace::runtime::run(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
