#include "sim/bit_flips.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "log/wal_files.h"
#include "log/wal_format.h"

namespace millrace::sim {
namespace {

// Where the newest group of the file stands; 0 without any. Old ones follow it in a file that was
// used before.
std::uint64_t last_group_in(const std::string& path, const std::string& content) {
  const auto name = path.substr(path.rfind('/') + 1);
  std::uint64_t last = 0;
  for (auto at = content.find(log::kGroupMagic); at != std::string::npos;
       at = content.find(log::kGroupMagic, at + 1)) {
    const auto header = log::parse_group_header(std::string_view(content).substr(at));
    if (!header.is_ok() || header->position.offset != at) continue;
    if (header->position.file == log::parse_wal_file_name(name)) last = at;
  }
  return last;
}

}  // namespace

void BitFlips::flip() {
  bool has_flipped = false;
  switch (world_.random.below(3)) {
    case 0:
      has_flipped = flip_in_wal();
      break;
    case 1:
      has_flipped = flip_in_segment();
      break;
    default:
      has_flipped = flip_in_snapshot();
  }
  if (has_flipped) world_.scheduler.note("flipped a bit in " + flips_.back().path);
}

void BitFlips::flip_in_file(const std::string& path, std::uint64_t position) {
  constexpr std::uint64_t kAround = 12;
  const std::string content = world_.platter.content(path);
  MR_CHECK(position < content.size());
  Flip flip;
  flip.path = path;
  flip.position = position;
  flip.around_position = position - std::min(position, kAround);
  flip.around_before = content.substr(flip.around_position, 2 * kAround);
  flip.around_after = flip.around_before;
  flip.around_after[position - flip.around_position] ^=
      static_cast<char>(1U << world_.random.below(8));
  world_.platter.overwrite(path, flip.around_position, flip.around_after);
  flips_.push_back(std::move(flip));
}

// Somewhere before the last group, so that it is damage in the middle (R17).
bool BitFlips::flip_in_wal() {
  std::vector<std::pair<std::string, std::uint64_t>> places;
  for (const auto& path : world_.platter.all_paths()) {
    if (!path.ends_with(".wal")) continue;
    const std::string content = world_.platter.content(path);
    const auto last = last_group_in(path, content);
    constexpr std::uint64_t kFirst = log::kWalFileHeaderBytes;
    if (last <= kFirst) continue;
    places.emplace_back(path, kFirst + world_.random.below(last - kFirst));
  }
  if (places.empty()) return false;
  const auto& [path, position] = places[world_.random.below(places.size())];
  flip_in_file(path, position);
  world_.census.count("flip.wal");
  return true;
}

bool BitFlips::flip_in_segment() {
  std::vector<std::string> paths;
  for (const auto& path : world_.platter.all_paths()) {
    if (path.find("/topics/") == std::string::npos || path.ends_with(".index")) continue;
    if (world_.platter.content(path).size() > 200) paths.push_back(path);
  }
  if (paths.empty()) return false;
  const auto& path = paths[world_.random.below(paths.size())];
  flip_in_file(path, world_.random.below(world_.platter.content(path).size()));
  world_.census.count("flip.segment");
  return true;
}

bool BitFlips::flip_in_snapshot() {
  std::vector<std::string> keys;
  if (world_.profile.has_directory_store) {
    for (const auto& path : world_.platter.all_paths()) {
      if (path.starts_with("/data/objects/snapshots/")) keys.push_back(path);
    }
    std::erase_if(keys, [&](const auto& path) { return world_.platter.content(path).empty(); });
  } else {
    for (const auto& [key, bytes] : world_.objects.objects) {
      if (key.starts_with("snapshots/")) keys.push_back(key);
    }
  }
  if (keys.empty()) return false;
  // The newest are the ones that are used.
  const auto age = world_.random.below(std::min<std::size_t>(3, keys.size()));
  const auto& key = keys[keys.size() - 1 - age];
  world_.census.count("flip.snapshot");
  if (world_.profile.has_directory_store) {
    flip_in_file(key, world_.random.below(world_.platter.content(key).size()));
    return true;
  }
  Flip flip;
  flip.path = key;
  flip.is_object = true;
  auto& bytes = world_.objects.objects[key];
  flip.around_before = bytes;
  bytes[world_.random.below(bytes.size())] ^= 16;
  flip.around_after = bytes;
  flips_.push_back(std::move(flip));
  return true;
}

void BitFlips::heal() {
  const auto paths = world_.platter.all_paths();
  for (const auto& flip : flips_) {
    if (flip.is_object) {
      const auto known = world_.objects.objects.find(flip.path);
      if (known != world_.objects.objects.end() && known->second == flip.around_after) {
        known->second = flip.around_before;
      }
      continue;
    }
    if (std::find(paths.begin(), paths.end(), flip.path) == paths.end()) continue;
    const std::string content = world_.platter.content(flip.path);
    if (content.compare(std::min<std::size_t>(content.size(), flip.around_position),
                        flip.around_after.size(), flip.around_after) != 0) {
      continue;
    }
    world_.platter.overwrite(flip.path, flip.around_position, flip.around_before);
  }
  flips_.clear();
}

}  // namespace millrace::sim
