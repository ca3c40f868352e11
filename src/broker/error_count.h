#pragma once

#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"

namespace millrace::broker {

template <class T>
std::uint64_t count_errors(const T& message);

template <class T>
struct ErrorCountVisitor {
  using Object = T;
  const T& object;
  std::uint64_t count = 0;

  template <class Field>
  void field(const char*, Field T::* member, kafka_wire::Versions = kafka_wire::kAlways,
             kafka_wire::Versions = kafka_wire::kAlways) {
    count += count_errors(object.*member);
  }
  template <class Field>
  void tagged(int, const char*, Field T::* member, kafka_wire::Versions = kafka_wire::kAlways) {
    count += count_errors(object.*member);
  }
};

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

// The error codes within an answer that are not NONE.
template <class T>
std::uint64_t count_errors(const T& message) {
  if constexpr (std::is_same_v<T, kafka_wire::ErrorCode>) {
    return message == kafka_wire::ErrorCode::none ? 0 : 1;
  } else if constexpr (IsOptional<T>::value) {
    return message ? count_errors(*message) : 0;
  } else if constexpr (IsVector<T>::value) {
    std::uint64_t count = 0;
    if constexpr (std::is_class_v<typename T::value_type>) {
      for (const auto& element : message) count += count_errors(element);
    }
    return count;
  } else if constexpr (kafka_wire::Described<T>) {
    ErrorCountVisitor<T> visitor{message};
    T::visit(visitor);
    return visitor.count;
  } else {
    return 0;
  }
}

}  // namespace millrace::broker
