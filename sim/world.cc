#include "sim/world.h"

#include <cstdio>

namespace millrace::sim {
namespace {

constexpr WallTime kStart{1'700'000'000'000};
constexpr std::size_t kViolationsPrinted = 12;

}  // namespace

World::World(const Profile& the_profile)
    : profile(the_profile),
      scheduler(profile.scheduler),
      clock(scheduler, kStart),
      platter(profile.seed ^ 0x91a77e4ULL),
      disk(scheduler, platter, census, profile.seed),
      online(profile.seed),
      random(profile.seed ^ 0x303aULL),
      recorder([this](const std::string& what) { violation(what); }) {}

void World::violation(const std::string& what) {
  if (violations_.size() < kViolationsPrinted) {
    std::fprintf(stderr, "VIOLATION (seed %llu, %.3f s): %s\n",
                 static_cast<unsigned long long>(profile.seed),
                 static_cast<double>(scheduler.now_ns()) / 1e9, what.c_str());
  }
  violations_.push_back(what);
}

World::Visit::Visit(World& world) : world_(world), process_(nullptr) {
  const std::lock_guard lock(world_.mutex_);
  process_ = world_.process_;
  if (process_ != nullptr) ++world_.visitors_;
}

World::Visit::~Visit() {
  if (process_ == nullptr) return;
  const std::lock_guard lock(world_.mutex_);
  --world_.visitors_;
  world_.changed_.notify_all();
}

void World::open_doors(Process& process) {
  const std::lock_guard lock(mutex_);
  process_ = &process;
}

void World::close_doors() {
  const std::lock_guard lock(mutex_);
  process_ = nullptr;
}

void World::wait_until_empty() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return visitors_ == 0; });
}

}  // namespace millrace::sim
