#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/thread.h"
#include "task/dedup.h"

namespace millrace::runtime {

inline constexpr std::size_t kDedupMemoryBytesMax = std::size_t{1} << 30;  // by default

// The bytes that the fingerprints of all tasks of a process may take, dealt out among them: a task
// that needs less than an equal share has what it needs, and the others share what is left. What a
// task is given changes no result, only how fast it is (docs/decisions/0007). Any thread.
class DedupMemory {
 public:
  // `on_short` is told once, with a sentence, when a task first has to do with less than it needs.
  explicit DedupMemory(std::size_t bytes_max,
                       std::function<void(const std::string&)> on_short = nullptr);

  // So many tasks are about to start. Each counts as one that needs everything until it has said
  // what it needs, so that those restored first never have more than all are to have together.
  void expect(std::size_t tasks);

  // A guest, such as a replay or a follower, has only what all tasks leave, and takes nothing from
  // them.
  enum class Kind : std::uint8_t { task, guest };

  // One task's part; the memory outlives it.
  class Claim {
   public:
    explicit Claim(DedupMemory& memory, Kind kind = Kind::task);
    ~Claim();
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;

    // Says what it needs now, and tells it how much it may take.
    void apply_to(task::Dedup& dedup);

   private:
    friend class DedupMemory;
    DedupMemory& memory_;
    const Kind kind_;
    std::size_t wanted_ = 0;
    bool has_said_ = false;
  };

  [[nodiscard]] std::size_t bytes_max() const { return bytes_max_; }

 private:
  std::size_t share_of(Claim& claim, std::size_t wanted);
  void deal();
  void note_short();

  const std::size_t bytes_max_;
  const std::function<void(const std::string&)> on_short_;
  Mutex mutex_;  // guards what follows
  std::vector<Claim*> claims_;
  std::size_t expected_ = 0;
  std::size_t level_;  // what a claim gets that wants as much or more
  std::size_t left_;   // beyond all wishes
  bool has_told_ = false;
};

}  // namespace millrace::runtime
