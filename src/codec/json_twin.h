#pragma once

#include <charconv>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/random.h"
#include "base/utf8.h"
#include "codec/json.h"
#include "model/value.h"

// For tests: the slow, obvious twin of the JSON parser (recursive descent, one character at a time,
// straight from RFC 8259), equality of values, and a generator of documents, good and broken.

namespace millrace::codec {

class JsonTwin {
 public:
  static std::optional<Value> parse(std::string_view text, Arena& arena) {
    JsonTwin twin(text, arena);
    if (!is_valid_utf8(text)) return std::nullopt;
    auto value = twin.value(0);
    twin.skip_white();
    if (twin.at_ != text.size()) return std::nullopt;
    return value;
  }

 private:
  JsonTwin(std::string_view text, Arena& arena) : text_(text), arena_(arena) {}

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char wanted) {
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void skip_white() {
    while (take(' ') || take('\t') || take('\n') || take('\r')) continue;
  }

  std::optional<Value> value(int depth) {
    skip_white();
    if (take_word("true")) return Value::boolean(true);
    if (take_word("false")) return Value::boolean(false);
    if (take_word("null")) return Value::null();
    if (peek() == '"') {
      auto text = string();
      if (!text) return std::nullopt;
      return Value::string(arena_.copy(*text));
    }
    if (peek() == '[' || peek() == '{') {
      if (depth >= kJsonDepthMax) return std::nullopt;
      return take('[') ? list(depth + 1) : map(depth + 1);
    }
    return number();
  }

  std::optional<Value> list(int depth) {
    std::vector<Value> elements;
    skip_white();
    if (!take(']')) {
      do {
        auto element = value(depth);
        if (!element) return std::nullopt;
        elements.push_back(*element);
        skip_white();
      } while (take(','));
      if (!take(']')) return std::nullopt;
    }
    auto kept = arena_.array<Value>(elements.size());
    std::copy(elements.begin(), elements.end(), kept.begin());
    return Value::list(kept);
  }

  std::optional<Value> map(int depth) {
    std::vector<MapEntry> entries;
    std::set<std::string> keys;
    take('{');
    skip_white();
    if (!take('}')) {
      do {
        skip_white();
        auto key = string();
        if (!key || !keys.insert(*key).second) return std::nullopt;
        skip_white();
        if (!take(':')) return std::nullopt;
        auto member = value(depth);
        if (!member) return std::nullopt;
        entries.push_back({Value::string(arena_.copy(*key)), *member});
        skip_white();
      } while (take(','));
      if (!take('}')) return std::nullopt;
    }
    auto kept = arena_.array<MapEntry>(entries.size());
    std::copy(entries.begin(), entries.end(), kept.begin());
    return Value::map(kept);
  }

  std::optional<char32_t> unit() {
    if (text_.size() - at_ < 4) return std::nullopt;
    unsigned unit = 0;
    const char* const from = text_.data() + at_;
    const auto end = std::from_chars(from, from + 4, unit, 16);
    if (end.ec != std::errc() || end.ptr != from + 4) return std::nullopt;
    at_ += 4;
    return unit;
  }

  std::optional<std::string> string() {
    static constexpr std::string_view kEscapes = "\"\\/bfnrt";
    static constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (!take('"')) return std::nullopt;
    std::string out;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return out;
      if (static_cast<unsigned char>(c) < 0x20) return std::nullopt;
      if (c != '\\') {
        out += c;
        continue;
      }
      if (!take('u')) {
        const auto escape = kEscapes.find(peek());
        if (at_ == text_.size() || escape == std::string_view::npos) return std::nullopt;
        out += kMeanings[escape];
        ++at_;
        continue;
      }
      const auto first = unit();
      if (!first || (*first >= 0xdc00 && *first < 0xe000)) return std::nullopt;
      char32_t code_point = *first;
      if (code_point >= 0xd800 && code_point < 0xdc00) {
        if (!take_word("\\u")) return std::nullopt;
        const auto second = unit();
        if (!second || *second < 0xdc00 || *second >= 0xe000) return std::nullopt;
        code_point = 0x10000 + ((code_point & 0x3ff) << 10 | (*second & 0x3ff));
      }
      append_code_point(out, code_point);
    }
    return std::nullopt;
  }

