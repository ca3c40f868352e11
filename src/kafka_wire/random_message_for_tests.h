#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <type_traits>
#include <vector>

#include "base/random.h"
#include "kafka_wire/message.h"

// Tests only: messages with random values wherever their version has a field.

namespace millrace::kafka_wire {

class RandomFiller {
 public:
  RandomFiller(std::uint64_t seed, std::int16_t version) : random_(seed), version_(version) {}

  template <Described T>
  void fill(T& object);

  template <class T>
  void fill_value(T& value, bool is_nullable) {
    if constexpr (std::is_same_v<T, bool>) {
      value = random_.one_in(2);
    } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
      // Often short: extremes and ordinary numbers are both wanted.
      value = static_cast<T>(static_cast<std::int64_t>(random_.next()) >> random_.below(64));
    } else if constexpr (std::is_same_v<T, std::string>) {
      value = bytes();
    } else if constexpr (std::is_same_v<T, Blob>) {
      value.bytes = bytes();
    } else if constexpr (std::is_same_v<T, Uuid>) {
      for (auto& byte : value.bytes) byte = static_cast<unsigned char>(random_.next());
    } else if constexpr (std::is_same_v<T, Records>) {
      if (is_nullable && random_.one_in(4)) return value.set_null();
      value.assign({});
      for (auto pieces = random_.below(4); pieces > 0; --pieces) {
        value.append(kept_.emplace_back(bytes()));
      }
    } else {
      fill_composite(value, is_nullable);
    }
  }
  [[nodiscard]] std::int16_t version() const { return version_; }

 private:
  template <class T>
  void fill_composite(std::vector<T>& values, bool) {
    values.resize(random_.below(4));
    for (auto& value : values) fill_value(value, false);
  }
  template <class T>
  void fill_composite(std::optional<T>& value, bool is_nullable) {
    value.reset();
    if (is_nullable && random_.one_in(4)) return;
    value = T{};
    fill_value(*value, false);
  }
  template <Described T>
  void fill_composite(T& object, bool) {
    fill(object);
  }
  std::string bytes() {
    std::string text(random_.one_in(10) ? 100 + random_.below(400) : random_.below(20), '\0');
    for (char& c : text) c = static_cast<char>(random_.next());
    return text;
  }

  Random random_;
  std::int16_t version_;
  std::deque<std::string> kept_;  // what Records refer to
};

template <class T>
struct FillVisitor {
  using Object = T;
  RandomFiller& filler;
  T& object;

  template <class Field>
  void field(const char*, Field T::* member, Versions versions = kAlways,
             Versions nullable = kAlways) {
    if (!versions.contains(filler.version())) return;
    filler.fill_value(object.*member, nullable.contains(filler.version()));
  }
  template <class Field>
  void tagged(int, const char* name, Field T::* member, Versions versions = kAlways) {
    field(name, member, versions);
  }
};
template <Described T>
void RandomFiller::fill(T& object) {
  FillVisitor<T> visitor{*this, object};
  T::visit(visitor);
}

}  // namespace millrace::kafka_wire
