#include "pipeline/config_text.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "codec/json.h"

namespace millrace::pipeline {
namespace {

// Comments become spaces, so that every byte stays where it is.
std::string without_comments(std::string_view text) {
  std::string out(text);
  bool is_in_string = false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (is_in_string) {
      if (out[i] == '\\') ++i;
      if (i < out.size() && out[i] == '"') is_in_string = false;
    } else if (out[i] == '"') {
      is_in_string = true;
    } else if (out[i] == '#' || (out[i] == '/' && i + 1 < out.size() && out[i + 1] == '/')) {
      while (i < out.size() && out[i] != '\n') out[i++] = ' ';
    }
  }
  return out;
}

TextPosition position_at(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, byte);
  const auto line_start = before.rfind('\n');
  return {
      static_cast<int>(std::ranges::count(before, '\n')) + 1,
      static_cast<int>(line_start == std::string_view::npos ? byte : byte - line_start - 1) + 1};
}

// Pairs the members of a parsed document with their places in its text, whose grammar is known to
// be right.
class LeafReader {
 public:
  explicit LeafReader(std::string_view text) : text_(text) {}

  std::vector<ConfigLeaf> read(const Value& root) {
    visit(root);
    return std::move(leaves_);
  }

 private:
  void skip_space() {
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) {
      ++at_;
    }
  }
  void skip_past(char c) {
    skip_space();
    MR_CHECK(at_ < text_.size() && text_[at_] == c);
    ++at_;
  }
  void skip_string() {
    skip_past('"');
    while (text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    ++at_;
  }
  // A scalar or a list, up to the comma or bracket behind it.
  void skip_value() {
    int depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        skip_string();
        continue;
      }
      if (depth == 0 && (c == ',' || c == '}' || c == ']')) return;
      if (c == '[' || c == '{') ++depth;
      if (c == ']' || c == '}') --depth;
      ++at_;
    }
  }
  // Depth is bounded by the parser's.
  void visit(const Value& value) {
    skip_space();
    if (value.kind() != ValueKind::map || value.as_map().empty()) {
      leaves_.push_back({path_, places_, value});
      skip_value();
      return;
    }
    skip_past('{');
    for (std::size_t i = 0; i < value.as_map().size(); ++i) {
      if (i > 0) skip_past(',');
      skip_space();
      const MapEntry& entry = value.as_map()[i];
      path_.emplace_back(entry.key.as_string());
      places_.push_back(position_at(text_, at_));
      skip_string();
      skip_past(':');
      visit(entry.value);
      path_.pop_back();
      places_.pop_back();
    }
    skip_past('}');
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<std::string> path_;
  std::vector<TextPosition> places_;
  std::vector<ConfigLeaf> leaves_;
};

std::string place_prefix(std::string_view text, std::size_t byte) {
  const TextPosition position = position_at(text, byte);
  return std::to_string(position.line) + ":" + std::to_string(position.column) + ": ";
}

}  // namespace

Result<std::vector<ConfigLeaf>> read_config_text(std::string_view text, Arena& arena) {
  if (text.size() > kConfigBytesMax) {
    return invalid_error("1:1: the file is longer than " + std::to_string(kConfigBytesMax) +
                         " bytes");
  }
  const std::string json = without_comments(text);
  const auto parsed = codec::parse_json(json, arena);
  if (!parsed.is_ok()) {
    // The parser's message starts with "byte N: ".
    std::string_view message = parsed.status().message();
    std::size_t byte = 0;
    constexpr std::string_view kByte = "byte ";
    if (message.starts_with(kByte)) {
      const char* const end = message.data() + message.size();
      const auto [stop, error] = std::from_chars(message.data() + kByte.size(), end, byte);
      if (error == std::errc() && end - stop >= 2) {
        message = message.substr(static_cast<std::size_t>(stop - message.data()) + 2);
      }
    }
    return invalid_error(place_prefix(json, std::min(byte, json.size())) + std::string(message));
  }
  if (parsed->kind() != ValueKind::map) return invalid_error("1:1: the file must be a JSON object");
  if (parsed->as_map().empty()) return std::vector<ConfigLeaf>();
  return LeafReader(json).read(*parsed);
}

}  // namespace millrace::pipeline