  bool digits() {
    const auto from = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ > from;
  }

  std::optional<Value> number() {
    const auto from = at_;
    bool is_whole = true;
    take('-');
    if (!take('0') && !digits()) return std::nullopt;
    if (take('.')) {
      is_whole = false;
      if (!digits()) return std::nullopt;
    }
    if (take('e') || take('E')) {
      is_whole = false;
      if (!take('+')) take('-');
      if (!digits()) return std::nullopt;
    }
    const auto token = text_.substr(from, at_ - from);
    std::int64_t whole = 0;
    if (is_whole &&
        std::from_chars(token.data(), token.data() + token.size(), whole).ec == std::errc()) {
      return Value::int64(whole);
    }
    const auto decimal = Decimal::parse(token);
    if (!decimal) return std::nullopt;
    return Value::decimal(*decimal);
  }

  std::string_view text_;
  Arena& arena_;
  std::size_t at_ = 0;
};

// The same kinds and contents; decimals with the same number of digits, too.
inline bool are_equal(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case ValueKind::boolean:
      return a.as_boolean() == b.as_boolean();
    case ValueKind::int64:
      return a.as_int64() == b.as_int64();
    case ValueKind::string:
      return a.as_string() == b.as_string();
    case ValueKind::timestamp:
      return a.seconds() == b.seconds() && a.nanos() == b.nanos();
    case ValueKind::decimal:
      return a.as_decimal() == b.as_decimal() && a.as_decimal().scale() == b.as_decimal().scale();
    case ValueKind::list: {
      const auto x = a.as_list();
      const auto y = b.as_list();
      return std::equal(x.begin(), x.end(), y.begin(), y.end(), are_equal);
    }
    case ValueKind::map: {
      const auto x = a.as_map();
      const auto y = b.as_map();
      return std::equal(
          x.begin(), x.end(), y.begin(), y.end(), [](const MapEntry& left, const MapEntry& right) {
            return are_equal(left.key, right.key) && are_equal(left.value, right.value);
          });
    }
    default:
      return a.kind() == ValueKind::absent || a.kind() == ValueKind::null;
  }
}

// Random documents that meet every rule of the grammar often; `break_it` makes most of them wrong.
class JsonGenerator {
 public:
  explicit JsonGenerator(std::uint64_t seed) : random_(seed) {}

  std::string document() { return white() + value(0) + white(); }

  // An object whose keys come from `keys` and a few others, mostly in order.
  std::string object(const std::vector<std::string>& keys) {
    std::string out = "{";
    for (const auto& key : keys) {
      if (random_.one_in(6)) continue;
      add_member(out, key);
      if (random_.one_in(8)) add_member(out, "other" + std::to_string(random_.below(30)));
      if (random_.one_in(60)) add_member(out, keys[random_.below(keys.size())]);
    }
    // Enough unknown keys for the other way of finding duplicates.
    for (auto left = random_.one_in(20) ? random_.below(40) : 0; left > 0; --left) {
      add_member(out, std::to_string(random_.below(400)));
    }
    return white() + out + white() + "}" + white();
  }

  void break_it(std::string& text) {
    static constexpr char kBytes[] =
        "{}[]:,\"\\0123-+.eEtrufalsn \n\t\0\x0c\x1a\x7f\x80\xc3\xed\xff";
    for (auto left = 1 + random_.below(2); left > 0 && !text.empty(); --left) {
      const auto at = random_.below(text.size());
      const char byte = kBytes[random_.below(sizeof kBytes)];
      switch (random_.below(4)) {
        case 0:
          text[at] = byte;
          break;
        case 1:
          text.insert(at, 1, byte);
          break;
        case 2:
          text.erase(at, 1 + random_.below(3));
          break;
        default:
          text.resize(at);
          break;
      }
    }
  }

