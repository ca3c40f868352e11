#include <algorithm>
#include <set>
#include <utility>

#include "broker/group_assignors.h"

namespace millrace::broker {

namespace {

using Topic = kafka_wire::Uuid;

// Rounds of moves over all topics. Each move brings two members closer together, so there is an end
// anyway; one or two rounds are what it takes.
constexpr int kRoundsMax = 64;

// Members by how much they have, the poorest first; ties go by place, to be the same every time.
class Ranking {
 public:
  explicit Ranking(const std::vector<std::size_t>& loads) : loads_(loads) {}
  void add(std::size_t member) { ranked_.emplace(loads_[member], member); }
  void remove(std::size_t member) { ranked_.erase({loads_[member], member}); }
  [[nodiscard]] std::size_t poorest() const { return ranked_.begin()->second; }

 private:
  const std::vector<std::size_t>& loads_;
  std::set<std::pair<std::size_t, std::size_t>> ranked_;
};

class Uniform {
 public:
  explicit Uniform(const AssignorInput& input) : input_(input), loads_(input.members.size(), 0) {
    for (std::size_t i = 0; i < input.members.size(); ++i) {
      for (const auto& topic : input.members[i].topics) subscribers_[topic].push_back(i);
    }
  }

  std::vector<Assignment> run() {
    const bool is_homogeneous = std::all_of(
        input_.members.begin(), input_.members.end(),
        [&](const auto& member) { return member.topics == input_.members.front().topics; });
    keep();
    if (is_homogeneous) give_up_surplus();
    give_out();
    if (!is_homogeneous) even_out();
    return collected();
  }

 private:
  using Holders = std::vector<std::size_t>;  // by partition
  static constexpr std::size_t kNobody = static_cast<std::size_t>(-1);

  // What members had and may still have. A partition that two claim stays with the first.
  void keep() {
    for (const auto& [topic, members] : subscribers_) {
      holders_[topic].assign(static_cast<std::size_t>(input_.partition_counts.at(topic)), kNobody);
    }
    for (std::size_t i = 0; i < input_.members.size(); ++i) {
      for (const auto& topic : input_.members[i].topics) {
        auto& of = holders_.at(topic);
        const auto before = input_.members[i].before.find(topic);
        if (before == input_.members[i].before.end()) continue;
        for (const auto partition : before->second) {
          const auto at = static_cast<std::size_t>(partition);
          if (at >= of.size() || of[at] != kNobody) continue;
          of[at] = i;
          ++loads_[i];
        }
      }
    }
  }

  // With equal subscriptions the sizes are known beforehand: so many members get one more than the
  // others, and those that have one more keep it.
  void give_up_surplus() {
    if (input_.members.empty()) return;
    std::size_t total = 0;
    for (const auto& [topic, holders] : holders_) total += holders.size();
    const std::size_t quota = total / input_.members.size();
    std::size_t extra = total % input_.members.size();
    std::vector<std::size_t> allowed(input_.members.size(), quota);
    for (std::size_t i = 0; i < allowed.size(); ++i) {
      if (loads_[i] <= quota || extra == 0) continue;
      ++allowed[i];
      --extra;
    }
    for (auto& [topic, holders] : holders_) {
      for (auto& holder : holders) {
        if (holder == kNobody || loads_[holder] <= allowed[holder]) continue;
        --loads_[holder];
        holder = kNobody;
      }
    }
  }

  // What nobody has goes to the poorest subscriber; first the topics with the least choice.
  void give_out() {
    std::vector<Topic> order;
    for (const auto& [topic, members] : subscribers_) order.push_back(topic);
    std::sort(order.begin(), order.end(), [&](const Topic& a, const Topic& b) {
      return std::pair(subscribers_.at(a).size(), a) < std::pair(subscribers_.at(b).size(), b);
    });
    for (const auto& topic : order) {
      Ranking ranking(loads_);
      for (const auto member : subscribers_.at(topic)) ranking.add(member);
      for (auto& holder : holders_.at(topic)) {
        if (holder != kNobody) continue;
        holder = ranking.poorest();
        ranking.remove(holder);
        ++loads_[holder];
        ranking.add(holder);
      }
    }
  }

  // As long as somebody has two more than a member that could take one of them.
  void even_out() {
    bool has_moved = true;
    for (int round = 0; has_moved && round < kRoundsMax; ++round) {
      has_moved = false;
      for (auto& [topic, holders] : holders_) {
        Ranking ranking(loads_);
        for (const auto member : subscribers_.at(topic)) ranking.add(member);
        for (auto& holder : holders) {
          const std::size_t poorest = ranking.poorest();
          if (loads_[holder] < loads_[poorest] + 2) continue;
          ranking.remove(poorest);
          ranking.remove(holder);
          --loads_[holder];
          ++loads_[poorest];
          ranking.add(holder);
          ranking.add(poorest);
          holder = poorest;
          has_moved = true;
        }
      }
    }
  }

  [[nodiscard]] std::vector<Assignment> collected() const {
    std::vector<Assignment> out(input_.members.size());
    for (const auto& [topic, holders] : holders_) {
      for (std::size_t partition = 0; partition < holders.size(); ++partition) {
        out[holders[partition]][topic].push_back(static_cast<std::int32_t>(partition));
      }
    }
    return out;
  }

  const AssignorInput& input_;
  std::vector<std::size_t> loads_;
  std::map<Topic, std::vector<std::size_t>> subscribers_;
  std::map<Topic, Holders> holders_;
};

}  // namespace

std::vector<Assignment> assign_uniform(const AssignorInput& input) {
  return Uniform(input).run();
}

}  // namespace millrace::broker
