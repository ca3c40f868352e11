#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Private to config*.cc: which keys there are.

namespace millrace::pipeline {

enum class ConfigKind : std::uint8_t {
  text,
  boolean,
  integer,      // low..high
  amount,       // a number of at least 0, or a string holding one
  texts,        // a list of strings
  word,         // one of `words`, in any case
  bucket,       // an S3 bucket's name
  region,       // an AWS region
  environment,  // a short lower-case name
  topic,        // a Kafka topic's name
  anything,     // a scalar
};

struct ConfigKey {
  // Dotted; a `*` matches any one name, and `*_suffix` one that ends so.
  std::string_view path;
  ConfigKind kind = ConfigKind::text;
  std::int64_t low = 0;
  std::int64_t high = 0;
  std::string_view words = {};  // separated by spaces
  // The key that this one is another name of; empty for none.
  std::string_view same_as = {};
  // Why the key has no effect; empty where it has one.
  std::string_view idle_because = {};
};

// Every key, those of one object together. Each key with `same_as` comes after the one it names.
std::span<const ConfigKey> config_keys();

// The key for a path of names, or null. `depth` is set to how many of the names are known.
const ConfigKey* find_config_key(std::span<const std::string> path, std::size_t& depth);

// The names that may stand behind the first `depth` names of `path`.
std::vector<std::string> known_names(std::span<const std::string> path, std::size_t depth);

// Whether more names may follow all of `path`.
bool is_config_object(std::span<const std::string> path);

}  // namespace millrace::pipeline
