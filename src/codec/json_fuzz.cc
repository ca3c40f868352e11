// The input is one JSON text. parse_json and the slow twin agree whether it is one, and what is
// printed of it reads as the same text again.

#include "codec/json.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "codec/json_twin.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  millrace::Arena arena;
  const auto value = millrace::codec::parse_json(text, arena);
  const auto twin = millrace::codec::JsonTwin::parse(text, arena);
  MR_CHECK(value.is_ok() == twin.has_value());
  if (!twin) return 0;
  std::string mine;
  std::string theirs;
  millrace::codec::append_json(mine, *value);
  millrace::codec::append_json(theirs, *twin);
  MR_CHECK(mine == theirs);
  const auto again = millrace::codec::parse_json(mine, arena);
  MR_CHECK(again.is_ok());
  std::string twice;
  millrace::codec::append_json(twice, *again);
  MR_CHECK(twice == mine);
  return 0;
}
