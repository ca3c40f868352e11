#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "base/status.h"
#include "model/value.h"

// Private to json_schema*.cc.

namespace millrace::codec {

// The member of an object, or null.
const Value* find_member(const Value& map, std::string_view name);

// Which part of a schema document a reference means: by JSON pointer (RFC 6901), by "$id", or by an
// "$id" of a fragment only. Keeps addresses of the document's values, which must stay where they
// are.
class SchemaResources {
 public:
  struct Place {
    std::string base;      // URI that references in here are relative to
    std::string location;  // "#/properties/price"
  };

  // Walks the document; `invalid` when two schemas have one "$id".
  Status index(const Value& root);

  // The part that `reference`, found at `from`, stands for. `unsupported` when it is outside of the
  // document, `invalid` when nothing is there.
  Result<const Value*> resolve(const Place& from, std::string_view reference);

  // `schema` must have been indexed or resolved.
  [[nodiscard]] const Place& place_of(const Value& schema) const;

 private:
  Status visit(const Value& schema, std::string_view base, const std::string& location,
               bool is_registering);
  Status visit_children(const Value& schema, std::string_view base, const std::string& location,
                        bool is_registering);
  Status enter(const Value& schema, std::string& base, const std::string& location,
               bool is_registering);
  Result<const Value*> follow_pointer(const Value& root, std::string_view pointer,
                                      std::string location);

  std::unordered_map<const Value*, Place> places_;
  std::unordered_map<std::string, const Value*> documents_;  // by URI without fragment
  std::unordered_map<std::string, const Value*> anchors_;    // by URI with fragment
};

}  // namespace millrace::codec
