// The input is an entry of a delivery's journal, which is also the lake's manifest. What decodes
// says the same when it is encoded and decoded again.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "lake/journal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto entry = millrace::lake::decode_lake_entry(bytes);
  if (!entry.is_ok()) return 0;
  std::string encoded;
  millrace::lake::encode_lake_entry(*entry, encoded);
  const auto again = millrace::lake::decode_lake_entry(encoded);
  MR_CHECK(again.is_ok());
  std::string twice;
  millrace::lake::encode_lake_entry(*again, twice);
  MR_CHECK(twice == encoded);
  return 0;
}