  bool one_in(std::uint64_t n) { return random_.one_in(n); }

 private:
  template <std::size_t kCount>
  std::string pick(const char* const (&choices)[kCount]) {
    return choices[random_.below(kCount)];
  }

  std::string white() {
    std::string out;
    while (random_.one_in(5)) out += pick({" ", "\n", "\t", "\r", "    "});
    return out;
  }

  void add_member(std::string& out, const std::string& key) {
    if (!out.ends_with('{')) out += white() + ",";
    std::string shown = key;
    if (random_.one_in(15)) shown.replace(0, 1, escaped(key[0]));
    out += white() + "\"" + shown + "\"" + white() + ":" + white() + value(1);
  }

  static std::string escaped(char c) {
    static constexpr std::string_view kHex = "0123456789ABCDEF";
    return std::string("\\u00") + kHex[static_cast<unsigned char>(c) >> 4] + kHex[c & 15];
  }

  std::string string() {
    std::string out = "\"";
    for (auto left = random_.below(random_.one_in(10) ? 80 : 6); left > 0; --left) {
      out += random_.one_in(3)
                 ? pick({"\\n", "\\\\", "\\\"", "\\/", "\\u00e9", "\\ud83d\\ude00", "\\u0000",
                         "\xc3\xa9", "\xf0\x9f\x98\x80", "\\ud800", "\\x", "{", ":"})
                 : pick({"a", "b", " ", "0", "ticker", ","});
    }
    return out + "\"";
  }

  std::string number() {
    if (random_.one_in(3)) return std::to_string(static_cast<std::int64_t>(random_.next()));
    if (random_.one_in(3)) {
      return pick({"0",
                   "-0",
                   "-0.0",
                   "1e3",
                   "1E+2",
                   "2.50e-1",
                   "1.0",
                   "01",
                   "1.",
                   ".5",
                   "-",
                   "+1",
                   "9223372036854775807",
                   "9223372036854775808",
                   "-9223372036854775808",
                   "-9223372036854775809",
                   "0.000000000000000000000000001",
                   "1e38",
                   "1e400",
                   "99999999999999999999999999999999999999",
                   "100000000000000000000000000000000000001",
                   "12345.67890",
                   "1.2.3",
                   "1e",
                   "1_0"});
    }
    return std::to_string(random_.below(1000)) + "." + std::to_string(random_.below(100'000));
  }

  std::string value(int depth) {
    switch (random_.below(depth < 5 ? 12 : 9)) {
      case 0:
        return pick({"true", "false", "null", "null", "true", "tru", "nulls", "TRUE"});
      case 1:
        return pick({"\"223.82\"", "\"1.50000\"", "\"-0.000001\"", "\"1e2\"", "\"x\""});
      case 2:
        return pick({"\"2012-06-21T13:30:00.017460Z\"", "\"2012-06-21T13:30:00+02:00\"",
                     "\"2012-06-31T13:30:00Z\""});
      case 3:
      case 4:
      case 5:
        return number();
      case 9:
        return container('[', ']', depth);
      case 10:
        return container('{', '}', depth);
      default:
        return string();
    }
  }

  std::string container(char open, char close, int depth) {
    std::string out(1, open);
    for (auto left = random_.below(4); left > 0; --left) {
      out += white();
      if (open == '{')
        out += "\"" + pick({"a", "b", "c", "d", "e", "f", "g"}) + "\"" + white() + ":";
      out += white() + value(depth + 1) + white();
      if (left > 1) out += ',';
    }
    return out + white() + close;
  }

  Random random_;
};

}  // namespace millrace::codec
