#include "expr/lexer.h"

#include <array>

#include "base/utf8.h"
#include "expr/text.h"

namespace millrace::expr {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_quoted_name_char(char c) {
  return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == '/' || c == ' ';
}

// The character after a backslash and what the two stand for.
struct PlainEscape {
  char name;
  char value;
};
constexpr std::array<PlainEscape, 12> kPlainEscapes{{{'a', '\a'},
                                                     {'b', '\b'},
                                                     {'f', '\f'},
                                                     {'n', '\n'},
                                                     {'r', '\r'},
                                                     {'t', '\t'},
                                                     {'v', '\v'},
                                                     {'\\', '\\'},
                                                     {'?', '?'},
                                                     {'"', '"'},
                                                     {'\'', '\''},
                                                     {'`', '`'}}};

constexpr std::array<std::string_view, 6> kTwoCharSymbols{"==", "!=", "<=", ">=", "&&", "||"};
constexpr std::string_view kOneCharSymbols = "<>!+-*/%?:.,()[]{}";

}  // namespace

std::string positioned(Position position, std::string_view message) {
  return joined(
      {std::to_string(position.line), ":", std::to_string(position.column), ": ", message});
}

void Lexer::advance(std::size_t size) {
  for (std::size_t end = at_ + size; at_ < end; ++at_) {
    const char c = text_[at_];
    if (c == '\n') {
      ++position_.line;
      position_.column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {  // not a continuation byte
      ++position_.column;
    }
  }
}

void Lexer::skip_blanks() {
  while (at_ < text_.size()) {
    const char c = peek();
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
      advance(1);
    } else if (c == '/' && peek(1) == '/') {
      const auto end = text_.find('\n', at_);
      advance((end == std::string_view::npos ? text_.size() : end) - at_);
    } else {
      return;
    }
  }
}

Token Lexer::take(TokenKind kind, std::size_t size) {
  Token token{.kind = kind, .position = position_, .text = text_.substr(at_, size), .value = {}};
  advance(size);
  return token;
}

Result<Token> Lexer::next() {
  skip_blanks();
  if (at_ >= text_.size())
    return Token{.kind = TokenKind::end, .position = position_, .text = {}, .value = {}};
  const char c = peek();
  if (is_letter(c)) {
    std::size_t size = 1;
    while (is_letter(peek(size)) || is_digit(peek(size))) ++size;
    const char after = peek(size);
    if (size <= 2 && (after == '"' || after == '\'')) {
      bool is_raw = false;
      bool is_bytes = false;
      bool is_prefix = true;
      for (const char p : text_.substr(at_, size)) {
        if ((p == 'r' || p == 'R') && !is_raw) {
          is_raw = true;
        } else if ((p == 'b' || p == 'B') && !is_bytes) {
          is_bytes = true;
        } else {
          is_prefix = false;
        }
      }
      if (is_prefix) return take_string(size, is_raw, is_bytes);
    }
    return take(TokenKind::identifier, size);
  }
  if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return take_number();
  if (c == '"' || c == '\'') return take_string(0, false, false);
  if (c == '`') {
    std::size_t size = 1;
    while (is_quoted_name_char(peek(size))) ++size;
    if (peek(size) != '`' || size == 1) {
      return error_at(position_,
                      "a name in backquotes holds letters, digits, '_.-/ ' and ends with `");
    }
    Token token = take(TokenKind::quoted_identifier, size + 1);
    token.text = token.text.substr(1, size - 1);
    return token;
  }
  for (const auto symbol : kTwoCharSymbols) {
    if (text_.substr(at_).starts_with(symbol)) return take(TokenKind::symbol, 2);
  }
  if (kOneCharSymbols.find(c) != std::string_view::npos) return take(TokenKind::symbol, 1);
  if (c == '=') return error_at(position_, "'=' is not an operator; equality is '=='");
  if (c == '&' || c == '|') {
    return error_at(position_,
                    joined({"'", {&c, 1}, "' is not an operator; write '", {&c, 1}, {&c, 1}, "'"}));
  }
  std::string_view rest = text_.substr(at_);
  (void)take_code_point(rest);
  return error_at(position_, joined({"'", text_.substr(at_, text_.size() - at_ - rest.size()),
                                     "' cannot stand here"}));
}

