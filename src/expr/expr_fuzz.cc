#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/check.h"
#include "expr/expr.h"

// Any text compiles to a program or an error, and any program evaluates within its bounds. The
// first byte chooses whether names and types are checked.

namespace millrace::expr {
namespace {

class OneRow : public LookupTable {
 public:
  [[nodiscard]] Value find(const Value& key) const override {
    return key.kind() == ValueKind::string ? Value::map(columns_) : Value::null();
  }

 private:
  std::vector<MapEntry> columns_{{Value::string("c"), Value::int64(1)},
                                 {Value::string("n"), Value::null()}};
};

void run(std::string_view text, bool is_checked) {
  RowLayout layout;
  layout.fields = {
      {"i", FieldType::int64},     {"d", FieldType::decimal}, {"s", FieldType::string},
      {"t", FieldType::timestamp}, {"b", FieldType::boolean}, {"l", FieldType::list},
      {"m", FieldType::map},       {"a", FieldType::any},     {"later", FieldType::any}};
  const std::vector<Value> list = {Value::int64(3), Value::string("x"), Value::decimal({25, 1})};
  const std::vector<MapEntry> map = {{Value::string("k"), Value::int64(1)},
                                     {Value::int64(2), Value::boolean(true)}};
  const std::vector<Value> row = {Value::int64(-7),
                                  Value::decimal({12'345, 2}),
                                  Value::string("a-\xc3\xa4,b"),
                                  Value::timestamp(1'340'285'400, 17'460'000),
                                  Value::boolean(true),
                                  Value::list(list),
                                  Value::map(map),
                                  Value(),
                                  Value::null()};
  const OneRow table;
  const std::vector<const LookupTable*> tables = {&table};
  const std::vector<Value> variables = {Value::float64(0.1)};
  Environment environment;
  environment.layout = &layout;
  environment.field_count = layout.fields.size() - 1;
  environment.table_names = {"table"};
  environment.variable_names = {"v"};
  environment.is_checked = is_checked;

  const auto program = Program::compile(text, environment);
  if (!program.is_ok()) {
    MR_CHECK(!program.status().message().empty());
    return;
  }
  Arena arena;
  const Value first = program->evaluate({row, tables, variables}, arena);
  const Value second = program->evaluate({row, tables, variables}, arena);
  MR_CHECK(!first.is_absent());
  MR_CHECK(first.kind() == second.kind());
  if (first.is_error()) MR_CHECK(first.as_string() == second.as_string());
}

}  // namespace
}  // namespace millrace::expr

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  millrace::expr::run({reinterpret_cast<const char*>(data) + 1, size - 1}, (data[0] & 1) != 0);
  return 0;
}
