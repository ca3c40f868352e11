#include "expr/pattern.h"

#include <re2/re2.h>

#include "expr/text.h"

namespace millrace::expr {
namespace {

constexpr std::uint32_t kUnbounded = ~std::uint32_t{0};
constexpr std::uint32_t kRepeatMax = 1000;  // RE2's own bound; beyond it RE2 gives the error
constexpr std::int64_t kRe2BytesMax = 1 << 20;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_alphanumeric(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
// Punctuation that means itself in RE2's syntax, inside and outside of a class.
bool is_plain(char c) {
  return is_alphanumeric(c) ||
         std::string_view("_ /@#%&:,;=<>~!'\"").find(c) != std::string_view::npos;
}
bool is_escaped_punctuation(char c) {
  return std::string_view("\\.-+*?()[]{}|^$/").find(c) != std::string_view::npos;
}

}  // namespace

void SimplePattern::Item::add_range(unsigned char low, unsigned char high) {
  for (unsigned c = low; c <= high; ++c) add(static_cast<unsigned char>(c));
}

bool SimplePattern::Item::meets(const Item& other) const {
  for (std::size_t i = 0; i < bits.size(); ++i) {
    if ((bits[i] & other.bits[i]) != 0) return true;
  }
  return false;
}

// One character, \d, \w, an escaped punctuation or a class; `i` moves behind it.
bool SimplePattern::parse_atom(std::string_view pattern, std::size_t& i, Item& item) {
  const char c = pattern[i];
  if (c == '[') return parse_class(pattern, i, item);
  if (c == '\\') {
    if (i + 1 >= pattern.size()) return false;
    const char name = pattern[i + 1];
    if (name == 'd' || name == 'w') {
      item.add_range('0', '9');
      if (name == 'w') {
        item.add_range('a', 'z');
        item.add_range('A', 'Z');
        item.add('_');
      }
    } else if (is_escaped_punctuation(name)) {
      item.add(static_cast<unsigned char>(name));
    } else {
      return false;
    }
    i += 2;
    return true;
  }
  if (!is_plain(c) && c != '-') return false;
  item.add(static_cast<unsigned char>(c));
  ++i;
  return true;
}

bool SimplePattern::parse_class(std::string_view pattern, std::size_t& i, Item& item) {
  ++i;  // '['
  for (bool is_first = true; i < pattern.size() && pattern[i] != ']'; is_first = false) {
    if (pattern[i] == '-') {  // itself at either end; anything else is left to RE2
      if (!is_first && !(i + 1 < pattern.size() && pattern[i + 1] == ']')) return false;
      item.add('-');
      ++i;
      continue;
    }
    const bool is_range = is_alphanumeric(pattern[i]) && i + 2 < pattern.size() &&
                          pattern[i + 1] == '-' && pattern[i + 2] != ']';
    if (is_range) {
      const char high = pattern[i + 2];
      if (!is_alphanumeric(high) || high < pattern[i]) return false;
      item.add_range(static_cast<unsigned char>(pattern[i]), static_cast<unsigned char>(high));
      i += 3;
      continue;
    }
    if (pattern[i] == '.') {
      item.add('.');
      ++i;
      continue;
    }
    if (pattern[i] == '[' || !parse_atom(pattern, i, item)) return false;
  }
  if (i >= pattern.size()) return false;
  ++i;  // ']'
  return item.bits != decltype(item.bits){};
}

bool SimplePattern::parse_count(std::string_view pattern, std::size_t& i, Item& item) {
  if (i >= pattern.size()) return true;
  const char c = pattern[i];
  if (c == '*' || c == '+' || c == '?') {
    item.count_min = c == '+' ? 1 : 0;
    item.count_max = c == '?' ? 1 : kUnbounded;
    ++i;
  } else if (c == '{') {
    const auto number = [&](std::uint32_t& out) {
      const std::size_t start = i;
      out = 0;
      for (; i < pattern.size() && is_digit(pattern[i]); ++i) {
        out = out * 10 + static_cast<std::uint32_t>(pattern[i] - '0');
        if (out > kRepeatMax) return false;
      }
      return i > start;
    };
    ++i;
    if (!number(item.count_min)) return false;
    item.count_max = item.count_min;
    if (i < pattern.size() && pattern[i] == ',') {
      ++i;
      if (i < pattern.size() && pattern[i] == '}') {
        item.count_max = kUnbounded;
      } else if (!number(item.count_max) || item.count_max < item.count_min) {
        return false;
      }
    }
    if (i >= pattern.size() || pattern[i] != '}') return false;
    ++i;
  }
  // A second quantifier (lazy or nested) is RE2's business.
  return i >= pattern.size() || std::string_view("*+?{").find(pattern[i]) == std::string_view::npos;
}

std::optional<SimplePattern> SimplePattern::parse(std::string_view pattern) {
  if (!pattern.starts_with('^')) return std::nullopt;
  SimplePattern out;
  for (std::size_t i = 1; i < pattern.size();) {
    if (pattern[i] == '$' && i + 1 == pattern.size()) {
      out.is_anchored_at_end_ = true;
      break;
    }
    Item item;
    if (!parse_atom(pattern, i, item) || !parse_count(pattern, i, item)) return std::nullopt;
    out.items_.push_back(item);
  }
  if (!out.is_deterministic()) return std::nullopt;
  return out;
}

// Taking as many as possible is the only choice when giving one back could not help: what may come
// next, up to the first item that must come, never matches a character of the repeated class.
bool SimplePattern::is_deterministic() const {
  for (std::size_t i = 0; i < items_.size(); ++i) {
    if (items_[i].count_min == items_[i].count_max) continue;
    for (std::size_t next = i + 1; next < items_.size(); ++next) {
      if (items_[i].meets(items_[next])) return false;
      if (items_[next].count_min > 0) break;
    }
  }
  return true;
}

bool SimplePattern::matches(std::string_view text) const {
  const char* at = text.data();
  const char* const end = at + text.size();
  for (const auto& item : items_) {
    const auto left = static_cast<std::size_t>(end - at);
    const char* const stop = at + (item.count_max < left ? item.count_max : left);
    const char* const start = at;
    while (at != stop && item.has(static_cast<unsigned char>(*at))) ++at;
    if (static_cast<std::size_t>(at - start) < item.count_min) return false;
  }
  return !is_anchored_at_end_ || at == end;
}

Matcher::Matcher() = default;
Matcher::~Matcher() = default;

Result<std::unique_ptr<Matcher>> Matcher::compile(std::string_view pattern) {
  std::unique_ptr<Matcher> matcher(new Matcher);
  matcher->simple_ = SimplePattern::parse(pattern);
  if (matcher->simple_) return matcher;
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kRe2BytesMax);
  matcher->re2_ =
      std::make_unique<re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!matcher->re2_->ok()) {
    return invalid_error(joined(
        {"'", pattern, "' is not a regular expression RE2 accepts: ", matcher->re2_->error()}));
  }
  return matcher;
}

bool Matcher::matches(std::string_view text) const {
  if (simple_) return simple_->matches(text);
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *re2_);
}

}  // namespace millrace::expr
