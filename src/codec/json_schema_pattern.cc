#include "codec/json_schema_pattern.h"

#include <re2/re2.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/check.h"
#include "base/utf8.h"

namespace millrace::codec {
namespace {

constexpr std::string_view kSyntaxCharacters = "^$\\.*+?()[]{}|";

bool is_ascii_printable(char c) {
  return c >= 0x20 && c < 0x7f;
}

std::optional<std::uint32_t> take_number(std::string_view& rest) {
  std::size_t count = 0;
  std::uint32_t value = 0;
  while (count < rest.size() && rest[count] >= '0' && rest[count] <= '9') {
    value = value * 10 + static_cast<std::uint32_t>(rest[count] - '0');
    if (value > kClassRepeatMax) return std::nullopt;
    ++count;
  }
  if (count == 0) return std::nullopt;
  rest.remove_prefix(count);
  return value;
}

template <typename Set>
void add_range(Set& set, unsigned char from, unsigned char to) {
  for (unsigned byte = from; byte <= to; ++byte) set[byte >> 6] |= std::uint64_t{1} << (byte & 63);
}

// \d and \w; false for every other letter.
template <typename Set>
bool add_named_class(Set& set, char name) {
  if (name != 'd' && name != 'w') return false;
  add_range(set, '0', '9');
  if (name == 'w') {
    add_range(set, 'a', 'z');
    add_range(set, 'A', 'Z');
    add_range(set, '_', '_');
  }
  return true;
}

}  // namespace

bool ClassSequence::parse_escape(std::string_view& rest, Atom& atom) {
  if (rest.size() < 2) return false;
  const char c = rest[1];
  rest.remove_prefix(2);
  if (add_named_class(atom.set, c)) return true;
  // Other letters and digits are control characters, properties or back-references: RE2's business.
  if (std::isalnum(static_cast<unsigned char>(c)) != 0 || !is_ascii_printable(c)) return false;
  add_range(atom.set, static_cast<unsigned char>(c), static_cast<unsigned char>(c));
  return true;
}

bool ClassSequence::parse_class(std::string_view& rest, Atom& atom) {
  rest.remove_prefix(1);
  if (rest.empty() || rest[0] == '^' || rest[0] == ']') return false;
  while (!rest.empty() && rest[0] != ']') {
    if (rest[0] == '\\') {
      if (!parse_escape(rest, atom)) return false;
      // "\w-z" means a hyphen to some engines and an error to others.
      if (rest.size() >= 2 && rest[0] == '-' && rest[1] != ']') return false;
      continue;
    }
    const char from = rest[0];
    if (!is_ascii_printable(from) || from == '[') return false;
    rest.remove_prefix(1);
    char to = from;
    if (rest.size() >= 2 && rest[0] == '-' && rest[1] != ']') {
      to = rest[1];
      if (!is_ascii_printable(to) || to == '\\' || to == '[' || to < from) return false;
      rest.remove_prefix(2);
    }
    add_range(atom.set, static_cast<unsigned char>(from), static_cast<unsigned char>(to));
  }
  if (rest.empty()) return false;
  rest.remove_prefix(1);
  return true;
}

bool ClassSequence::parse_repeat(std::string_view& rest, Atom& atom) {
  if (rest.empty()) return true;
  const char c = rest[0];
  if (c == '*' || c == '+' || c == '?') {
    atom.repeat_min = c == '+' ? 1 : 0;
    atom.repeat_max = c == '?' ? 1 : kUnbounded;
    rest.remove_prefix(1);
  } else if (c == '{') {
    rest.remove_prefix(1);
    const auto low = take_number(rest);
    if (!low || rest.empty()) return false;
    atom.repeat_min = *low;
    atom.repeat_max = *low;
    if (rest[0] == ',') {
      rest.remove_prefix(1);
      atom.repeat_max = kUnbounded;
      if (!rest.empty() && rest[0] != '}') {
        const auto high = take_number(rest);
        if (!high || *high < *low) return false;
        atom.repeat_max = *high;
      }
    }
    if (rest.empty() || rest[0] != '}') return false;
    rest.remove_prefix(1);
  } else {
    return true;
  }
  // A second quantifier would make it lazy or possessive.
  return rest.empty() || (rest[0] != '?' && rest[0] != '+' && rest[0] != '*' && rest[0] != '{');
}

// An atom with a variable count must share no byte with what can follow it, up to and including the
// next atom that must be there: then the longest run it can take is the only one that can succeed.
bool ClassSequence::is_deterministic() const {
  for (std::size_t i = 0; i < atoms_.size(); ++i) {
    if (atoms_[i].repeat_min == atoms_[i].repeat_max) continue;
    for (std::size_t next = i + 1; next < atoms_.size(); ++next) {
      for (std::size_t word = 0; word < atoms_[i].set.size(); ++word) {
        if ((atoms_[i].set[word] & atoms_[next].set[word]) != 0) return false;
      }
      if (atoms_[next].repeat_min > 0) break;
    }
  }
  return true;
}

bool ClassSequence::parse(std::string_view pattern) {
  atoms_.clear();
  if (pattern.size() < 2 || pattern.front() != '^' || pattern.back() != '$') return false;
  std::string_view rest = pattern.substr(1, pattern.size() - 2);
  std::vector<Atom> atoms;
  while (!rest.empty()) {
    if (atoms.size() == kClassAtomsMax) return false;
    Atom& atom = atoms.emplace_back();
    if (rest[0] == '[') {
      if (!parse_class(rest, atom)) return false;
    } else if (rest[0] == '\\') {
      if (!parse_escape(rest, atom)) return false;
    } else {
      const char c = rest[0];
      if (!is_ascii_printable(c) || kSyntaxCharacters.find(c) != std::string_view::npos)
        return false;
      add_range(atom.set, static_cast<unsigned char>(c), static_cast<unsigned char>(c));
      rest.remove_prefix(1);
    }
    if (!parse_repeat(rest, atom)) return false;
  }
  atoms_ = std::move(atoms);
  if (is_deterministic()) return true;
  atoms_.clear();
  return false;
}

bool ClassSequence::matches(std::string_view text) const {
  const char* at = text.data();
  const char* const end = at + text.size();
  for (const Atom& atom : atoms_) {
    const auto available = static_cast<std::size_t>(end - at);
    const char* const last = at + std::min<std::size_t>(available, atom.repeat_max);
    const char* const start = at;
    while (at != last && atom.has(static_cast<unsigned char>(*at))) ++at;
    if (static_cast<std::size_t>(at - start) < atom.repeat_min) return false;
  }
  return at == end;
}

namespace {

// ECMA's white space (WhiteSpace and LineTerminator of ECMA 262), which RE2's \s does not cover.
constexpr std::string_view kEcmaSpaces =
    "\\t\\n\\v\\f\\r "
    "\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
    "\\x{feff}";

bool is_hex(std::string_view text) {
  return std::ranges::all_of(text,
                             [](char c) { return std::isxdigit(static_cast<unsigned char>(c)); });
}

// What RE2 spells differently: \uXXXX, \cX, \s, \S and long Unicode property names.
class EcmaTranslator {
 public:
  explicit EcmaTranslator(std::string_view pattern) : rest_(pattern) {}

