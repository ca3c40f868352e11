#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "kafka_wire/field_types_internal.h"
#include "kafka_wire/message.h"
#include "kafka_wire/message_writer.h"

// The definition of `encode`: visitors that write.

namespace millrace::kafka_wire {

template <class T>
consteval int tagged_count_of() {
  FieldCounter<T> counter;
  T::visit(counter);
  return counter.tagged_count;
}

template <class T>
void write_struct(MessageWriter& out, const T& object);

// For an optional, `is_nullable` says whether this version can say null.
template <class T>
void write_value(MessageWriter& out, const T& value, bool is_nullable) {
  if constexpr (std::is_same_v<T, bool>) {
    out.fixed(static_cast<std::int8_t>(value ? 1 : 0));
  } else if constexpr (std::is_enum_v<T>) {
    out.fixed(static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (std::is_same_v<T, double>) {
    out.fixed(std::bit_cast<std::uint64_t>(value));
  } else if constexpr (std::is_arithmetic_v<T>) {
    out.fixed(value);
  } else if constexpr (std::is_same_v<T, Uuid>) {
    out.out().append({reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size()});
  } else if constexpr (std::is_same_v<T, std::string>) {
    out.string(value);
  } else if constexpr (std::is_same_v<T, Blob>) {
    out.count(static_cast<std::int64_t>(value.bytes.size()));
    out.out().append(value.bytes);
  } else if constexpr (std::is_same_v<T, Records>) {
    const bool is_null = value.is_null() && is_nullable;
    out.count(is_null ? -1 : static_cast<std::int64_t>(value.byte_count()));
    out.out().append_foreign(value.view());
    for (const auto piece : value.more()) out.out().append_foreign(piece);
  } else if constexpr (IsVector<T>::value) {
    out.count(static_cast<std::int64_t>(value.size()));
    for (const auto& element : value) write_value(out, element, false);
  } else if constexpr (IsOptional<T>::value) {
    write_optional(out, value, is_nullable);
  } else {
    write_struct(out, value);
  }
}

template <class Inner>
void write_optional(MessageWriter& out, const std::optional<Inner>& value, bool is_nullable) {
  if constexpr (Described<Inner>) {
    if (is_nullable) out.fixed(static_cast<std::int8_t>(value ? 1 : -1));
    if (value || !is_nullable) write_value(out, value ? *value : Inner{}, false);
  } else if (value) {
    write_value(out, *value, false);
  } else if (!is_nullable) {
    write_value(out, Inner{}, false);
  } else if constexpr (std::is_same_v<Inner, std::string>) {
    out.null_string();
  } else {
    out.count(-1);
  }
}

// Tagged fields travel only when they differ from their default, which is what their absence means.
template <class T>
struct TaggedCounter {
  using Object = T;
  std::int16_t version;
  const T& object;
  std::uint32_t count = 0;

  void field(auto&&...) {}
  template <class Field>
  void tagged(int, const char*, Field T::* member, Versions versions = kAlways) {
    if (versions.contains(version) && !(object.*member == T{}.*member)) ++count;
  }
};
template <class T>
struct TaggedWriter {
  using Object = T;
  MessageWriter& out;
  const T& object;
  int previous = -1;

  void field(auto&&...) {}
  template <class Field>
  void tagged(int tag, const char*, Field T::* member, Versions versions = kAlways) {
    if (!versions.contains(out.version()) || object.*member == T{}.*member) return;
    MR_CHECK(tag > previous);
    previous = tag;
    const std::size_t begin = out.out().own_byte_count();
    write_value(out, object.*member, IsOptional<Field>::value);
    out.close_tagged(tag, begin);
  }
};

template <class T>
struct FieldWriter {
  using Object = T;
  MessageWriter& out;
  const T& object;

  template <class Field>
  void field(const char*, Field T::* member, Versions versions = kAlways,
             Versions nullable = kAlways) {
    if (!versions.contains(out.version())) return;
    write_value(out, object.*member, nullable.contains(out.version()));
  }
  void tagged(auto&&...) {}
};

template <class T>
void write_struct(MessageWriter& out, const T& object) {
  FieldWriter<T> fields{out, object};
  T::visit(fields);
  if (!out.is_flexible()) return;
  if constexpr (tagged_count_of<T>() == 0) {
    out.unsigned_varint(0);
  } else {
    TaggedCounter<T> counter{out.version(), object};
    T::visit(counter);
    out.unsigned_varint(counter.count);
    if (counter.count == 0) return;
    TaggedWriter<T> tagged{out, object};
    T::visit(tagged);
  }
}

template <Message M>
void encode(const M& message, std::int16_t version, WireBytes& out) {
  MR_CHECK(version >= M::kInfo.min_version && version <= M::kInfo.max_version);
  MessageWriter writer(out, version, version >= M::kInfo.first_flexible);
  write_struct(writer, message);
}

}  // namespace millrace::kafka_wire