Result<Token> Lexer::take_number() {
  if (peek() == '0' && (peek(1) == 'x' || peek(1) == 'X') && hex_value(peek(2)) >= 0) {
    std::size_t size = 3;
    while (hex_value(peek(size)) >= 0) ++size;
    const bool is_unsigned = peek(size) == 'u' || peek(size) == 'U';
    Token token = take(is_unsigned ? TokenKind::uint_literal : TokenKind::int_literal, size);
    if (is_unsigned) advance(1);
    return token;
  }
  std::size_t size = 0;
  TokenKind kind = TokenKind::int_literal;
  while (is_digit(peek(size))) ++size;
  if (peek(size) == '.' && is_digit(peek(size + 1))) {
    kind = TokenKind::double_literal;
    ++size;
    while (is_digit(peek(size))) ++size;
  }
  if (peek(size) == 'e' || peek(size) == 'E') {
    std::size_t digits = size + 1;
    if (peek(digits) == '+' || peek(digits) == '-') ++digits;
    if (is_digit(peek(digits))) {
      kind = TokenKind::double_literal;
      size = digits;
      while (is_digit(peek(size))) ++size;
    }
  }
  const bool is_unsigned =
      kind == TokenKind::int_literal && (peek(size) == 'u' || peek(size) == 'U');
  Token token = take(is_unsigned ? TokenKind::uint_literal : kind, size);
  if (is_unsigned) advance(1);
  if (is_letter(peek())) {
    return error_at(token.position, joined({"'", token.text, text_.substr(at_, 1),
                                            "' is neither a number nor a name; a name starts "
                                            "with a letter"}));
  }
  return token;
}

Result<Token> Lexer::take_string(std::size_t prefix_size, bool is_raw, bool is_bytes) {
  const std::size_t open = at_ + prefix_size;
  const char quote = text_[open];
  const std::string triple(3, quote);
  const bool is_triple = text_.substr(open).starts_with(triple);
  const std::string_view closing = is_triple ? std::string_view(triple) : text_.substr(open, 1);

  std::size_t end = open + closing.size();
  while (end < text_.size() && !text_.substr(end).starts_with(closing)) {
    if (!is_triple && (text_[end] == '\n' || text_[end] == '\r')) break;
    end += !is_raw && text_[end] == '\\' ? 2 : 1;
  }
  if (end >= text_.size() || !text_.substr(end).starts_with(closing)) {
    return error_at(position_, joined({"this string never ends; ", closing, " is missing"}));
  }
  const std::string_view body = text_.substr(open + closing.size(), end - open - closing.size());
  std::string value;
  for (std::size_t i = 0; i < body.size();) {
    if (body[i] == '\\' && !is_raw) {
      MR_RETURN_IF_ERROR(resolve_escape(body, i, is_bytes, value));
    } else {
      value.push_back(body[i++]);
    }
  }
  Token token = take(is_bytes ? TokenKind::bytes_literal : TokenKind::string_literal,
                     end + closing.size() - at_);
  token.value = std::move(value);
  return token;
}

// `i` is at the backslash and moves behind the escape.
Status Lexer::resolve_escape(std::string_view body, std::size_t& i, bool is_bytes,
                             std::string& out) {
  const auto escape_error = [&](std::string_view message) { return error_at(position_, message); };
  const char name = i + 1 < body.size() ? body[i + 1] : '\0';
  for (const auto& plain : kPlainEscapes) {
    if (plain.name != name) continue;
    out.push_back(plain.value);
    i += 2;
    return ok_status();
  }
  std::size_t digits = 0;
  std::size_t start = i + 2;
  unsigned base = 16;
  if (name == 'x' || name == 'X') digits = 2;
  if (name == 'u' && !is_bytes) digits = 4;
  if (name == 'U' && !is_bytes) digits = 8;
  if (name >= '0' && name <= '3') {
    digits = 3;
    start = i + 1;
    base = 8;
  }
  if (digits == 0) {
    return escape_error(joined({"'\\",
                                {&name, 1},
                                "' is not an escape of this kind of string; a backslash "
                                "itself is '\\\\', or use r'...'"}));
  }
  char32_t code = 0;
  for (std::size_t k = start; k < start + digits; ++k) {
    const int value = k < body.size() ? hex_value(body[k]) : -1;
    if (value < 0 || value >= static_cast<int>(base)) {
      return escape_error(joined({"the escape '\\",
                                  {&name, 1},
                                  "' wants ",
                                  std::to_string(digits),
                                  base == 8 ? " octal" : " hexadecimal",
                                  " digits"}));
    }
    code = code * base + static_cast<char32_t>(value);
  }
  i = start + digits;
  if (is_bytes) {
    out.push_back(static_cast<char>(code));
    return ok_status();
  }
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
    return escape_error("the escape is not a Unicode code point");
  }
  append_code_point(out, code);
  return ok_status();
}

}  // namespace millrace::expr
