#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace {

// Picks the candidate with the fewest changed, inserted, removed or swapped characters, if they are
// few enough (a third of the name) that a typing error is likely.
class NearestName {
 public:
  explicit NearestName(std::string_view wanted)
      : wanted_(wanted), distance_(wanted.size() / 3 + 1) {}

  // The view must outlive this object. Among equals the first offered wins.
  void offer(std::string_view candidate);
  [[nodiscard]] std::string_view best() const { return best_; }
  // "; did you mean 'price'?" or nothing.
  [[nodiscard]] std::string suggestion() const;

 private:
  std::string_view wanted_;
  std::string_view best_;
  std::size_t distance_;  // of the best; a better one must be nearer
};

}  // namespace millrace
