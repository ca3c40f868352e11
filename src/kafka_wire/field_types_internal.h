#pragma once

#include <optional>
#include <type_traits>
#include <vector>

namespace millrace::kafka_wire {

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

}  // namespace millrace::kafka_wire
