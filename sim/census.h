#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::sim {

// How often each kind of fault was done and each branch of a recovery was taken. A simulation that
// never gets somewhere finds nothing there.
class Census {
 public:
  void count(std::string_view what, std::uint64_t times = 1);
  void add(const Census& other);
  [[nodiscard]] const std::map<std::string, std::uint64_t, std::less<>>& counts() const {
    return counts_;
  }

  // One line per count, "times what"; parse adds the lines of such a text.
  [[nodiscard]] std::string to_text() const;
  void parse(std::string_view text);

  // Of what must happen in any long run: those that never did.
  [[nodiscard]] std::vector<std::string> missing() const;

 private:
  std::map<std::string, std::uint64_t, std::less<>> counts_;
};

}  // namespace millrace::sim
