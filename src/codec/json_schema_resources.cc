#include "codec/json_schema_resources.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/check.h"
#include "codec/json_schema_uri.h"

namespace millrace::codec {
namespace {

constexpr std::array<std::string_view, 8> kSchemaKeywords{"additionalItems",
                                                          "contains",
                                                          "additionalProperties",
                                                          "propertyNames",
                                                          "not",
                                                          "if",
                                                          "then",
                                                          "else"};
constexpr std::array<std::string_view, 3> kListKeywords{"allOf", "anyOf", "oneOf"};
constexpr std::array<std::string_view, 4> kMapKeywords{"properties", "patternProperties",
                                                       "definitions", "dependencies"};

bool is_one_of(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

std::string escape_pointer(std::string_view name) {
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

// nullopt when a tilde is followed by neither 0 nor 1.
std::optional<std::string> unescape_pointer(std::string_view token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '~') {
      out += token[i];
      continue;
    }
    if (i + 1 == token.size() || (token[i + 1] != '0' && token[i + 1] != '1')) return std::nullopt;
    out += token[++i] == '0' ? '~' : '/';
  }
  return out;
}

const Value* find_item(const Value& list, std::string_view token) {
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
  if (error != std::errc() || end != token.data() + token.size()) return nullptr;
  if (index >= list.as_list().size() || (token.size() > 1 && token[0] == '0')) return nullptr;
  return &list.as_list()[index];
}

}  // namespace

const Value* find_member(const Value& map, std::string_view name) {
  MR_CHECK(map.kind() == ValueKind::map);
  for (const MapEntry& entry : map.as_map()) {
    if (entry.key.as_string() == name) return &entry.value;
  }
  return nullptr;
}

Status SchemaResources::index(const Value& root) {
  documents_.emplace("", &root);
  return visit(root, "", "#", true);
}

const SchemaResources::Place& SchemaResources::place_of(const Value& schema) const {
  const auto found = places_.find(&schema);
  MR_CHECK(found != places_.end());
  return found->second;
}

// Notes the schema's "$id" and changes `base` by it.
Status SchemaResources::enter(const Value& schema, std::string& base, const std::string& location,
                              bool is_registering) {
  const Value* id = find_member(schema, "$id");
  // Beside $ref an $id is ignored like every other keyword (draft 7 section 8.3).
  const Value* reference = find_member(schema, "$ref");
  if (id == nullptr || (reference != nullptr && reference->kind() == ValueKind::string)) {
    return ok_status();
  }
  if (id->kind() != ValueKind::string) return invalid_error(location + "/$id must be a string");
  const std::string uri = resolve_uri(base, id->as_string());
  const UriParts parts = split_fragment(uri);
  if (!parts.fragment.empty() && is_registering) {
    if (!anchors_.emplace(parts.document + "#" + parts.fragment, &schema).second) {
      return invalid_error(location + "/$id " + uri + " is taken by another schema");
    }
  }
  if (id->as_string().starts_with('#')) return ok_status();
  base = parts.document;
  if (is_registering && !documents_.emplace(base, &schema).second && !base.empty()) {
    return invalid_error(location + "/$id " + uri + " is taken by another schema");
  }
  return ok_status();
}

// Depth is bounded by kJsonDepthMax of the parser.
Status SchemaResources::visit(const Value& schema, std::string_view base,
                              const std::string& location, bool is_registering) {
  std::string own_base(base);
  if (schema.kind() == ValueKind::map) {
    MR_RETURN_IF_ERROR(enter(schema, own_base, location, is_registering));
    MR_RETURN_IF_ERROR(visit_children(schema, own_base, location, is_registering));
  }
  places_.emplace(&schema, Place{own_base, location});
  return ok_status();
}

Status SchemaResources::visit_children(const Value& schema, std::string_view base,
                                       const std::string& location, bool is_registering) {
  for (const MapEntry& entry : schema.as_map()) {
    const std::string_view keyword = entry.key.as_string();
    const std::string place = location + "/" + escape_pointer(keyword);
    const bool is_items = keyword == "items";
    if (is_one_of(kMapKeywords, keyword) && entry.value.kind() == ValueKind::map) {
      for (const MapEntry& child : entry.value.as_map()) {
        MR_RETURN_IF_ERROR(visit(child.value, base,
                                 place + "/" + escape_pointer(child.key.as_string()),
                                 is_registering));
      }
    } else if ((is_items || is_one_of(kListKeywords, keyword)) &&
               entry.value.kind() == ValueKind::list) {
      for (std::size_t i = 0; i < entry.value.as_list().size(); ++i) {
        MR_RETURN_IF_ERROR(
            visit(entry.value.as_list()[i], base, place + "/" + std::to_string(i), is_registering));
      }
    } else if (is_items || is_one_of(kSchemaKeywords, keyword)) {
      MR_RETURN_IF_ERROR(visit(entry.value, base, place, is_registering));
    }
  }
  return ok_status();
}

Result<const Value*> SchemaResources::follow_pointer(const Value& root, std::string_view pointer,
                                                     std::string location) {
  const Value* at = &root;
  std::string base = place_of(root).base;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const auto end = std::min(pointer.find('/'), pointer.size());
    const auto token = unescape_pointer(pointer.substr(0, end));
    pointer.remove_prefix(end);
    const Value* next = nullptr;
    if (token && at->kind() == ValueKind::map) next = find_member(*at, *token);
    if (token && at->kind() == ValueKind::list) next = find_item(*at, *token);
    if (next == nullptr) return not_found_error("");
    at = next;
    location += "/" + escape_pointer(*token);
    if (const auto known = places_.find(at); known != places_.end()) base = known->second.base;
  }
  // A place that no keyword of draft 7 makes a schema: identifiers in there are none.
  if (!places_.contains(at)) MR_RETURN_IF_ERROR(visit(*at, base, location, false));
  return at;
}

Result<const Value*> SchemaResources::resolve(const Place& from, std::string_view reference) {
  const std::string uri = resolve_uri(from.base, reference);
  const UriParts parts = split_fragment(uri);
  const std::string where = from.location + "/$ref " + std::string(reference);
  const auto document = documents_.find(parts.document);
  if (!parts.fragment.empty() && parts.fragment[0] != '/') {
    const auto anchor = anchors_.find(parts.document + "#" + parts.fragment);
    if (anchor != anchors_.end()) return anchor->second;
    if (document != documents_.end()) {
      return invalid_error(where + ": no schema here has the $id #" + parts.fragment);
    }
  }
  if (document == documents_.end()) {
    return unsupported_error(where + ": remote references are not followed (" + uri + ")");
  }
  auto target =
      follow_pointer(*document->second, parts.fragment, place_of(*document->second).location);
  if (!target.is_ok() && target.status().code() == StatusCode::not_found) {
    return invalid_error(where + ": there is nothing at " + parts.fragment);
  }
  return target;
}

}  // namespace millrace::codec
