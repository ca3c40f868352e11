// What deduplication costs from a hundred thousand to a hundred million live ids: time of an event,
// memory and disk of an id, and how long a restart takes.
//
//   dedup_bench [--folder build] [--ids 10000000] [--memory-bytes N]
//
// Without --ids: 10^5, 10^6, 10^7. --memory-bytes bounds the fingerprints.
//
// Ids arrive evenly over the TTL, in batches of 512 that are hashed, prefetched, inserted; objects
// go to a directory store, work in the background runs as in a task. First n ids come in; what is
// measured then is an equal time with n live ids, in which old ones expire and 1 % of the events
// are repeats of any live id. A process of its own for each size.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "objects/directory_store.h"
#include "runtime/id_store.h"
#include "runtime/snapshot_writer.h"
#include "sys/file_system.h"
#include "sys/real_clock.h"
#include "task/dedup.h"

namespace millrace::runtime {
namespace {

constexpr std::int64_t kTtlUs = 86'400'000'000;
constexpr std::size_t kBatchEvents = 512;
constexpr std::int64_t kMeasuredMax = 10'000'000;
constexpr std::uint64_t kSecret = 1;
const std::string kPrefix = "snapshots/bench/source/0000/";

std::int64_t thread_cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}
std::int64_t process_cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}
std::int64_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::int64_t total = 0;
  std::int64_t resident = 0;
  in >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

struct Store {
  explicit Store(const std::string& folder) {
    auto opened = objects::open_directory_store(files, folder);
    MR_CHECK(opened.is_ok());
    objects = std::move(opened).value();
    writer = std::make_unique<SnapshotWriter>(*objects);
  }
  sys::PosixFileSystem files;
  sys::RealClock clock;
  std::unique_ptr<objects::ObjectStore> objects;
  std::unique_ptr<SnapshotWriter> writer;
};

// A task's deduplication and what keeps it.
struct Ids {
  Ids(Store& store, std::size_t memory_bytes)
      : memory(memory_bytes),
        named(*store.writer, kPrefix,
              static_cast<std::uint64_t>(store.clock.monotonic_now().value)),
        keeper(this, *store.objects, *store.writer, store.clock, named, std::uint64_t{1} << 20,
               &memory),
        dedup(kTtlUs, kSecret),
        writer(*store.writer) {}
  ~Ids() { writer.forget(this); }

  DedupMemory memory;
  TaskObjects named;
  IdStore keeper;
  task::Dedup dedup;
  SnapshotWriter& writer;
};

class Feed {
 public:
  Feed(Ids& ids, std::int64_t live) : ids_(ids), live_(live) {}

  // Applies so many events, the given share of them repeats. The task's thread time per event.
  void apply(std::int64_t events, std::int64_t one_repeat_in) {
    std::vector<Hash128> hashes(kBatchEvents);
    std::vector<std::int64_t> numbers(kBatchEvents);
    for (std::int64_t done = 0; done < events; done += kBatchEvents) {
      for (auto& number : numbers) {
        const bool is_repeat =
            one_repeat_in > 0 && random_.one_in(static_cast<std::uint64_t>(one_repeat_in));
        // Of the ids that are surely live: those of the last 23 hours.
        number = is_repeat ? next_ - 1 -
                                 static_cast<std::int64_t>(
                                     random_.below(static_cast<std::uint64_t>(live_ * 23 / 24)))
                           : next_++;
        repeats += is_repeat ? 1 : 0;
      }
      for (std::size_t i = 0; i < kBatchEvents; ++i) {
        char id[24] = "event-id-000000";
        std::copy_n(reinterpret_cast<const char*>(&numbers[i]), sizeof(std::int64_t), id + 16);
        hashes[i] = ids_.dedup.hash_of(std::string_view(id, sizeof id));
      }
      for (const auto& hash : hashes) ids_.dedup.prefetch(hash);
      const auto watermark = EventTime(static_cast<std::int64_t>(
          static_cast<double>(next_) * (static_cast<double>(kTtlUs) / static_cast<double>(live_))));
      for (const auto& hash : hashes) {
        const auto is_new = ids_.dedup.insert(hash, watermark);
        MR_CHECK(is_new.is_ok());
        found += *is_new ? 0 : 1;
      }
      ids_.keeper.pump(ids_.dedup);
      while (IdStore::is_overloaded(ids_.dedup)) {
        ids_.keeper.wait();
        ids_.keeper.pump(ids_.dedup);
      }
    }
    ids_.named.collect(ids_.keeper.keys_in_use(ids_.dedup));
  }

  std::int64_t repeats = 0;
  std::int64_t found = 0;

 private:
  Ids& ids_;
  std::int64_t live_;
  std::int64_t next_ = 0;
  Random random_{5};
};

std::string snapshot_of(Ids& ids) {
  ids.dedup.prepare_snapshot();
  while (ids.dedup.unattached_runs() > 0) {
    ids.keeper.pump(ids.dedup);
    ids.keeper.wait();
  }
  std::string state;
  Encoder to(state);
  ids.dedup.snapshot(to);
  return state;
}

