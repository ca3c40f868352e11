// The input is one JSON text. RowDecoder and the slow twin of its grammar must agree on whether it
// is an object at all, and the decoder must read the text by its shape (the second of two
// equal texts with room behind) as it reads it in general.

#include "codec/row_decoder.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "codec/json_twin.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  millrace::RowLayout layout;
  for (const auto type :
       {millrace::FieldType::boolean, millrace::FieldType::int64, millrace::FieldType::decimal,
        millrace::FieldType::string, millrace::FieldType::timestamp, millrace::FieldType::list,
        millrace::FieldType::map, millrace::FieldType::any}) {
    millrace::Field field;
    field.name = static_cast<char>('a' + layout.fields.size());
    field.type = type;
    layout.fields.push_back(field);
  }
  millrace::codec::RowDecoder decoder(layout, layout.fields.size());
  std::vector<millrace::Value> row(layout.fields.size());
  millrace::Arena arena;
  const auto outcome = decoder.decode(text, size, arena, row);
  const auto twin = millrace::codec::JsonTwin::parse(text, arena);
  const bool is_object = twin && twin->kind() == millrace::ValueKind::map;
  if (outcome.status.is_ok() != is_object) std::abort();
  std::vector<char> padded(size + 64);
  std::copy_n(data, size, padded.begin());
  std::vector<millrace::Value> padded_row(layout.fields.size());
  for (int i = 0; i < 2; ++i) {
    const auto again = decoder.decode({padded.data(), size}, padded.size(), arena, padded_row);
    if (again.status.message() != outcome.status.message()) std::abort();
    if (!again.status.is_ok()) continue;
    if (again.mismatches != outcome.mismatches) std::abort();
    if (again.unknown_count != outcome.unknown_count) std::abort();
    if (!std::ranges::equal(row, padded_row, millrace::codec::are_equal)) std::abort();
  }
  return 0;
}
