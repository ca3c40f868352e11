#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace millrace {

// An integer that only compares with its own kind. `Tag` makes the kind; arithmetic is spelled out
// through `value` on purpose, so that an offset is never added to a timestamp by accident.
template <typename Tag, typename Int>
struct Strong {
  Int value{};

  constexpr Strong() = default;
  constexpr explicit Strong(Int v) : value(v) {}
  constexpr auto operator<=>(const Strong&) const = default;
  constexpr Strong operator+(Int delta) const { return Strong(value + delta); }
  constexpr Strong operator-(Int delta) const { return Strong(value - delta); }
  constexpr Int operator-(Strong other) const { return value - other.value; }
  constexpr Strong& operator++() {
    ++value;
    return *this;
  }
};

}  // namespace millrace

template <typename Tag, typename Int>
struct std::hash<millrace::Strong<Tag, Int>> {
  std::size_t operator()(const millrace::Strong<Tag, Int>& strong) const noexcept {
    return std::hash<Int>{}(strong.value);
  }
};
