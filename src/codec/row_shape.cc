#include "codec/row_shape.h"

#include <cstring>

#include "base/check.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace millrace::codec {
namespace {

constexpr std::size_t kBlockBytes = 32;
static_assert(RowShape::kPaddingBytes >= kBlockBytes);
constexpr std::ptrdiff_t kShortDigitsMax = 18;
// Longer literals are unusual objects; those need no fast way.
constexpr std::size_t kLiteralBytesMax = 4096;

bool is_digit(char c) {
  return static_cast<unsigned char>(c - '0') <= 9;
}

// Positions in JSON text that is known to be valid.
void skip_white(std::string_view text, std::size_t& at) {
  while (text[at] == ' ' || text[at] == '\n' || text[at] == '\t' || text[at] == '\r') ++at;
}
// From behind an opening quote to the closing one.
std::size_t closing_quote(std::string_view text, std::size_t at) {
  for (; text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return at;
}
// From the first character of a number, true, false or null to behind its last.
std::size_t end_of_word(std::string_view text, std::size_t at) {
  while (text[at] != ',' && text[at] != '}' && static_cast<unsigned char>(text[at]) > ' ') ++at;
  return at;
}

#if defined(__AVX2__)
constexpr bool kIsSupported = true;

__m256i load_block(const char* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

bool is_same_block(const char* a, const char* b, std::uint32_t mask) {
  const auto same = _mm256_cmpeq_epi8(load_block(a), load_block(b));
  return (static_cast<std::uint32_t>(_mm256_movemask_epi8(same)) & mask) == mask;
}

// The first byte from `at` on that is a quote, a backslash, a control character or not ASCII; some
// position at or behind `end` if there is none before. Reads up to kBlockBytes behind `end`.
const char* find_special(const char* at, const char* end) {
  for (; at <= end; at += kBlockBytes) {
    const auto bytes = load_block(at);
    // Signed, so that bytes of 0x80 and more are below the first printable character, too.
    const auto is_odd = _mm256_cmpgt_epi8(_mm256_set1_epi8(' '), bytes);
    const auto is_quote = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"'));
    const auto is_backslash = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\'));
    const auto hits = static_cast<std::uint32_t>(
        _mm256_movemask_epi8(_mm256_or_si256(is_odd, _mm256_or_si256(is_quote, is_backslash))));
    if (hits != 0) return at + __builtin_ctz(hits);
  }
  return at;
}
#else
constexpr bool kIsSupported = false;

bool is_same_block(const char*, const char*, std::uint32_t) {
  return false;
}
const char* find_special(const char*, const char* end) {
  return end;
}
#endif

// A string up to its closing quote, where `at` then stands.
bool scan_text(const char*& at, const char* end, std::string_view& text) {
  const char* const stop = find_special(at, end);
  if (stop >= end || *stop != '"') return false;
  text = {at, static_cast<std::size_t>(stop - at)};
  at = stop;
  return true;
}

struct ShortNumber {
  std::int64_t unscaled = 0;
  int scale = 0;
};

// [-]digits[.digits] of at most kShortDigitsMax digits; JSON's numbers have no leading zeros. Stays
// at the first character that is none of it; reads at most one byte behind `end`.
bool scan_number(const char*& at, const char* end, bool is_json, bool is_whole,
                 ShortNumber& number) {
  const bool is_negative = *at == '-';
  if (is_negative) ++at;
  const char* const first = at;
  std::uint64_t value = 0;
  while (at < end && is_digit(*at)) value = value * 10 + static_cast<unsigned>(*at++ - '0');
  auto digit_count = at - first;
  if (digit_count == 0 || (is_json && *first == '0' && digit_count > 1)) return false;
  if (!is_whole && at < end && *at == '.') {
    const char* const fraction = ++at;
    while (at < end && is_digit(*at)) value = value * 10 + static_cast<unsigned>(*at++ - '0');
    number.scale = static_cast<int>(at - fraction);
    if (number.scale == 0) return false;
    digit_count += number.scale;
  }
  // A longer number has wrapped.
  if (digit_count > kShortDigitsMax) return false;
  const auto magnitude = static_cast<std::int64_t>(value);
  number.unscaled = is_negative ? -magnitude : magnitude;
  return true;
}

bool scan_word(const char*& at, const char* end, std::string_view word) {
  if (static_cast<std::size_t>(end - at) < word.size()) return false;
  if (std::memcmp(at, word.data(), word.size()) != 0) return false;
  at += word.size();
  return true;
}

}  // namespace

bool RowShape::is_supported() {
  return kIsSupported;
}

bool RowShape::scan_for(const FieldPlan& field, char first, Scan& scan) {
  const bool is_quoted = first == '"';
  switch (field.type) {
    case FieldType::string:
    case FieldType::any:
      scan = Scan::text;
      return is_quoted;
    case FieldType::timestamp:
      scan = Scan::timestamp;
      return is_quoted;
    case FieldType::decimal:
      scan = is_quoted ? Scan::quoted_decimal : Scan::decimal;
      return is_quoted || first == '-' || is_digit(first);
    case FieldType::int64:
      scan = Scan::integer;
      return first == '-' || is_digit(first);
    case FieldType::boolean:
      scan = Scan::boolean;
      return first == 't' || first == 'f';
    case FieldType::list:
    case FieldType::map:
      return false;
  }
  return false;
}

void RowShape::add_step(std::string_view literal, Scan scan, std::uint8_t field) {
  MR_CHECK(!literal.empty());
  const auto bytes = static_cast<std::uint32_t>(literal.size());
  const auto at = static_cast<std::uint32_t>(literals_.size());
  const auto mask = bytes > kBlockBytes ? 0u : bytes == kBlockBytes ? ~0u : (1u << bytes) - 1;
  steps_.push_back({at, bytes, mask, scan, field});
  literals_ += literal;
}

bool RowShape::learn_member(std::string_view text, std::size_t& at, std::size_t& literal_from,
                            std::span<const FieldPlan> fields, const FindField& find) {
  skip_white(text, at);
  MR_CHECK(text[at] == '"');
  const auto name_end = closing_quote(text, at + 1);
  const auto name = text.substr(at + 1, name_end - at - 1);
  const auto field = find(name);
  if (field == kNoField) return false;  // an escape in the name
  at = name_end + 1;
  skip_white(text, at);
  MR_CHECK(text[at] == ':');
  ++at;
  skip_white(text, at);
  if (text[at] == 'n') {
    at += std::string_view("null").size();
    add_step(text.substr(literal_from, at - literal_from), Scan::null, field);
    literal_from = at;
    return true;
  }
  Scan scan{};
  if (!scan_for(fields[field], text[at], scan)) return false;
  const bool is_quoted = text[at] == '"';
  if (is_quoted) ++at;
  add_step(text.substr(literal_from, at - literal_from), scan, field);
  at = is_quoted ? closing_quote(text, at) : end_of_word(text, at);
  literal_from = at;
  if (is_quoted) ++at;
  return true;
}

void RowShape::learn(std::string_view text, std::span<const FieldPlan> fields,
                     const FindField& find) {
  steps_.clear();
  literals_.clear();
  if (!kIsSupported) return;
  std::size_t at = 0;
  std::size_t literal_from = 0;
  skip_white(text, at);
  MR_CHECK(text[at] == '{');
  ++at;
  skip_white(text, at);
  while (text[at] != '}') {
    if (!learn_member(text, at, literal_from, fields, find) ||
        literals_.size() > kLiteralBytesMax) {
      steps_.clear();
      return;
    }
    skip_white(text, at);
    if (text[at] == ',') ++at;
  }
  add_step(text.substr(literal_from), Scan::end, kNoField);
  literals_.append(kBlockBytes, '\0');
}

inline bool RowShape::has_literal(const char* at, const Step& step) const {
  const char* const literal = literals_.data() + step.literal_at;
  if (step.mask != 0) [[likely]]
    return is_same_block(at, literal, step.mask);
  return std::memcmp(at, literal, step.literal_bytes) == 0;
}

inline bool RowShape::scan_value(const Step& step, const FieldPlan& field, const char*& at,
                                 const char* end, Value& slot) {
  switch (step.scan) {
    case Scan::text: {
      std::string_view text;
      if (!scan_text(at, end, text)) return false;
      slot = Value::string(text);
      return true;
    }
    case Scan::timestamp: {
      std::string_view text;
      if (!scan_text(at, end, text)) return false;
      const auto instant = instants_.parse(text);
      if (!instant) return false;
      slot = Value::timestamp(instant->seconds, instant->nanos);
      return true;
    }
    case Scan::quoted_decimal:
    case Scan::decimal: {
      ShortNumber number;
      if (!scan_number(at, end, step.scan == Scan::decimal, false, number)) return false;
      return fit_short_decimal(field, number.unscaled, number.scale, slot);
    }
    case Scan::integer: {
      ShortNumber number;
      if (!scan_number(at, end, true, true, number)) return false;
      slot = Value::int64(number.unscaled);
      return true;
    }
    case Scan::boolean: {
      const bool is_true = *at == 't';
      slot = Value::boolean(is_true);
      return scan_word(at, end, is_true ? "true" : "false");
    }
    case Scan::null:
      slot = Value::null();
      return true;
    case Scan::end:
      return at == end;
  }
  return false;
}

RowShape::Match RowShape::decode(std::string_view text, const std::vector<FieldPlan>& fields,
                                 Value* row) {
  const char* at = text.data();
  const char* const end = at + text.size();
  for (const Step& step : steps_) {
    if (end - at < static_cast<std::ptrdiff_t>(step.literal_bytes) || !has_literal(at, step)) {
      return Match::other_shape;
    }
    at += step.literal_bytes;
    if (step.scan == Scan::end) return at == end ? Match::decoded : Match::other_shape;
    if (!scan_value(step, fields[step.field], at, end, row[step.field])) return Match::other_value;
  }
  return Match::other_shape;
}

}  // namespace millrace::codec
