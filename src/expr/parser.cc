#include "expr/parser.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <utility>

#include "base/utf8.h"
#include "expr/expr.h"
#include "expr/lexer.h"
#include "expr/text.h"

namespace millrace::expr {
namespace {

using AstPointer = std::unique_ptr<Ast>;

constexpr std::array<std::string_view, 17> kReservedWords{
    "as",  "break", "const",   "continue",  "else",   "for", "function", "if",   "import",
    "let", "loop",  "package", "namespace", "return", "var", "void",     "while"};

// Binary operators, loosest first; each level is left-associative.
constexpr int kRelationLevel = 0;
constexpr int kLevelCount = 3;
bool is_operator_of(int level, const Token& token) {
  const auto text = token.text;
  if (token.kind == TokenKind::identifier) return level == kRelationLevel && text == "in";
  if (token.kind != TokenKind::symbol) return false;
  if (level == kRelationLevel) {
    return text == "<" || text == "<=" || text == ">" || text == ">=" || text == "==" ||
           text == "!=";
  }
  if (level == 1) return text == "+" || text == "-";
  return text == "*" || text == "/" || text == "%";
}

std::string describe(const Token& token) {
  if (token.kind == TokenKind::end) return "the end of the expression";
  return joined({"'", token.text, "'"});
}

class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text) {}

  Result<AstPointer> parse_all() {
    MR_RETURN_IF_ERROR(advance());
    MR_ASSIGN_OR_RETURN(auto root, parse_expression());
    if (token_.kind != TokenKind::end) return unexpected("an operator or the end");
    return root;
  }

 private:
  // Bounds the parser's own recursion; `Ast::depth` bounds that of everything after it.
  struct Nesting {
    explicit Nesting(std::size_t& counter) : depth(counter) { ++depth; }
    ~Nesting() { --depth; }
    std::size_t& depth;
  };

  Status advance() {
    MR_ASSIGN_OR_RETURN(token_, lexer_.next());
    return ok_status();
  }
  [[nodiscard]] bool is_symbol(std::string_view text) const {
    return token_.kind == TokenKind::symbol && token_.text == text;
  }
  [[nodiscard]] Status unexpected(std::string_view wanted) const {
    return error_at(token_.position,
                    joined({"expected ", wanted, " but found ", describe(token_)}));
  }
  Status expect(std::string_view symbol) {
    if (!is_symbol(symbol)) return unexpected(joined({"'", symbol, "'"}));
    return advance();
  }
  Status check_depth(std::size_t depth, Position position) const {
    if (depth <= kExpressionDepthMax) return ok_status();
    return error_at(
        position, joined({"the expression nests deeper than ", std::to_string(kExpressionDepthMax),
                          "; split it into fields"}));
  }

  static AstPointer make(AstKind kind, Position position, std::string_view text = {}) {
    auto ast = std::make_unique<Ast>();
    ast->kind = kind;
    ast->position = position;
    ast->text = text;
    return ast;
  }
  Status adopt(Ast& parent, AstPointer child) const {
    parent.depth = std::max(parent.depth, child->depth + 1);
    parent.children.push_back(std::move(child));
    return check_depth(parent.depth, parent.position);
  }

  Result<AstPointer> parse_expression() {
    const Nesting nesting(depth_);
    MR_RETURN_IF_ERROR(check_depth(depth_, token_.position));
    MR_ASSIGN_OR_RETURN(auto condition, parse_logic("||"));
    if (!is_symbol("?")) return condition;
    auto choice = make(AstKind::operation, token_.position, "?:");
    MR_RETURN_IF_ERROR(advance());
    MR_ASSIGN_OR_RETURN(auto when_true, parse_logic("||"));
    MR_RETURN_IF_ERROR(expect(":"));
    MR_ASSIGN_OR_RETURN(auto when_false, parse_expression());
    MR_RETURN_IF_ERROR(adopt(*choice, std::move(condition)));
    MR_RETURN_IF_ERROR(adopt(*choice, std::move(when_true)));
    MR_RETURN_IF_ERROR(adopt(*choice, std::move(when_false)));
    return choice;
  }

  Result<AstPointer> parse_logic(std::string_view symbol) {
    const auto parse_operand = [&]() -> Result<AstPointer> {
      return symbol == "||" ? parse_logic("&&") : parse_binary(kRelationLevel);
    };
    MR_ASSIGN_OR_RETURN(auto first, parse_operand());
    if (!is_symbol(symbol)) return first;
    auto chain = make(AstKind::operation, token_.position, symbol);
    MR_RETURN_IF_ERROR(adopt(*chain, std::move(first)));
    while (is_symbol(symbol)) {
      MR_RETURN_IF_ERROR(advance());
      MR_ASSIGN_OR_RETURN(auto next, parse_operand());
      MR_RETURN_IF_ERROR(adopt(*chain, std::move(next)));
    }
    return chain;
  }

