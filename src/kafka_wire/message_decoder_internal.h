#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "kafka_wire/field_types_internal.h"
#include "kafka_wire/message.h"
#include "kafka_wire/message_reader.h"

// The definition of `decode`: visitors that read.

namespace millrace::kafka_wire {

// The fewest bytes that a value can have in this version.
template <class T>
struct LeastBytesVisitor {
  using Object = T;
  std::int16_t version;
  bool is_flexible;
  std::size_t bytes = 0;

  template <class Field>
  void field(const char*, Field T::*, Versions in = kAlways, Versions = kAlways);
  void tagged(auto&&...) {}
};
template <class T>
std::size_t least_bytes(std::int16_t version, bool is_flexible) {
  if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    return sizeof(T);
  } else if constexpr (std::is_same_v<T, Uuid>) {
    return sizeof(Uuid::bytes);
  } else if constexpr (std::is_same_v<T, std::string>) {
    return is_flexible ? 1 : sizeof(std::int16_t);
  } else if constexpr (std::is_same_v<T, Blob> || std::is_same_v<T, Records> ||
                       IsVector<T>::value) {
    return is_flexible ? 1 : sizeof(std::int32_t);
  } else if constexpr (IsOptional<T>::value) {
    if constexpr (Described<typename T::value_type>) return 1;
    return least_bytes<typename T::value_type>(version, is_flexible);
  } else {
    LeastBytesVisitor<T> visitor{version, is_flexible};
    T::visit(visitor);
    return visitor.bytes + (is_flexible ? 1 : 0);
  }
}
template <class T>
template <class Field>
void LeastBytesVisitor<T>::field(const char*, Field T::*, Versions in, Versions) {
  if (in.contains(version)) bytes += least_bytes<Field>(version, is_flexible);
}

template <class T>
void read_struct(MessageReader& in, T& object);

template <class T>
void read_array(MessageReader& in, std::vector<T>& values, std::size_t count) {
  values.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    if constexpr (Described<T>) {
      read_struct(in, values[i]);
    } else {
      read_value(in, values[i], false);
    }
    if (in.has_failed()) [[unlikely]]
      return in.add_to_path(i);
  }
}

// False for null.
template <class T>
bool read_value(MessageReader& in, T& value, bool is_nullable) {
  if constexpr (std::is_same_v<T, bool>) {
    value = in.fixed<std::int8_t>() != 0;
  } else if constexpr (std::is_enum_v<T>) {
    value = static_cast<T>(in.fixed<std::underlying_type_t<T>>());
  } else if constexpr (std::is_same_v<T, double>) {
    value = std::bit_cast<double>(in.fixed<std::uint64_t>());
  } else if constexpr (std::is_arithmetic_v<T>) {
    value = in.fixed<T>();
  } else if constexpr (std::is_same_v<T, Uuid>) {
    const auto bytes = in.raw(sizeof value.bytes);
    if (!in.has_failed()) std::memcpy(value.bytes.data(), bytes.data(), bytes.size());
  } else if constexpr (std::is_same_v<T, std::string>) {
    const std::int32_t count = in.string_byte_count(is_nullable);
    if (count < 0) return false;
    value.assign(in.raw(static_cast<std::size_t>(count)));
  } else if constexpr (std::is_same_v<T, Blob>) {
    const std::int32_t count = in.blob_byte_count(is_nullable);
    if (count < 0) return false;
    value.bytes.assign(in.raw(static_cast<std::size_t>(count)));
  } else if constexpr (std::is_same_v<T, Records>) {
    const std::int32_t count = in.blob_byte_count(is_nullable);
    if (count < 0) {
      value.set_null();
    } else {
      value.assign(in.raw(static_cast<std::size_t>(count)));
    }
  } else if constexpr (IsVector<T>::value) {
    using Element = typename T::value_type;
    const std::int32_t count =
        in.array_count(is_nullable, least_bytes<Element>(in.version(), in.is_flexible()));
    if (count < 0) return false;
    read_array(in, value, static_cast<std::size_t>(count));
  } else if constexpr (IsOptional<T>::value) {
    using Inner = typename T::value_type;
    if constexpr (Described<Inner>) {
      if (is_nullable && !in.struct_is_present()) {
        value.reset();
        return false;
      }
    }
    if (!value) value.emplace();
    if (!read_value(in, *value, is_nullable)) value.reset();
  } else {
    read_struct(in, value);
  }
  return true;
}

// Reads one tagged field, whose tag is known and whose bytes have been entered.
template <class T>
struct TagReader {
  using Object = T;
  MessageReader& in;
  T& object;
  std::uint32_t wanted;
  bool is_known = false;

  void field(auto&&...) {}
  template <class Field>
  void tagged(int tag, const char* name, Field T::* member, Versions versions = kAlways) {
    if (static_cast<std::uint32_t>(tag) != wanted || !versions.contains(in.version())) return;
    is_known = true;
    read_value(in, object.*member, IsOptional<Field>::value);
    if (in.has_failed()) [[unlikely]]
      in.add_to_path(name);
  }
};

template <class T>
void read_tagged_fields(MessageReader& in, T& object) {
  const std::uint32_t count = in.unsigned_varint();
  std::int64_t previous = -1;
  for (std::uint32_t i = 0; i < count && !in.has_failed(); ++i) {
    const std::uint32_t tag = in.unsigned_varint();
    if (tag <= previous) in.fail("tag " + std::to_string(tag) + " out of order");
    previous = tag;
    const std::uint32_t field_bytes = in.unsigned_varint();
    const char* const outer_end = in.enter(field_bytes);
    if (in.has_failed()) return;
    TagReader<T> reader{in, object, tag};
    T::visit(reader);
    if (!reader.is_known) (void)in.raw(field_bytes);
    in.leave(outer_end);
  }
}

template <class T>
struct FieldReader {
  using Object = T;
  MessageReader& in;
  T& object;

  template <class Field>
  void field(const char* name, Field T::* member, Versions versions = kAlways,
             Versions nullable = kAlways) {
    if (!versions.contains(in.version())) {
      object.*member = T{}.*member;
      return;
    }
    if (in.has_failed()) [[unlikely]]
      return;
    constexpr bool kCanBeNull = IsOptional<Field>::value || std::is_same_v<Field, Records>;
    read_value(in, object.*member, kCanBeNull && nullable.contains(in.version()));
    if (in.has_failed()) [[unlikely]]
      in.add_to_path(name);
  }
  template <class Field>
  void tagged(int, const char*, Field T::* member, Versions = kAlways) {
    object.*member = T{}.*member;
  }
};

template <class T>
void read_struct(MessageReader& in, T& object) {
  FieldReader<T> reader{in, object};
  T::visit(reader);
  if (in.is_flexible() && !in.has_failed()) read_tagged_fields(in, object);
}

template <Message M>
Status decode(std::string_view body, std::int16_t version, M& message) {
  constexpr MessageInfo kInfo = M::kInfo;
  if (version < kInfo.min_version || version > kInfo.max_version) {
    return unsupported_error(std::string(kInfo.name) + " v" + std::to_string(version) +
                             ": versions " + std::to_string(kInfo.min_version) + " to " +
                             std::to_string(kInfo.max_version) + " are known");
  }
  MessageReader in(body, version, version >= kInfo.first_flexible);
  read_struct(in, message);
  return in.finish(kInfo);
}

}  // namespace millrace::kafka_wire
