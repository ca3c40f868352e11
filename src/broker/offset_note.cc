#include "broker/offset_note.h"

#include <utility>

#include "base/bytes.h"

namespace millrace::broker {

namespace {

constexpr char kMark = '\xff';
constexpr std::size_t kHeadBytes = 1 + sizeof(std::uint32_t);

}  // namespace

std::string keep_offset_note(OffsetNote note) {
  if (note.leader_epoch < 0 && !note.metadata.starts_with(kMark)) return std::move(note.metadata);
  std::string kept(1, kMark);
  append_little(kept, static_cast<std::uint32_t>(note.leader_epoch));
  return kept + note.metadata;
}

OffsetNote read_offset_note(std::string_view kept) {
  if (!kept.starts_with(kMark) || kept.size() < kHeadBytes) return {std::string(kept), -1};
  const auto epoch = load_little<std::uint32_t>(kept.data() + 1);
  return {std::string(kept.substr(kHeadBytes)), static_cast<std::int32_t>(epoch)};
}

}  // namespace millrace::broker
