#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace millrace {

// Bytes are passed as std::string_view and owned as std::string. A SharedBytes is a view that keeps
// the buffer it points into alive; copying it copies no bytes. Immutable, so it may cross threads.
class SharedBytes {
 public:
  SharedBytes() = default;
  explicit SharedBytes(std::string bytes)
      : owner_(std::make_shared<const std::string>(std::move(bytes))), view_(*owner_) {}
  SharedBytes(std::shared_ptr<const std::string> owner, std::string_view view)
      : owner_(std::move(owner)), view_(view) {}

  [[nodiscard]] std::string_view view() const { return view_; }
  [[nodiscard]] std::size_t size() const { return view_.size(); }
  [[nodiscard]] bool empty() const { return view_.empty(); }
  // A sub-view sharing the same owner. `position + size` must be within this view.
  [[nodiscard]] SharedBytes slice(std::size_t position, std::size_t size) const {
    return {owner_, view_.substr(position, size)};
  }

 private:
  std::shared_ptr<const std::string> owner_;
  std::string_view view_;
};

// Fixed-width integers in memory order. `big` is Kafka's order, `little` is that of our own
// formats.
template <typename Int>
Int load_little(const char* from) {
  Int value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <typename Int>
void store_little(char* to, Int value) {
  std::memcpy(to, &value, sizeof value);
}
template <typename Int>
Int byte_swapped(Int value) {
  static_assert(sizeof(Int) == 2 || sizeof(Int) == 4 || sizeof(Int) == 8);
  if constexpr (sizeof(Int) == 2)
    return static_cast<Int>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  if constexpr (sizeof(Int) == 4)
    return static_cast<Int>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  if constexpr (sizeof(Int) == 8)
    return static_cast<Int>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
}
template <typename Int>
Int load_big(const char* from) {
  return byte_swapped(load_little<Int>(from));
}
template <typename Int>
void store_big(char* to, Int value) {
  store_little(to, byte_swapped(value));
}
template <typename Int>
void append_little(std::string& to, Int value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace millrace
