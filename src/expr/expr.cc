#include "expr/expr.h"

#include <utility>

#include "base/check.h"
#include "expr/compiler.h"
#include "expr/operations.h"
#include "expr/parser.h"
#include "expr/program.h"

namespace millrace::expr {

struct Program::Impl : CompiledProgram {};

Program::Program(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
  const auto run = impl_->root->run;
  is_decimal_ = run == run_decimal_field;
  if (run == run_field || is_decimal_) field_slot_ = impl_->root->slot;
}
Program::Program(Program&&) noexcept = default;
Program& Program::operator=(Program&&) noexcept = default;
Program::~Program() = default;

Result<Program> Program::compile(std::string_view text, const Environment& environment) {
  MR_ASSIGN_OR_RETURN(const auto ast, parse(text));
  auto impl = std::make_unique<Impl>();
  impl->text = text;
  MR_RETURN_IF_ERROR(compile_into(*impl, *ast, environment));
  MR_CHECK(impl->root != nullptr);
  return Program(std::move(impl));
}

Value Program::evaluate_tree(const EvaluateInput& input, Arena& arena) const {
  MR_CHECK(input.row.size() >= impl_->row_size_min);
  MR_CHECK(input.tables.size() >= impl_->table_count);
  MR_CHECK(input.variables.size() >= impl_->variable_count);
  Frame frame{input.row, input.tables, input.variables};
  frame.arena = &arena;
  if (impl_->local_count > 0) frame.locals = arena.array<Value>(impl_->local_count).data();
  return impl_->root->run(*impl_->root, frame);
}

FieldType Program::result_type() const {
  return impl_->result_type;
}
const std::vector<std::size_t>& Program::fields_read() const {
  return impl_->fields_read;
}
const std::string& Program::text() const {
  return impl_->text;
}

}  // namespace millrace::expr
