#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "expr/node.h"

namespace re2 {
class RE2;
}

namespace millrace::expr {

// A pattern such as ^[A-Z]{2}-\d+$ that needs no backtracking: anchored at the start, a sequence of
// ASCII characters and classes with counts, where no repeated class shares a character with what
// may follow it. Matching is one pass with a 256-bit table per item.
class SimplePattern {
 public:
  // nullopt when the pattern is of any other form, valid or not.
  static std::optional<SimplePattern> parse(std::string_view pattern);

  [[nodiscard]] bool matches(std::string_view text) const;

 private:
  struct Item {
    std::array<std::uint64_t, 4> bits{};
    std::uint32_t count_min = 1;
    std::uint32_t count_max = 1;

    void add(unsigned char c) { bits[c >> 6] |= std::uint64_t{1} << (c & 63); }
    void add_range(unsigned char low, unsigned char high);
    [[nodiscard]] bool has(unsigned char c) const { return ((bits[c >> 6] >> (c & 63)) & 1) != 0; }
    [[nodiscard]] bool meets(const Item& other) const;
  };

  static bool parse_atom(std::string_view pattern, std::size_t& i, Item& item);
  static bool parse_class(std::string_view pattern, std::size_t& i, Item& item);
  static bool parse_count(std::string_view pattern, std::size_t& i, Item& item);
  [[nodiscard]] bool is_deterministic() const;

  std::vector<Item> items_;
  bool is_anchored_at_end_ = false;
};

// A regular expression of RE2's syntax, found anywhere in the text. Any number of threads.
class Matcher : public Prepared {
 public:
  static Result<std::unique_ptr<Matcher>> compile(std::string_view pattern);
  ~Matcher() override;

  [[nodiscard]] bool matches(std::string_view text) const;
  [[nodiscard]] bool is_simple() const { return simple_.has_value(); }

 private:
  Matcher();

  std::optional<SimplePattern> simple_;
  std::unique_ptr<re2::RE2> re2_;  // only when not simple
};

}  // namespace millrace::expr
