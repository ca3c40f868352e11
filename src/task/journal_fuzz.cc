// The input is a journal entry. What decodes says the same when it is encoded and decoded again.

#include "task/journal.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto entry = millrace::task::decode_journal_entry(bytes);
  if (!entry.is_ok()) return 0;
  std::string encoded;
  millrace::task::encode_journal_entry(*entry, encoded);
  const auto again = millrace::task::decode_journal_entry(encoded);
  MR_CHECK(again.is_ok());
  std::string twice;
  millrace::task::encode_journal_entry(*again, twice);
  MR_CHECK(twice == encoded);
  MR_CHECK(again->event.index() == entry->event.index());
  return 0;
}
