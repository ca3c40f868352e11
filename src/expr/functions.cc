#include "expr/functions.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/nearest_name.h"

namespace millrace::expr {
namespace {

std::array<std::span<const Function>, 4> groups() {
  return {conversion_functions(), number_functions(), string_functions(), time_functions()};
}

bool letter_accepts(char letter, Type type) {
  const bool is_numeric =
      type == Type::int64 || type == Type::uint64 || type == Type::float64 || type == Type::decimal;
  switch (letter) {
    case 's':
      return type == Type::string;
    case 'b':
      return type == Type::bytes;
    case 'c':
      return type == Type::string || type == Type::bytes;
    case 'i':
      return type == Type::int64;
    case 'n':
      return is_numeric;
    case 'l':
      return type == Type::list;
    case 't':
      return type == Type::timestamp;
    case 'T':
      return type == Type::timestamp || type == Type::duration;
    case 'z':
      return type == Type::string || type == Type::bytes || type == Type::list || type == Type::map;
    default:
      return true;
  }
}

}  // namespace

std::size_t Function::argument_count_min() const {
  const auto optional = signature.find('?');
  const auto letters = signature.ends_with('+') ? signature.size() - 1 : signature.size();
  return optional == std::string_view::npos ? letters : optional;
}

std::size_t Function::argument_count_max() const {
  if (signature.ends_with('+')) return kCallArgumentsMax;
  return signature.size() - (signature.find('?') == std::string_view::npos ? 0 : 1);
}

bool Function::accepts(std::size_t index, Type type) const {
  if (type == Type::dyn) return true;
  const auto optional = signature.find('?');
  if (optional != std::string_view::npos && index >= optional) ++index;
  if (index < signature.size() && signature[index] != '+') {
    return letter_accepts(signature[index], type);
  }
  return letter_accepts(signature[signature.size() - 2], type);
}

const Function* find_function(std::string_view name, bool is_receiver, std::size_t argument_count) {
  const Function* of_name = nullptr;
  for (const auto group : groups()) {
    for (const auto& function : group) {
      if (function.name != name || function.is_receiver != is_receiver) continue;
      of_name = &function;
      const bool fits = argument_count >= function.argument_count_min() &&
                        argument_count <= function.argument_count_max();
      if (fits) return of_name;
    }
  }
  return of_name;
}

std::string_view nearest_function(std::string_view name) {
  NearestName nearest(name);
  for (const auto group : groups()) {
    for (const auto& function : group) nearest.offer(function.name);
  }
  for (const std::string_view macro : {"has", "all", "exists", "exists_one", "map", "filter",
                                       "cel.bind", "transformList", "transformMap"}) {
    nearest.offer(macro);
  }
  return nearest.best();
}

void ArenaText::append(std::string_view text) {
  if (text.empty()) return;
  if (size_bytes_ + text.size() > capacity_bytes_) {
    constexpr std::size_t kFirstBytes = 64;
    const std::size_t capacity =
        std::max({capacity_bytes_ * 2, size_bytes_ + text.size(), kFirstBytes});
    auto* data = static_cast<char*>(arena_.allocate(capacity, 1));
    if (size_bytes_ > 0) std::memcpy(data, data_, size_bytes_);
    data_ = data;
    capacity_bytes_ = capacity;
  }
  std::memcpy(data_ + size_bytes_, text.data(), text.size());
  size_bytes_ += text.size();
}

}  // namespace millrace::expr