  Result<std::string> translate() {
    bool in_class = false;
    while (!rest_.empty()) {
      const char c = rest_[0];
      if (c == '\\') {
        MR_RETURN_IF_ERROR(escape(in_class));
        continue;
      }
      if (!in_class && rest_.starts_with("[^]")) {
        out_ += "(?s:.)";
        rest_.remove_prefix(3);
        continue;
      }
      if (c == '(' && (rest_.starts_with("(?=") || rest_.starts_with("(?!") ||
                       rest_.starts_with("(?<=") || rest_.starts_with("(?<!"))) {
        if (!in_class) return unsupported_error("look-around is not supported");
      }
      if (c == '[') {
        // A bracket inside a class is an ordinary character to ECMA, a POSIX class to RE2.
        out_ += in_class ? "\\[" : "[";
        in_class = true;
      } else {
        if (c == ']') in_class = false;
        out_ += c;
      }
      rest_.remove_prefix(1);
    }
    return std::move(out_);
  }

 private:
  Status escape(bool in_class) {
    if (rest_.size() < 2) return invalid_error("it ends in a backslash");
    const char c = rest_[1];
    if (c >= '1' && c <= '9') return unsupported_error("back-references are not supported");
    if (c == 'k' && !in_class) return unsupported_error("back-references are not supported");
    if (c == 'u' && rest_.size() >= 6 && is_hex(rest_.substr(2, 4))) {
      out_ += "\\x{" + std::string(rest_.substr(2, 4)) + "}";
      rest_.remove_prefix(6);
    } else if (c == 'c' && rest_.size() >= 3 &&
               std::isalpha(static_cast<unsigned char>(rest_[2]))) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      const auto code = static_cast<unsigned char>(rest_[2]) & 0x1fU;
      out_ += "\\x";
      out_ += kDigits[code >> 4];
      out_ += kDigits[code & 15];
      rest_.remove_prefix(3);
    } else if (c == 's' || (c == 'S' && !in_class)) {
      if (!in_class) out_ += c == 's' ? "[" : "[^";
      out_ += kEcmaSpaces;
      if (!in_class) out_ += ']';
      rest_.remove_prefix(2);
    } else if (c == 'Z' || c == 'A' || c == 'z' || c == 'Q' || c == 'E' || c == 'C' || c == 'a') {
      // RE2 would take these for anchors and quotes; to ECMA's Unicode mode they are errors.
      return invalid_error("\\" + std::string(1, c) + " is no escape of ECMA 262");
    } else if (c == 'p' || c == 'P') {
      property_name();
    } else {
      out_.append(rest_.substr(0, 2));
      rest_.remove_prefix(2);
    }
    return ok_status();
  }

