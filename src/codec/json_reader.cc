#include "codec/json_reader.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/utf8.h"
#include "codec/json.h"
#include "codec/json_escape.h"

namespace millrace::codec {
namespace {

constexpr std::size_t kFirstScanBytes = 4096;
// One unusually large text must not hold its memory (4 bytes a byte) for the life of a reader.
constexpr std::size_t kKeptScanBytes = 1u << 20;
constexpr std::size_t kShownKeyBytesMax = 64;
// Up to this many keys comparing each with each beats sorting.
constexpr std::size_t kPairwiseKeysMax = 12;
// Digits that surely fit in an int64.
constexpr std::ptrdiff_t kShortDigitsMax = 18;

constexpr bool is_white(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// The byte where the first stage's complaint begins, found the slow way.
const char* find_control_character(const char* at, const char* end) {
  bool is_in_string = false;
  for (; at < end; ++at) {
    if (is_in_string && static_cast<unsigned char>(*at) < 0x20) return at;
    if (is_in_string && *at == '\\') {
      ++at;
    } else if (*at == '"') {
      is_in_string = !is_in_string;
    }
  }
  return end;
}

const char* find_invalid_utf8(const char* at, const char* end) {
  std::string_view rest(at, static_cast<std::size_t>(end - at));
  while (true) {
    const char* const start = rest.data();
    if (rest.empty() || !take_code_point(rest)) return start;
  }
}

}  // namespace

const std::string_view* find_duplicate(std::vector<std::string_view>& keys) {
  if (keys.size() <= kPairwiseKeysMax) {
    for (std::size_t i = 1; i < keys.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (keys[i] == keys[j]) return &keys[i];
      }
    }
    return nullptr;
  }
  std::sort(keys.begin(), keys.end());
  const auto found = std::adjacent_find(keys.begin(), keys.end());
  return found == keys.end() ? nullptr : &*found;
}

struct JsonReader::Scanner {
  // Where the first stage may read: every implementation stays within the text except the scalar
  // one, which looks behind a text that ends in the middle of something.
  const std::uint8_t* readable(std::string_view text) {
    if (is_padding_needed) {
      padded.assign(text);
      padded.append(simdjson::SIMDJSON_PADDING, ' ');
      text = padded;
    }
    return reinterpret_cast<const std::uint8_t*>(text.data());
  }

