#pragma once

#include <cstdint>
#include <string_view>

namespace millrace {

// 128 bits of XXH3. With a secret seed nobody outside can aim for a collision cheaply; equality of
// two hashes is taken as equality of their inputs.
struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const Hash128&) const = default;
  auto operator<=>(const Hash128&) const = default;
};

[[nodiscard]] Hash128 hash128(std::string_view bytes, std::uint64_t seed);
[[nodiscard]] std::uint64_t hash64(std::string_view bytes, std::uint64_t seed = 0);

// Kafka's murmur2 (org.apache.kafka.common.utils.Utils.murmur2), the hash of its default
// partitioner.
[[nodiscard]] std::uint32_t murmur2(std::string_view bytes);

// The partition Kafka's default partitioner gives a record with this key: positive murmur2 modulo
// the count. `partition_count` > 0.
[[nodiscard]] std::int32_t partition_for_key(std::string_view key, std::int32_t partition_count);

}  // namespace millrace
