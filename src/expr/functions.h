#pragma once

#include <span>
#include <string_view>

#include "expr/node.h"
#include "expr/types.h"

namespace millrace::expr {

inline constexpr std::size_t kCallArgumentsMax = 16;
inline constexpr std::uint64_t kBytesPerStep = 64;

// A function as the compiler sees it. `signature` has one letter per argument (the receiver first):
//   *  anything          s  string            b  bytes           i  int
//   n  any number        l  list              t  timestamp       T  timestamp or duration
//   z  what has a size   c  string or bytes
// Arguments after '?' may be left out; '+' at the end repeats the last letter.
struct Function {
  std::string_view name;
  bool is_receiver = false;
  std::string_view signature;
  Type result = Type::dyn;
  Builtin run = nullptr;

  [[nodiscard]] std::size_t argument_count_min() const;
  [[nodiscard]] std::size_t argument_count_max() const;
  // Whether a value of `type` can be argument `index`.
  [[nodiscard]] bool accepts(std::size_t index, Type type) const;
};

std::span<const Function> conversion_functions();
std::span<const Function> number_functions();
std::span<const Function> string_functions();
std::span<const Function> time_functions();

// A function that takes `argument_count` arguments; failing that, any of the name; or nullptr.
const Function* find_function(std::string_view name, bool is_receiver, std::size_t argument_count);
// The known name nearest to `name`, or empty.
std::string_view nearest_function(std::string_view name);

Value run_matches(const Node& node, Frame& frame, std::span<const Value> arguments);
// The node of `child 0 matches a constant`, with the Matcher in node.prepared.
Value run_constant_match(const Node& node, Frame& frame);
// strings.quote and format live in files of their own.
Value run_quote(const Node& node, Frame& frame, std::span<const Value> arguments);
Value run_format(const Node& node, Frame& frame, std::span<const Value> arguments);

// Bytes that grow within an arena.
class ArenaText {
 public:
  explicit ArenaText(Arena& arena) : arena_(arena) {}
  void append(std::string_view text);
  void append(char c) { append(std::string_view(&c, 1)); }
  [[nodiscard]] std::string_view view() const { return {data_, size_bytes_}; }
  [[nodiscard]] std::size_t size() const { return size_bytes_; }

 private:
  Arena& arena_;
  char* data_ = nullptr;
  std::size_t size_bytes_ = 0;
  std::size_t capacity_bytes_ = 0;
};

}  // namespace millrace::expr
