#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "codec/json_schema_node.h"
#include "codec/json_schema_resources.h"

namespace millrace::codec {
namespace {

using Unsigned128 = unsigned __int128;

bool lists_equal(const Value& a, const Value& b) {
  const auto left = a.as_list();
  const auto right = b.as_list();
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), json_equal);
}

std::uint64_t mixed(std::uint64_t seed, std::uint64_t value) {
  char bytes[8];
  store_little(bytes, value);
  return hash64({bytes, sizeof bytes}, seed);
}

// The objects' members ordered by name: comparing two large objects stays n log n.
std::vector<const MapEntry*> sorted_members(const Value& map) {
  std::vector<const MapEntry*> out;
  for (const MapEntry& entry : map.as_map()) out.push_back(&entry);
  std::ranges::sort(out, {}, [](const MapEntry* entry) { return entry->key.as_string(); });
  return out;
}

bool maps_equal(const Value& a, const Value& b) {
  constexpr std::size_t kSmallMap = 16;
  if (a.as_map().size() != b.as_map().size()) return false;
  if (a.as_map().size() <= kSmallMap) {
    return std::ranges::all_of(a.as_map(), [&b](const MapEntry& entry) {
      const Value* other = find_member(b, entry.key.as_string());
      return other != nullptr && json_equal(entry.value, *other);
    });
  }
  return std::ranges::equal(sorted_members(a), sorted_members(b),
                            [](const MapEntry* left, const MapEntry* right) {
                              return left->key.as_string() == right->key.as_string() &&
                                     json_equal(left->value, right->value);
                            });
}

}  // namespace

TypeSet type_of(const Value& value) {
  switch (value.kind()) {
    case ValueKind::null:
      return type_bit::null;
    case ValueKind::boolean:
      return type_bit::boolean;
    case ValueKind::int64:
    case ValueKind::uint64:
      return type_bit::integer;
    case ValueKind::decimal:
      return value.as_decimal().normalized().scale() == 0 ? type_bit::integer : type_bit::fraction;
    case ValueKind::string:
      return type_bit::string;
    case ValueKind::list:
      return type_bit::array;
    case ValueKind::map:
      return type_bit::object;
    default:
      return 0;  // no kind of a parsed document
  }
}

bool is_number(const Value& value) {
  return value.kind() == ValueKind::int64 || value.kind() == ValueKind::decimal ||
         value.kind() == ValueKind::uint64;
}

Decimal number_of(const Value& value) {
  if (value.kind() == ValueKind::int64) return Decimal::from_int(value.as_int64());
  if (value.kind() == ValueKind::uint64) return {static_cast<__int128>(value.as_uint64()), 0};
  MR_CHECK(value.kind() == ValueKind::decimal);
  return value.as_decimal();
}

bool json_equal(const Value& a, const Value& b) {
  if (is_number(a) || is_number(b)) {
    return is_number(a) && is_number(b) && number_of(a) == number_of(b);
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case ValueKind::boolean:
      return a.as_boolean() == b.as_boolean();
    case ValueKind::string:
      return a.as_string() == b.as_string();
    case ValueKind::list:
      return lists_equal(a, b);
    case ValueKind::map:
      return maps_equal(a, b);
    default:
      return true;
  }
}

std::uint64_t json_hash(const Value& value) {
  const auto kind = static_cast<std::uint64_t>(value.kind());
  if (is_number(value)) {
    const Decimal number = number_of(value).normalized();
    const auto bits = static_cast<Unsigned128>(number.unscaled());
    return mixed(
        mixed(static_cast<std::uint64_t>(number.scale()), static_cast<std::uint64_t>(bits)),
        static_cast<std::uint64_t>(bits >> 64));
  }
  switch (value.kind()) {
    case ValueKind::boolean:
      return mixed(kind, value.as_boolean() ? 1 : 0);
    case ValueKind::string:
      return hash64(value.as_string(), kind);
    case ValueKind::list: {
      std::uint64_t hash = kind;
      for (const Value& item : value.as_list()) hash = mixed(hash, json_hash(item));
      return hash;
    }
    case ValueKind::map: {
      // A sum does not depend on the order of the members.
      std::uint64_t hash = kind;
      for (const MapEntry& entry : value.as_map()) {
        hash += mixed(hash64(entry.key.as_string()), json_hash(entry.value));
      }
      return hash;
    }
    default:
      return kind;
  }
}

bool is_multiple_of(const Decimal& value, const Decimal& divisor) {
  MR_CHECK(divisor > Decimal());
  const Decimal number = value.normalized();
  const Decimal step = divisor.normalized();
  // Both are without zeros at the end, so a multiple never has more digits after the point.
  if (number.scale() > step.scale()) return false;
  const auto modulus = static_cast<Unsigned128>(step.unscaled());
  const __int128 signed_value = number.unscaled();
  auto rest = static_cast<Unsigned128>(signed_value < 0 ? -signed_value : signed_value) % modulus;
  // rest * 10^n mod modulus by doubling: rest < 10^38 < 2^127, so a sum of two fits.
  for (int n = number.scale(); n < step.scale(); ++n) {
    const Unsigned128 twice = (rest + rest) % modulus;
    const Unsigned128 fourfold = (twice + twice) % modulus;
    const Unsigned128 eightfold = (fourfold + fourfold) % modulus;
    rest = (eightfold + twice) % modulus;
  }
  return rest == 0;
}

}  // namespace millrace::codec