  Result<AstPointer> parse_binary(int level) {
    if (level == kLevelCount) return parse_unary();
    MR_ASSIGN_OR_RETURN(auto left, parse_binary(level + 1));
    while (is_operator_of(level, token_)) {
      auto operation = make(AstKind::operation, token_.position, token_.text);
      MR_RETURN_IF_ERROR(advance());
      MR_ASSIGN_OR_RETURN(auto right, parse_binary(level + 1));
      MR_RETURN_IF_ERROR(adopt(*operation, std::move(left)));
      MR_RETURN_IF_ERROR(adopt(*operation, std::move(right)));
      left = std::move(operation);
    }
    return left;
  }

  Result<AstPointer> parse_unary() {
    if (!is_symbol("!") && !is_symbol("-")) return parse_member(false);
    const std::string_view symbol = token_.text;
    std::vector<Position> positions;
    while (is_symbol(symbol)) {
      positions.push_back(token_.position);
      MR_RETURN_IF_ERROR(check_depth(positions.size(), token_.position));
      MR_RETURN_IF_ERROR(advance());
    }
    // A minus before a number belongs to the number: the smallest int has no positive twin.
    const bool is_negative_literal = symbol == "-" && (token_.kind == TokenKind::int_literal ||
                                                       token_.kind == TokenKind::double_literal);
    if (is_negative_literal) positions.pop_back();
    MR_ASSIGN_OR_RETURN(auto operand, parse_member(is_negative_literal));
    for (; !positions.empty(); positions.pop_back()) {
      auto operation = make(AstKind::operation, positions.back(), symbol);
      MR_RETURN_IF_ERROR(adopt(*operation, std::move(operand)));
      operand = std::move(operation);
    }
    return operand;
  }

  Result<AstPointer> parse_member(bool is_negative) {
    MR_ASSIGN_OR_RETURN(auto operand, parse_primary(is_negative));
    while (true) {
      if (is_symbol("[")) {
        auto index = make(AstKind::index, token_.position);
        MR_RETURN_IF_ERROR(advance());
        MR_ASSIGN_OR_RETURN(auto key, parse_expression());
        MR_RETURN_IF_ERROR(expect("]"));
        MR_RETURN_IF_ERROR(adopt(*index, std::move(operand)));
        MR_RETURN_IF_ERROR(adopt(*index, std::move(key)));
        operand = std::move(index);
      } else if (is_symbol(".")) {
        MR_RETURN_IF_ERROR(advance());
        const bool is_quoted = token_.kind == TokenKind::quoted_identifier;
        if (token_.kind != TokenKind::identifier && !is_quoted)
          return unexpected("a name after '.'");
        auto select = make(AstKind::select, token_.position, token_.text);
        select->is_quoted = is_quoted;
        MR_RETURN_IF_ERROR(advance());
        MR_RETURN_IF_ERROR(adopt(*select, std::move(operand)));
        if (!is_quoted && is_symbol("(")) {
          select->kind = AstKind::receiver_call;
          MR_RETURN_IF_ERROR(parse_list("(", ")", *select));
        }
        operand = std::move(select);
      } else {
        return operand;
      }
    }
  }

  // `open` expression, expression ... `close`; a comma may end a list.
  Status parse_list(std::string_view open, std::string_view close, Ast& parent) {
    MR_RETURN_IF_ERROR(expect(open));
    while (!is_symbol(close)) {
      MR_ASSIGN_OR_RETURN(auto element, parse_expression());
      MR_RETURN_IF_ERROR(adopt(parent, std::move(element)));
      if (parent.kind == AstKind::map) {
        MR_RETURN_IF_ERROR(expect(":"));
        MR_ASSIGN_OR_RETURN(auto value, parse_expression());
        MR_RETURN_IF_ERROR(adopt(parent, std::move(value)));
      }
      if (is_symbol(close)) break;
      if (!is_symbol(",")) return unexpected(joined({"',' or '", close, "'"}));
      MR_RETURN_IF_ERROR(advance());
      if (is_symbol(close) && close == ")") return unexpected("an argument after ','");
    }
    return advance();
  }

