#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "expr/position.h"

namespace millrace::expr {

enum class TokenKind : std::uint8_t {
  end,
  identifier,         // keywords, too
  quoted_identifier,  // `content-type`
  int_literal,        // digits without a sign: the parser decides about "-9223372036854775808"
  uint_literal,       // without its 'u'
  double_literal,
  string_literal,
  bytes_literal,
  symbol,  // operators and brackets; `text` says which
};

struct Token {
  TokenKind kind = TokenKind::end;
  Position position;
  std::string_view text;  // as written; numbers without suffix, quoted identifiers without quotes
  std::string value;      // of string and bytes literals, escapes resolved
};

// Cuts an expression into tokens (CEL language definition, "Syntax"). The text must be UTF-8 and
// must outlive the tokens.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<Token> next();

 private:
  void skip_blanks();
  void advance(std::size_t size);
  Token take(TokenKind kind, std::size_t size);
  Result<Token> take_number();
  Result<Token> take_string(std::size_t prefix_size, bool is_raw, bool is_bytes);
  Status resolve_escape(std::string_view body, std::size_t& i, bool is_bytes, std::string& out);
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Position position_;
};

}  // namespace millrace::expr