double restore_seconds(Store& store, const std::string& state, std::size_t memory_bytes) {
  const auto started = store.clock.monotonic_now();
  Ids ids(store, memory_bytes);
  Decoder from(state);
  MR_CHECK(ids.dedup.restore(from).is_ok());
  const auto existing = store.objects->list(kPrefix);
  MR_CHECK(existing.is_ok());
  std::vector<std::string> names;
  for (const auto& object : *existing) names.push_back(object.key);
  const auto status = ids.keeper.attach(ids.dedup, *existing, names);
  MR_CHECK(status.is_ok());
  return static_cast<double>(store.clock.monotonic_now() - started) / 1e9;
}

// Of the objects that are needed.
double disk_bytes_of(Ids& ids) {
  double bytes = 0;
  for (const auto& run : ids.dedup.runs()) bytes += static_cast<double>(run.name.byte_count());
  for (const auto& part : ids.dedup.dump_parts()) bytes += static_cast<double>(part.bytes);
  return bytes;
}

void run(const std::string& folder, std::int64_t live, std::size_t memory_bytes) {
  Store store(folder);
  const auto before_bytes = resident_bytes();
  auto ids = std::make_unique<Ids>(store, memory_bytes);
  Feed feed(*ids, live);
  const auto fill_started = thread_cpu_ns();
  feed.apply(live, 0);
  const auto events = static_cast<double>(live);
  const auto fill_ns = static_cast<double>(thread_cpu_ns() - fill_started) / events;
  MR_CHECK(feed.found == 0);
  const auto measured = std::min(live, kMeasuredMax);
  const auto before = ids->dedup.counts();
  const auto thread_before = thread_cpu_ns();
  const auto process_before = process_cpu_ns();
  feed.apply(measured, 100);
  const auto count = static_cast<double>(measured);
  const auto ns = static_cast<double>(thread_cpu_ns() - thread_before) / count;
  const auto process_ns = static_cast<double>(process_cpu_ns() - process_before) / count;
  MR_CHECK(feed.found == feed.repeats);
  const auto counts = ids->dedup.counts();
  const auto direct = static_cast<double>(counts.direct_lookups - before.direct_lookups);
  const auto lookups = static_cast<double>(counts.run_lookups - before.run_lookups) - direct;
  const auto resident = static_cast<double>(resident_bytes() - before_bytes);
  const auto live_ids = static_cast<double>(counts.live_ids);
  std::printf(
      "%11.0f live ids: %5.1f ns an event (first fill %.1f, with background %.1f), "
      "%.2f runs read per repeat, %.2f more per event\n",
      live_ids, ns, fill_ns, process_ns, lookups / static_cast<double>(feed.repeats),
      direct / count);
  std::printf(
      "             memory %.2f B/id resident, %.2f B/id fingerprints (%llu compact, %llu "
      "unlisted); %llu runs, disk %.1f B/id\n",
      resident / live_ids, static_cast<double>(counts.fingerprint_bytes) / live_ids,
      static_cast<unsigned long long>(counts.compact_ids),
      static_cast<unsigned long long>(counts.unlisted_ids),
      static_cast<unsigned long long>(counts.runs), disk_bytes_of(*ids) / live_ids);
  const auto uncovered = ids->dedup.uncovered_ids();
  const auto killed = snapshot_of(*ids);
  const auto stop_started = store.clock.monotonic_now();
  MR_CHECK(ids->keeper.flush(ids->dedup).is_ok());
  const auto stopped = snapshot_of(*ids);
  const auto stop_s = static_cast<double>(store.clock.monotonic_now() - stop_started) / 1e9;
  ids.reset();
  std::printf(
      "             restore %.3f s after a clean stop, %.3f s after a kill (%.1f M ids read "
      "from runs); stop %.3f s; snapshot %.0f KB\n",
      restore_seconds(store, stopped, memory_bytes), restore_seconds(store, killed, memory_bytes),
      static_cast<double>(uncovered) / 1e6, stop_s, static_cast<double>(stopped.size()) / 1e3);
  std::fflush(stdout);
}

int run_all(std::string folder, const std::vector<std::int64_t>& sizes, std::size_t memory_bytes) {
  folder += "/dedup-bench";
  sys::PosixFileSystem files;
  for (const auto size : sizes) {
    MR_CHECK(files.remove_tree(folder).is_ok() && files.make_folders(folder).is_ok());
    const auto child = fork();
    if (child == 0) {
      run(folder, size, memory_bytes);
      std::_Exit(EXIT_SUCCESS);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (status != 0) return EXIT_FAILURE;
  }
  MR_CHECK(files.remove_tree(folder).is_ok());
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace millrace::runtime

int main(int argc, char** argv) {
  std::string folder = "build";
  std::size_t memory_bytes = std::size_t{1} << 40;
  std::vector<std::int64_t> sizes{100'000, 1'000'000, 10'000'000};
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--folder") folder = argv[i + 1];
    if (name == "--memory-bytes") memory_bytes = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--ids") sizes = {std::strtoll(argv[i + 1], nullptr, 10)};
  }
  return millrace::runtime::run_all(folder, sizes, memory_bytes);
}