  void property_name() {
    static constexpr std::array<std::array<std::string_view, 2>, 8> kNames{
        {{"{Letter}", "{L}"},
         {"{Lowercase_Letter}", "{Ll}"},
         {"{Uppercase_Letter}", "{Lu}"},
         {"{Number}", "{N}"},
         {"{Decimal_Number}", "{Nd}"},
         {"{digit}", "{Nd}"},
         {"{Punctuation}", "{P}"},
         {"{Symbol}", "{S}"}}};
    out_.append(rest_.substr(0, 2));
    rest_.remove_prefix(2);
    for (const auto& [name, code] : kNames) {
      if (!rest_.starts_with(name)) continue;
      out_ += code;
      rest_.remove_prefix(name.size());
      return;
    }
  }

  std::string_view rest_;
  std::string out_;
};

}  // namespace

TextPattern::TextPattern() = default;
TextPattern::TextPattern(TextPattern&&) noexcept = default;
TextPattern& TextPattern::operator=(TextPattern&&) noexcept = default;
TextPattern::~TextPattern() = default;

Result<TextPattern> TextPattern::compile(std::string_view pattern) {
  if (pattern.size() > kPatternBytesMax) {
    return invalid_error("it is longer than " + std::to_string(kPatternBytesMax) + " bytes");
  }
  TextPattern out;
  out.source_ = pattern;
  out.is_sequence_ = out.sequence_.parse(pattern);
  if (out.is_sequence_) return out;
  MR_ASSIGN_OR_RETURN(const std::string translated, EcmaTranslator(pattern).translate());
  re2::RE2::Options options;
  options.set_log_errors(false);
  out.regex_ = std::make_unique<re2::RE2>(translated, options);
  if (!out.regex_->ok()) return invalid_error(out.regex_->error());
  return out;
}

bool TextPattern::search(std::string_view text) const {
  MR_CHECK(regex_ != nullptr);
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *regex_);
}

}  // namespace millrace::codec
