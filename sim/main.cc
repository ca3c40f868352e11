// millrace_sim: runs the simulation for a range of seeds, each in a process of its own, so that one
// that aborts ends nothing but itself and every seed begins from the same state.

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "sim/simulation.h"

namespace millrace::sim {
namespace {

struct Options {
  std::uint64_t from = 1;
  std::uint64_t seeds = 100;
  int jobs = 1;
  bool is_tracing = false;
  bool must_cover = false;
  bool keeps_going = false;
  bool is_quiet = false;
  std::uint64_t seconds_max = 0;
};

struct Totals {
  std::uint64_t seeds = 0;
  std::uint64_t failed = 0;
  std::uint64_t crashes = 0;
  std::uint64_t records = 0;
  std::uint64_t steps = 0;
  std::uint64_t simulated_ms = 0;
  std::uint64_t first_failed = 0;
  Census census;
};

constexpr const char* kUsage =
    "usage: millrace_sim [--seeds N] [--from S] [--seed S] [--jobs N] [--seconds N] [--trace]\n"
    "                    [--cover] [--keep-going] [--quiet]\n"
    "  --seeds N      how many seeds, from --from S (1) on; default 100\n"
    "  --seed S       this one alone\n"
    "  --jobs N       so many at once\n"
    "  --seconds N    begin no further seed after that time\n"
    "  --trace        print every step that is worth it, to stderr\n"
    "  --cover        fail unless every fault and every branch of recovery occurred\n"
    "  --keep-going   go on after a seed that failed\n"
    "  --quiet        only failures and the last line\n";

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto number = [&]() -> std::uint64_t {
      return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0;
    };
    if (name == "--seeds") {
      options.seeds = number();
    } else if (name == "--from") {
      options.from = number();
    } else if (name == "--seed") {
      options.from = number();
      options.seeds = 1;
    } else if (name == "--jobs") {
      options.jobs = static_cast<int>(number());
    } else if (name == "--seconds") {
      options.seconds_max = number();
    } else if (name == "--trace") {
      options.is_tracing = true;
    } else if (name == "--cover") {
      options.must_cover = true;
    } else if (name == "--keep-going") {
      options.keeps_going = true;
    } else if (name == "--quiet") {
      options.is_quiet = true;
    } else {
      return false;
    }
  }
  return options.seeds > 0 && options.jobs > 0;
}

// In the child: the outcome as text into the pipe.
[[noreturn]] void run_seed(std::uint64_t seed, bool is_tracing, int to) {
  const auto outcome = simulate(seed, is_tracing);
  char head[200];
  std::snprintf(head, sizeof head,
                "%zu %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %016" PRIx64 "\n",
                outcome.violations.size(), outcome.crashes, outcome.records, outcome.steps,
                outcome.simulated_ms, outcome.trace_hash);
  const std::string text = head + outcome.census.to_text();
  std::size_t written = 0;
  while (written < text.size()) {
    const auto count = ::write(to, text.data() + written, text.size() - written);
    if (count <= 0) break;
    written += static_cast<std::size_t>(count);
  }
  ::_exit(outcome.violations.empty() ? 0 : 1);
}

struct Child {
  std::uint64_t seed = 0;
  int from = -1;
  std::string text;
};

