// The first byte chooses lines or CSV; the rest is the file that `millrace produce` reads. Every
// record of a CSV file is one JSON object with the header's members, or the row as it stands.

#include "app/record_source.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/utf8.h"
#include "codec/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool is_csv = data[0] % 2 != 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto source = millrace::app::lines_of(text, is_csv);
  millrace::app::KeyReader keys("k");
  std::string value;
  std::size_t bytes = 0;
  while (true) {
    const auto has_next = source->next(value);
    if (!has_next.is_ok()) {
      MR_CHECK(is_csv && has_next.status().code() == millrace::StatusCode::invalid);
      break;
    }
    if (!*has_next) break;
    bytes += value.size();
    static_cast<void>(keys.read(value));
    if (!is_csv) continue;
    const bool is_object = value.starts_with('{') && value.ends_with('}');
    MR_CHECK(is_object || text.find(value.substr(0, value.find('\n'))) != std::string::npos);
  }
  if (!is_csv) MR_CHECK(bytes <= text.size());
  return 0;
}
