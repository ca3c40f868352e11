// The input is one JSON text. RowDecoder and the slow twin of its grammar must agree on whether it
// is an object at all.

#include "codec/row_decoder.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "codec/json_twin.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace millrace;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  RowLayout layout;
  for (const auto type :
       {FieldType::boolean, FieldType::int64, FieldType::decimal, FieldType::string,
        FieldType::timestamp, FieldType::list, FieldType::map, FieldType::any}) {
    Field field;
    field.name = static_cast<char>('a' + layout.fields.size());
    field.type = type;
    layout.fields.push_back(field);
  }
  codec::RowDecoder decoder(layout, layout.fields.size());
  std::vector<Value> row(layout.fields.size());
  Arena arena;
  const auto outcome = decoder.decode(text, size, arena, row);
  const auto twin = codec::JsonTwin::parse(text, arena);
  const bool is_object = twin && twin->kind() == ValueKind::map;
  if (outcome.status.is_ok() != is_object) std::abort();
  return 0;
}