void finish_child(const Options& options, const Child& child, int status, Totals& totals) {
  std::size_t violations = 0;
  std::uint64_t crashes = 0;
  std::uint64_t records = 0;
  std::uint64_t steps = 0;
  std::int64_t simulated_ms = 0;
  std::uint64_t hash = 0;
  std::sscanf(child.text.c_str(), "%zu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64 " %" SCNx64,
              &violations, &crashes, &records, &steps, &simulated_ms, &hash);
  ++totals.seeds;
  totals.crashes += crashes;
  totals.records += records;
  totals.steps += steps;
  totals.simulated_ms += static_cast<std::uint64_t>(simulated_ms);
  const auto line = child.text.find('\n');
  if (line != std::string::npos) totals.census.parse(child.text.substr(line + 1));
  const bool is_ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!is_ok) {
    ++totals.failed;
    if (totals.first_failed == 0 || child.seed < totals.first_failed) {
      totals.first_failed = child.seed;
    }
    const char* how = WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "violations";
    std::printf("seed %" PRIu64 ": FAILED (%s); again: ./dev sim --seed %" PRIu64
                " --trace\n  %s\n",
                child.seed, how, child.seed, describe(make_profile(child.seed)).c_str());
  } else if (!options.is_quiet) {
    std::printf("seed %" PRIu64 ": ok, %" PRIu64 " crashes, %" PRIu64 " records, %" PRId64
                " ms simulated, trace %016" PRIx64 "\n",
                child.seed, crashes, records, simulated_ms, hash);
  }
  std::fflush(stdout);
}

pid_t start_child(const Options& options, Child& child) {
  int ends[2];
  if (::pipe(ends) != 0) std::abort();
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) std::abort();
  if (pid == 0) {
    ::close(ends[0]);
    run_seed(child.seed, options.is_tracing, ends[1]);
  }
  ::close(ends[1]);
  child.from = ends[0];
  return pid;
}

// Reads what the children say; true when one has said all.
pid_t wait_for_one(std::map<pid_t, Child>& children) {
  while (true) {
    std::vector<pollfd> polled;
    std::vector<pid_t> pids;
    for (const auto& [pid, child] : children) {
      polled.push_back({child.from, POLLIN, 0});
      pids.push_back(pid);
    }
    ::poll(polled.data(), polled.size(), -1);
    for (std::size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].revents == 0) continue;
      char buffer[4096];
      const auto count = ::read(polled[i].fd, buffer, sizeof buffer);
      if (count > 0) {
        children[pids[i]].text.append(buffer, static_cast<std::size_t>(count));
      } else {
        ::close(polled[i].fd);
        return pids[i];
      }
    }
  }
}

int run(const Options& options) {
  const auto begun = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  };
  Totals totals;
  std::map<pid_t, Child> children;
  std::uint64_t next = options.from;
  const auto end = options.from + options.seeds;
  const auto may_begin = [&] {
    if (next >= end || (totals.failed > 0 && !options.keeps_going)) return false;
    return options.seconds_max == 0 || seconds() < static_cast<double>(options.seconds_max);
  };
  while (may_begin() || !children.empty()) {
    while (may_begin() && children.size() < static_cast<std::size_t>(options.jobs)) {
      Child child;
      child.seed = next++;
      const pid_t pid = start_child(options, child);
      children.emplace(pid, std::move(child));
    }
    const pid_t pid = wait_for_one(children);
    int status = 0;
    ::waitpid(pid, &status, 0);
    finish_child(options, children[pid], status, totals);
    children.erase(pid);
  }
  if (!options.is_quiet) std::printf("\n%s", totals.census.to_text().c_str());
  const auto missing = totals.census.missing();
  if (options.must_cover) {
    for (const auto& what : missing) std::printf("never occurred: %s\n", what.c_str());
  }
  std::printf("%" PRIu64 " seeds, %" PRIu64 " failed, %" PRIu64 " crashes, %" PRIu64
              " records, %.1f M steps, %.0f s simulated, in %.1f s (%.0f crashes a minute)\n",
              totals.seeds, totals.failed, totals.crashes, totals.records,
              static_cast<double>(totals.steps) / 1e6,
              static_cast<double>(totals.simulated_ms) / 1e3, seconds(),
              static_cast<double>(totals.crashes) / seconds() * 60);
  const bool is_covered = !options.must_cover || missing.empty();
  return totals.failed == 0 && is_covered ? 0 : 1;
}

}  // namespace
}  // namespace millrace::sim

int main(int argc, char** argv) {
  millrace::sim::Options options;
  if (!millrace::sim::parse(argc, argv, options)) {
    std::fputs(millrace::sim::kUsage, stderr);
    return 2;
  }
  return millrace::sim::run(options);
}
