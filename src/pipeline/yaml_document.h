#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "codec/json_schema.h"
#include "model/value.h"
#include "pipeline/pipeline.h"

namespace millrace::pipeline {

inline constexpr std::size_t kYamlBytesMax = 1 << 20;
// Nodes once every alias is followed; an alias of an alias of ... cannot make a small file large.
inline constexpr std::size_t kYamlNodesMax = 100'000;

// 1-based; 0 where there is none.
struct TextPosition {
  int line = 0;
  int column = 0;
};

// A YAML file of one document as a Value, with the position of every key and value.
//
// Plain scalars are read by the core schema of YAML 1.2 (null, true, false, integers, decimals; no
// "yes", no octal by leading zero), quoted ones are strings. Numbers with a fraction are exact
// decimals. Keys must be scalars and are taken as text; the same key twice in one map is an error,
// as are infinities, not-a-number, tags other than those of the core schema, and more than one
// document. Immutable.
class YamlDocument {
 public:
  // Null when anything was wrong; every fault is appended to `errors`, with an empty file name.
  static std::unique_ptr<YamlDocument> parse(std::string_view text,
                                             std::vector<Diagnostic>& errors);
  ~YamlDocument();
  YamlDocument(const YamlDocument&) = delete;
  YamlDocument& operator=(const YamlDocument&) = delete;

  // Views live as long as the document.
  [[nodiscard]] const Value& value() const { return value_; }

  // Where the value at a JSON pointer starts; for a pointer to something that is not there, the
  // nearest enclosing value.
  [[nodiscard]] TextPosition position(std::string_view pointer) const;
  // Where the key of the member at a JSON pointer starts; for an element of a list, the element.
  [[nodiscard]] TextPosition key_position(std::string_view pointer) const;

 private:
  struct Tree;
  YamlDocument();
  std::unique_ptr<Tree> tree_;
  Arena arena_;
  Value value_;
};

// Checks the document against the schema. What is found is said in terms of the file and to be read
// behind its path, in the order of the file: "unknown key `widnows`; did you mean `windows`?",
// "must be a string, but is an integer; put it in quotes if text is meant".
std::vector<Diagnostic> validate_yaml(const YamlDocument& document,
                                      const codec::JsonSchema& schema);

}  // namespace millrace::pipeline
