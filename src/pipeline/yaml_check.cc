#include <algorithm>
#include <tuple>

#include "pipeline/suggestion.h"
#include "pipeline/yaml_document.h"

namespace millrace::pipeline {
namespace {

std::string escape_token(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

// "/windows/0/tumbling" -> "windows[0].tumbling"
std::string place_text(std::string_view pointer) {
  std::string out;
  while (pointer.starts_with('/')) {
    pointer.remove_prefix(1);
    const auto end = std::min(pointer.find('/'), pointer.size());
    const std::string_view token = pointer.substr(0, end);
    pointer.remove_prefix(end);
    const bool is_index =
        !token.empty() && std::ranges::all_of(token, [](char c) { return c >= '0' && c <= '9'; });
    if (is_index) {
      out.append("[").append(token).append("]");
    } else {
      if (!out.empty()) out += ".";
      out += token;
    }
  }
  return out;
}

const Value* find_value(const Value& root, std::string_view pointer) {
  const Value* at = &root;
  while (pointer.starts_with('/')) {
    pointer.remove_prefix(1);
    const auto end = std::min(pointer.find('/'), pointer.size());
    const std::string_view token = pointer.substr(0, end);
    pointer.remove_prefix(end);
    const Value* next = nullptr;
    if (at->kind() == ValueKind::map) {
      for (const MapEntry& entry : at->as_map()) {
        if (escape_token(entry.key.as_string()) == token) next = &entry.value;
      }
    } else if (at->kind() == ValueKind::list) {
      for (std::size_t i = 0; i < at->as_list().size(); ++i) {
        if (std::to_string(i) == token) next = &at->as_list()[i];
      }
    }
    if (next == nullptr) return nullptr;
    at = next;
  }
  return at;
}

// Inside { } and [ ] a comma ends a value: `{ a: avg(x, 4) }` has the keys `a` and `4)`.
bool is_rest_of_call(std::string_view key) {
  return key.ends_with(')') && std::ranges::count(key, ')') > std::ranges::count(key, '(');
}
constexpr std::string_view kQuoteCall =
    "; if it is the rest of a call, put the call in quotes: inside { } a comma ends a value";

std::string unknown_key_message(const codec::SchemaViolation& violation) {
  const std::string message = "unknown key `" + violation.property + "`";
  if (is_rest_of_call(violation.property)) return message + std::string(kQuoteCall);
  return message + suggestion(violation.property, violation.known_properties);
}

// Plain scalars that look like something else are what people trip over in YAML.
std::string type_hint(const Value& found, std::string_view message) {
  const bool wants_text = message.find("must be a string") != std::string_view::npos ||
                          message.find(" or a string, but") != std::string_view::npos;
  switch (found.kind()) {
    case ValueKind::null:
      return "; a value is missing";
    case ValueKind::boolean:
    case ValueKind::int64:
    case ValueKind::decimal:
      return wants_text ? "; put it in quotes if text is meant" : "";
    case ValueKind::string:
      // The core schema knows only true and false; YAML 1.1 took these for booleans.
      if (message.find("true or false") == std::string_view::npos) return {};
      return "; write true or false without quotes";
    default:
      return {};
  }
}

Diagnostic diagnostic_of(const YamlDocument& document, const codec::SchemaViolation& violation) {
  Diagnostic out;
  out.path = violation.instance_path;
  out.message = violation.message;
  TextPosition position = document.position(violation.instance_path);
  if (violation.keyword == "additionalProperties" || violation.keyword == "propertyNames") {
    out.path += "/" + escape_token(violation.property);
    position = document.key_position(out.path);
    if (violation.keyword == "additionalProperties") {
      out.message = unknown_key_message(violation);
    } else if (is_rest_of_call(violation.property)) {
      out.message += kQuoteCall;
    }
  } else if (violation.keyword == "required" || violation.keyword == "dependencies") {
    out.path += "/" + escape_token(violation.property);
    // The key that opens the map is where somebody would look for what is missing in it.
    if (!violation.instance_path.empty()) position = document.key_position(violation.instance_path);
  } else if (violation.keyword == "type" || violation.keyword == "anyOf") {
    const Value* found = find_value(document.value(), violation.instance_path);
    if (found != nullptr) out.message += type_hint(*found, violation.message);
  }
  // A diagnostic is printed behind its path, so that the sentence can do without its subject.
  const std::string subject = place_text(out.path) + " ";
  if (out.message.starts_with(subject)) out.message.erase(0, subject.size());
  out.line = position.line;
  out.column = position.column;
  return out;
}

}  // namespace

std::vector<Diagnostic> validate_yaml(const YamlDocument& document,
                                      const codec::JsonSchema& schema) {
  std::vector<codec::SchemaViolation> violations;
  schema.validate(document.value(), violations);
  std::vector<Diagnostic> out;
  out.reserve(violations.size());
  for (const auto& violation : violations) out.push_back(diagnostic_of(document, violation));
  // What the rest of a call has for a value, nobody wrote.
  std::vector<std::string> call_rests;
  for (const Diagnostic& found : out) {
    if (found.message.ends_with(kQuoteCall)) call_rests.push_back(found.path);
  }
  std::erase_if(out, [&](const Diagnostic& found) {
    return !found.message.ends_with(kQuoteCall) &&
           std::ranges::find(call_rests, found.path) != call_rests.end();
  });
  std::ranges::sort(out, {}, [](const Diagnostic& found) {
    return std::tie(found.line, found.column, found.path, found.message);
  });
  return out;
}

}  // namespace millrace::pipeline
