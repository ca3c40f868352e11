#include "base/nearest_name.h"

#include <algorithm>
#include <vector>

namespace millrace {
namespace {

constexpr std::size_t kNameBytesMax = 128;  // longer ones get no suggestions

char lowered(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Optimal string alignment distance, letters compared without case.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool is_same = lowered(a[i - 1]) == lowered(b[j - 1]);
      cost[i][j] = std::min(
          {cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (is_same ? 0 : 1)});
      const bool is_swapped = i > 1 && j > 1 && lowered(a[i - 1]) == lowered(b[j - 2]) &&
                              lowered(a[i - 2]) == lowered(b[j - 1]);
      if (is_swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

void NearestName::offer(std::string_view candidate) {
  if (candidate.size() > kNameBytesMax || wanted_.size() > kNameBytesMax) return;
  const std::size_t distance = edit_distance(wanted_, candidate);
  const bool is_nearer = best_.empty() ? distance <= distance_ : distance < distance_;
  if (!is_nearer) return;
  best_ = candidate;
  distance_ = distance;
}

std::string NearestName::suggestion() const {
  return best_.empty() ? std::string() : "; did you mean '" + std::string(best_) + "'?";
}

}  // namespace millrace
