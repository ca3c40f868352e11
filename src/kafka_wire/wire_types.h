#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::kafka_wire {

// 16 bytes in network order. All zero means "none".
struct Uuid {
  std::array<unsigned char, 16> bytes{};

  [[nodiscard]] bool is_zero() const { return *this == Uuid{}; }
  auto operator<=>(const Uuid&) const = default;
};

// Record batches within a message, never copied: decoding leaves one view into the input, and an
// encoder's output refers to the views (see WireBytes), which must live until the bytes are sent.
class Records {
 public:
  Records() = default;  // null, as the protocol has it
  explicit Records(std::string_view bytes) : first_(bytes), is_null_(false) {}

  // Empty and not null; what an answer without records has.
  static Records none() { return Records(std::string_view()); }
  // One more piece behind the others.
  void append(std::string_view piece);
  // As constructed anew, with the memory of the pieces kept.
  void assign(std::string_view bytes);
  void set_null();

  [[nodiscard]] bool is_null() const { return is_null_; }
  [[nodiscard]] std::size_t byte_count() const;
  // What decoding gave; of records with more than one piece, the first.
  [[nodiscard]] std::string_view view() const { return first_; }
  [[nodiscard]] const std::vector<std::string_view>& more() const { return more_; }
  [[nodiscard]] std::string joined() const;
  bool operator==(const Records& other) const;

 private:
  std::string_view first_;
  std::vector<std::string_view> more_;
  bool is_null_ = true;
};

}  // namespace millrace::kafka_wire