  Result<AstPointer> parse_primary(bool is_negative) {
    const Position position = token_.position;
    switch (token_.kind) {
      case TokenKind::int_literal:
      case TokenKind::uint_literal:
      case TokenKind::double_literal:
        return parse_number(is_negative);
      case TokenKind::string_literal:
      case TokenKind::bytes_literal: {
        auto literal = make(AstKind::literal, position, token_.value);
        literal->literal =
            token_.kind == TokenKind::string_literal ? Value::string({}) : Value::bytes({});
        MR_RETURN_IF_ERROR(advance());
        return literal;
      }
      case TokenKind::identifier:
      case TokenKind::quoted_identifier:
        return parse_name(false);
      case TokenKind::end:
      case TokenKind::symbol:
        break;
    }
    if (is_symbol("(")) {
      MR_RETURN_IF_ERROR(advance());
      MR_ASSIGN_OR_RETURN(auto inner, parse_expression());
      MR_RETURN_IF_ERROR(expect(")"));
      return inner;
    }
    if (is_symbol("[") || is_symbol("{")) {
      const bool is_list = is_symbol("[");
      auto literal = make(is_list ? AstKind::list : AstKind::map, position);
      MR_RETURN_IF_ERROR(parse_list(is_list ? "[" : "{", is_list ? "]" : "}", *literal));
      return literal;
    }
    if (is_symbol(".")) {
      MR_RETURN_IF_ERROR(advance());
      if (token_.kind != TokenKind::identifier) return unexpected("a name after '.'");
      return parse_name(true);
    }
    return unexpected("a value");
  }

  Result<AstPointer> parse_name(bool is_absolute) {
    const bool is_quoted = token_.kind == TokenKind::quoted_identifier;
    const std::string_view text = token_.text;
    auto name = make(AstKind::name, token_.position, text);
    name->is_quoted = is_quoted;
    name->is_absolute = is_absolute;
    MR_RETURN_IF_ERROR(advance());
    if (is_quoted) return name;
    if (text == "true" || text == "false" || text == "null") {
      name->kind = AstKind::literal;
      name->literal = text == "null" ? Value::null() : Value::boolean(text == "true");
      return name;
    }
    if (text == "in" || std::ranges::find(kReservedWords, text) != kReservedWords.end()) {
      return error_at(
          name->position,
          joined({"'", text, "' is a reserved word; write a field of that name as `", text, "`"}));
    }
    if (is_symbol("(")) {
      name->kind = AstKind::call;
      MR_RETURN_IF_ERROR(parse_list("(", ")", *name));
    }
    return name;
  }

  Result<AstPointer> parse_number(bool is_negative) {
    auto literal = make(AstKind::literal, token_.position);
    const std::string_view text = token_.text;
    const auto range_error = [&](std::string_view type) {
      return error_at(literal->position,
                      joined({is_negative ? "-" : "", text, " is not within the range of ", type}));
    };
    if (token_.kind == TokenKind::double_literal) {
      const std::string number = (is_negative ? "-" : "") + std::string(text);
      const auto value = parse_double(number);
      if (!value) return range_error("double");
      literal->literal = with_written_decimal(*value, number);
    } else {
      const bool is_hex = text.starts_with("0x") || text.starts_with("0X");
      const std::string_view digits = text.substr(is_hex ? 2 : 0);
      std::uint64_t value = 0;
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), value, is_hex ? 16 : 10);
      const bool is_unsigned = token_.kind == TokenKind::uint_literal;
      if (error != std::errc{}) return range_error(is_unsigned ? "uint" : "int");
      constexpr std::uint64_t kSmallestInt = std::uint64_t{1} << 63;
      if (is_unsigned) {
        literal->literal = Value::uint64(value);
      } else if (value < kSmallestInt || (value == kSmallestInt && is_negative)) {
        literal->literal = Value::int64(static_cast<std::int64_t>(is_negative ? 0 - value : value));
      } else {
        return range_error("int");
      }
    }
    MR_RETURN_IF_ERROR(advance());
    return literal;
  }

  static Value with_written_decimal(double value, std::string_view text) {
    const auto written = Decimal::parse(text);
    constexpr std::int64_t kWrittenMax = 1'000'000'000'000'000'000;
    if (!written || written->unscaled() >= kWrittenMax || written->unscaled() <= -kWrittenMax) {
      return Value::float64(value);
    }
    return Value::float64_written(value, static_cast<std::int64_t>(written->unscaled()),
                                  written->scale());
  }

  Lexer lexer_;
  Token token_;
  std::size_t depth_ = 0;
};

}  // namespace

Result<std::unique_ptr<Ast>> parse(std::string_view text) {
  if (text.size() > kExpressionBytesMax) {
    return invalid_error(
        joined({"the expression has ", std::to_string(text.size()), " bytes; at most ",
                std::to_string(kExpressionBytesMax), " are allowed"}));
  }
  if (!is_valid_utf8(text)) return invalid_error("the expression is not UTF-8");
  return Parser(text).parse_all();
}

}  // namespace millrace::expr
