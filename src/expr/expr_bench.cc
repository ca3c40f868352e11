// Nanoseconds per evaluation of expressions that pipelines use. Not part of the build:
//
//   clang++-19 -std=c++20 -O2 -march=x86-64-v3 -Isrc src/expr/*.cc (no tests) src/base/*.cc ...
//   -lre2

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "expr/expr.h"

namespace millrace::expr {
namespace {

class Sectors : public LookupTable {
 public:
  Sectors() {
    columns_ = {{Value::string("sector"), Value::string("Technology")},
                {Value::string("country"), Value::string("US")}};
  }
  [[nodiscard]] Value find(const Value& key) const override {
    return key.as_string() == "AAPL" ? Value::map(columns_) : Value::null();
  }

 private:
  std::vector<MapEntry> columns_;
};

double nanoseconds_per_evaluation(const Program& program, const EvaluateInput& input) {
  constexpr int kRounds = 15;
  constexpr int kEvaluations = 200'000;
  double best = 1e18;
  Arena arena;
  std::uint64_t sum = 0;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kEvaluations; ++i) {
      sum += static_cast<std::uint64_t>(program.evaluate(input, arena).kind());
      arena.reset();
    }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count() / kEvaluations);
  }
  if (sum == 0) std::puts("");  // keeps the loop
  return best;
}

int run(std::string_view wanted) {
  RowLayout layout;
  layout.fields = {{"ticker", FieldType::string},      {"price", FieldType::decimal},
                   {"volume", FieldType::int64},       {"customer_id", FieldType::string},
                   {"amount", FieldType::decimal},     {"region", FieldType::string},
                   {"timestamp", FieldType::timestamp}};
  const std::vector<Value> row = {Value::string("AAPL"),
                                  Value::decimal({22382, 2}),
                                  Value::int64(1500),
                                  Value::string("c-us-12345"),
                                  Value::decimal({12999, 2}),
                                  Value::string("us"),
                                  Value::timestamp(1'340'285'400, 17'460'000)};
  const Sectors sectors;
  const std::vector<const LookupTable*> tables = {&sectors};
  Environment environment{&layout, layout.fields.size(), {"sectors"}, {}};
  for (const char* text : {
           "price > 0",
           "price > 0.01",
           "volume >= 1000",
           "price > 0 && volume > 0 && ticker != ''",
           "ticker.matches('^[A-Z]{1,10}$')",
           "ticker.matches('^([A-Z]+|[0-9]+)$')",
           "price * volume",
           "round(price * volume, 4)",
           "amount < 50 ? 'small' : amount > 500 ? 'large' : 'medium'",
           "round(amount * {'us': 0.0825, 'eu': 0.20, 'uk': 0.2, 'ca': 0.13, 'au': 0.1}[region], "
           "2)",
           "region in ['us', 'eu', 'uk', 'ca', 'au']",
           "sectors[ticker].sector",
           "cel.bind(r, customer_id.split('-')[1].lowerAscii(), "
           "r in ['us', 'eu', 'uk', 'ca', 'au'] ? r : 'ca')",
           "'MERCH-' + region.upperAscii() + '-' + "
           "pad_left(string(sum(code_points(customer_id)) % 100), 3, '0')",
           "timestamp.getHours()",
           "price / 3",
       }) {
    if (std::string_view(text).find(wanted) == std::string_view::npos) continue;
    const auto program = Program::compile(text, environment);
    if (!program.is_ok()) {
      std::printf("%s\n", program.status().to_string().c_str());
      return 1;
    }
    std::printf("%7.1f ns  %s\n", nanoseconds_per_evaluation(*program, {row, tables, {}}), text);
  }
  return 0;
}

}  // namespace
}  // namespace millrace::expr

// With an argument: only the expressions that contain it.
int main(int argc, char** argv) {
  return millrace::expr::run(argc > 1 ? argv[1] : "");
}
