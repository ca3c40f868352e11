#include "codec/json_schema_uri.h"

#include <cctype>

namespace millrace::codec {
namespace {

struct Uri {
  std::string_view scheme;
  std::string_view authority;
  std::string_view path;
  std::string_view query;
  std::string_view fragment;
  bool has_scheme = false;
  bool has_authority = false;
  bool has_query = false;
  bool has_fragment = false;
};

// RFC 3986 appendix B, without the regular expression.
Uri parse_uri(std::string_view text) {
  Uri out;
  if (const auto hash = text.find('#'); hash != std::string_view::npos) {
    out.fragment = text.substr(hash + 1);
    out.has_fragment = true;
    text = text.substr(0, hash);
  }
  if (const auto mark = text.find('?'); mark != std::string_view::npos) {
    out.query = text.substr(mark + 1);
    out.has_query = true;
    text = text.substr(0, mark);
  }
  const auto colon = text.find(':');
  const auto slash = text.find('/');
  if (colon != std::string_view::npos && colon > 0 && colon < slash &&
      std::isalpha(static_cast<unsigned char>(text[0])) != 0) {
    out.scheme = text.substr(0, colon);
    out.has_scheme = true;
    text = text.substr(colon + 1);
  }
  if (text.starts_with("//")) {
    text = text.substr(2);
    const auto end = std::min(text.find('/'), text.size());
    out.authority = text.substr(0, end);
    out.has_authority = true;
    text = text.substr(end);
  }
  out.path = text;
  return out;
}

// RFC 3986 section 5.2.4.
std::string remove_dot_segments(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    if (path.starts_with("../")) {
      path.remove_prefix(3);
    } else if (path.starts_with("./")) {
      path.remove_prefix(2);
    } else if (path.starts_with("/./")) {
      path.remove_prefix(2);
    } else if (path == "/.") {
      path = "/";
    } else if (path.starts_with("/../") || path == "/..") {
      path = path.size() == 3 ? std::string_view("/") : path.substr(3);
      const auto slash = out.rfind('/');
      out.resize(slash == std::string::npos ? 0 : slash);
    } else if (path == "." || path == "..") {
      break;
    } else {
      auto end = path.find('/', 1);
      if (end == std::string_view::npos) end = path.size();
      out += path.substr(0, end);
      path.remove_prefix(end);
    }
  }
  return out;
}

std::string merge_paths(const Uri& base, std::string_view path) {
  if (base.has_authority && base.path.empty()) return "/" + std::string(path);
  const auto slash = base.path.rfind('/');
  if (slash == std::string_view::npos) return std::string(path);
  return std::string(base.path.substr(0, slash + 1)) + std::string(path);
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string resolve_uri(std::string_view base_text, std::string_view reference) {
  const Uri base = parse_uri(base_text);
  const Uri ref = parse_uri(reference);
  Uri out = ref;
  std::string path;
  if (ref.has_scheme || ref.has_authority) {
    path = remove_dot_segments(ref.path);
  } else if (ref.path.empty()) {
    path = base.path;
    if (!ref.has_query) {
      out.query = base.query;
      out.has_query = base.has_query;
    }
  } else if (ref.path.starts_with('/')) {
    path = remove_dot_segments(ref.path);
  } else {
    path = remove_dot_segments(merge_paths(base, ref.path));
  }
  if (!ref.has_scheme) {
    out.scheme = base.scheme;
    out.has_scheme = base.has_scheme;
    if (!ref.has_authority) {
      out.authority = base.authority;
      out.has_authority = base.has_authority;
    }
  }
  std::string text;
  if (out.has_scheme) text.append(out.scheme).append(":");
  if (out.has_authority) text.append("//").append(out.authority);
  text += path;
  if (out.has_query) text.append("?").append(out.query);
  if (out.has_fragment) text.append("#").append(out.fragment);
  return text;
}

UriParts split_fragment(std::string_view uri) {
  UriParts out;
  const auto hash = std::min(uri.find('#'), uri.size());
  out.document = uri.substr(0, hash);
  std::string_view rest = uri.substr(std::min(hash + 1, uri.size()));
  while (!rest.empty()) {
    if (rest.size() >= 3 && rest[0] == '%' && hex_value(rest[1]) >= 0 && hex_value(rest[2]) >= 0) {
      out.fragment += static_cast<char>(hex_value(rest[1]) * 16 + hex_value(rest[2]));
      rest.remove_prefix(3);
    } else {
      out.fragment += rest[0];
      rest.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace millrace::codec