  // False when memory is lacking.
  bool reserve(std::size_t bytes) {
    const bool is_kept = parser != nullptr && bytes <= parser->capacity() &&
                         (parser->capacity() <= kKeptScanBytes || bytes * 2 > parser->capacity());
    if (is_kept) return true;
    const auto capacity = std::max(bytes, kFirstScanBytes);
    parser.reset();
    return simdjson::get_active_implementation()->create_dom_parser_implementation(
               capacity, kJsonDepthMax, parser) == simdjson::SUCCESS;
  }

  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
  const bool is_padding_needed = simdjson::get_active_implementation()->name() == "fallback";
  std::string padded;
};

JsonReader::JsonReader() : scanner_(std::make_unique<Scanner>()) {}
JsonReader::~JsonReader() = default;

bool JsonReader::open(std::string_view text, Arena& arena) {
  arena_ = &arena;
  text_ = text.data();
  text_end_ = text_ + text.size();
  next_ = last_ = nullptr;
  values_.clear();
  entries_.clear();
  keys_.clear();
  if (!status_.is_ok()) status_ = ok_status();
  if (text.empty()) return fail_at(text_, "a value is expected");
  if (text.size() > kJsonBytesMax) return fail_at(text_, "the text is longer than 128 MiB");
  if (!scanner_->reserve(text.size())) return fail_at(text_, "there is no memory to scan it");
  auto& parser = *scanner_->parser;
  const auto error =
      parser.stage1(scanner_->readable(text), text.size(), simdjson::stage1_mode::regular);
  if (error != simdjson::SUCCESS) [[unlikely]]
    return fail_scan(error);
  parser.structural_indexes[parser.n_structural_indexes] = static_cast<std::uint32_t>(text.size());
  next_ = parser.structural_indexes.get();
  last_ = next_ + parser.n_structural_indexes;
  has_backslash_ = std::memchr(text_, '\\', text.size()) != nullptr;
  return true;
}

bool JsonReader::fail_scan(int error) {
  switch (error) {
    case simdjson::EMPTY:
      return fail_at(text_end_, "a value is expected");
    case simdjson::UTF8_ERROR:
      return fail_at(find_invalid_utf8(text_, text_end_), "this is not UTF-8");
    case simdjson::UNESCAPED_CHARS:
      return fail_at(find_control_character(text_, text_end_),
                     "a control character in a string must be escaped");
    case simdjson::UNCLOSED_STRING:
      return fail_at(text_end_, "a string is not closed");
    default:
      return fail_at(text_, simdjson::error_message(static_cast<simdjson::error_code>(error)));
  }
}

bool JsonReader::fail_at(const char* at, std::string_view what) {
  status_ = invalid_error("byte " + std::to_string(at - text_) + ": " + std::string(what));
  return false;
}

bool JsonReader::fail(std::string_view what) {
  return fail_at(position(), what);
}

bool JsonReader::fail_duplicate(const char* object, std::string_view key) {
  auto shown = key.substr(0, kShownKeyBytesMax);
  // Not in the middle of a code point.
  while (shown.size() < key.size() && (key[shown.size()] & 0xc0) == 0x80) shown.remove_suffix(1);
  return fail_at(object, "the object has the key \"" + std::string(shown) + "\" twice");
}

const char* JsonReader::token_end() const {
  MR_CHECK(next_ < last_);
  const char* end = text_ + next_[1];
  while (is_white(end[-1])) --end;
  return end;
}

bool JsonReader::read_string(std::string_view& out) {
  const char* const from = position() + 1;
  const char* const end = token_end() - 1;
  // The first stage has seen the closing quote; anything but white space behind it would be a
  // token.
  if (end < from || *end != '"') return fail("the string is malformed");
  if (has_backslash_ && std::memchr(from, '\\', static_cast<std::size_t>(end - from)) != nullptr) {
    if (!unescape(from, end, out)) return false;
  } else {
    out = {from, static_cast<std::size_t>(end - from)};
  }
  advance();
  return true;
}

bool JsonReader::unescape(const char* from, const char* end, std::string_view& out) {
  // An escape is never shorter than what it stands for.
  const auto room = static_cast<std::size_t>(end - from);
  auto* const to = static_cast<char*>(arena_->allocate(room, 1));
  const auto result = unescape_json(from, end, to);
  if (result.wrong != nullptr) return fail_at(result.wrong_at, result.wrong);
  MR_CHECK(result.written <= room);
  out = {to, result.written};
  return true;
}

// RFC 8259 section 6: [-] int [frac] [exp], an int has no leading zero.
bool JsonReader::read_number(Value& out) {
  const char* const start = position();
  const char* const end = token_end();
  const char* at = start;
  const bool is_negative = *at == '-';
  if (is_negative) ++at;
  const char* const digits = at;
  std::uint64_t unscaled = 0;  // wraps in long numbers, which do not use it
  while (at < end && is_digit(*at)) unscaled = unscaled * 10 + static_cast<unsigned>(*at++ - '0');
  std::ptrdiff_t digit_count = at - digits;
  if (digit_count == 0) return fail("a number needs digits");
  if (*digits == '0' && digit_count > 1) return fail("a number must not begin with 0");
  std::ptrdiff_t scale = 0;
  bool has_exponent = false;
  bool is_whole = true;
  if (at < end && *at == '.') {
    const char* const fraction = ++at;
    while (at < end && is_digit(*at)) unscaled = unscaled * 10 + static_cast<unsigned>(*at++ - '0');
    scale = at - fraction;
    if (scale == 0) return fail("a number needs digits after its point");
    digit_count += scale;
    is_whole = false;
  }
  if (at < end && (*at == 'e' || *at == 'E')) {
    ++at;
    if (at < end && (*at == '+' || *at == '-')) ++at;
    const char* const exponent = at;
    while (at < end && is_digit(*at)) ++at;
    if (at == exponent) return fail("a number needs digits in its exponent");
    has_exponent = true;
    is_whole = false;
  }
  if (at != end) return fail_at(at, "this does not belong to a number");
  if (digit_count <= kShortDigitsMax && !has_exponent) [[likely]] {
    const auto value = static_cast<std::int64_t>(unscaled);
    const auto signed_value = is_negative ? -value : value;
    out = is_whole ? Value::int64(signed_value)
                   : Value::decimal(Decimal(signed_value, static_cast<int>(scale)));
  } else {
    const auto decimal = Decimal::parse({start, static_cast<std::size_t>(end - start)});
    if (!decimal) return fail("a number must fit in 38 digits");
    const auto whole = is_whole ? decimal->to_int() : std::nullopt;
    out = whole ? Value::int64(*whole) : Value::decimal(*decimal);
  }
  advance();
  return true;
}

bool JsonReader::read_literal(Value& out) {
  const std::string_view text(position(), static_cast<std::size_t>(token_end() - position()));
  if (text == "true") {
    out = Value::boolean(true);
  } else if (text == "false") {
    out = Value::boolean(false);
  } else if (text == "null") {
    out = Value::null();
  } else {
    return fail("a value is expected");
  }
  advance();
  return true;
}

bool JsonReader::read_value(Value& out, int depth) {
  switch (token()) {
    case '"': {
      std::string_view text;
      if (!read_string(text)) return false;
      out = Value::string(text);
      return true;
    }
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
      return read_number(out);
    case 't':
    case 'f':
    case 'n':
      return read_literal(out);
    case '[':
    case '{':
      if (depth == kJsonDepthMax) return fail("nested deeper than 64");
      return token() == '[' ? read_list(out, depth + 1) : read_map(out, depth + 1);
    default:
      return fail("a value is expected");
  }
}

bool JsonReader::read_list(Value& out, int depth) {
  MR_CHECK(depth <= kJsonDepthMax);
  advance();
  if (token() == ']') {
    out = Value::list({});
    advance();
    return true;
  }
  const std::size_t base = values_.size();
  while (true) {
    Value element;
    if (!read_value(element, depth)) return false;
    values_.push_back(element);
    const char separator = token();
    if (separator != ',' && separator != ']') return fail("',' or ']' is expected");
    advance();
    if (separator == ']') break;
  }
  const auto list = arena_->array<Value>(values_.size() - base);
  std::copy(values_.begin() + static_cast<std::ptrdiff_t>(base), values_.end(), list.begin());
  values_.resize(base);
  out = Value::list(list);
  return true;
}

bool JsonReader::read_map(Value& out, int depth) {
  MR_CHECK(depth <= kJsonDepthMax);
  const char* const object = position();
  advance();
  if (token() == '}') {
    out = Value::map({});
    advance();
    return true;
  }
  const std::size_t base = entries_.size();
  while (true) {
    if (token() != '"') return fail("a key in quotes is expected");
    std::string_view key;
    if (!read_string(key)) return false;
    if (token() != ':') return fail("':' is expected");
    advance();
    Value value;
    if (!read_value(value, depth)) return false;
    entries_.push_back({Value::string(key), value});
    const char separator = token();
    if (separator != ',' && separator != '}') return fail("',' or '}' is expected");
    advance();
    if (separator == '}') break;
  }
  const auto map = arena_->array<MapEntry>(entries_.size() - base);
  std::copy(entries_.begin() + static_cast<std::ptrdiff_t>(base), entries_.end(), map.begin());
  entries_.resize(base);
  keys_.clear();
  for (const auto& entry : map) keys_.push_back(entry.key.as_string());
  if (const auto* key = find_duplicate(keys_)) return fail_duplicate(object, *key);
  out = Value::map(map);
  return true;
}

bool JsonReader::read_end() {
  return next_ == last_ || fail("nothing may follow the document");
}

}  // namespace millrace::codec
