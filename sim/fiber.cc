#include "sim/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <utility>
#include <vector>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define MR_SIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MR_SIM_ASAN 1
#endif
#endif
#if defined(MR_SIM_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace millrace::sim {
namespace {

// The one that arrives at the switch that is under way, and the one it comes from.
thread_local Fiber* arriving = nullptr;
thread_local Fiber* departing = nullptr;

// Making a stack costs more than using one; the stacks of ended fibers wait here.
class StackPool {
 public:
  ~StackPool() {
    for (const auto& [stack, bytes] : free_) unmap(stack, bytes);
  }

  char* take(std::size_t bytes) {
    for (auto& entry : free_) {
      if (entry.second != bytes) continue;
      char* const stack = std::exchange(entry, free_.back()).first;
      free_.pop_back();
      return stack;
    }
    void* const all = ::mmap(nullptr, bytes + guard_bytes(), PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    MR_CHECK(all != MAP_FAILED);
    MR_CHECK(::mprotect(all, guard_bytes(), PROT_NONE) == 0);
    return static_cast<char*>(all) + guard_bytes();
  }

  void give_back(char* stack, std::size_t bytes) { free_.emplace_back(stack, bytes); }

 private:
  static std::size_t guard_bytes() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }
  static void unmap(char* stack, std::size_t bytes) {
    ::munmap(stack - guard_bytes(), bytes + guard_bytes());
  }

  std::vector<std::pair<char*, std::size_t>> free_;
};

thread_local StackPool stack_pool;

}  // namespace

// The registers that a function must keep, as the System V ABI for x86-64 says (figure 3.4), are
// put on the old stack and taken from the new one. ucontext would do, but asks the kernel about
// signals at every switch.
#if defined(__x86_64__)
extern "C" void millrace_sim_switch(void** old_stack_pointer, void* new_stack_pointer);
__asm__(R"(
.text
.p2align 4
.type millrace_sim_switch,@function
millrace_sim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size millrace_sim_switch,.-millrace_sim_switch
)");
#else
namespace {
void millrace_sim_switch(void** old_context, void* new_context) {
  if (*old_context == nullptr) *old_context = new ucontext_t;
  ::swapcontext(static_cast<ucontext_t*>(*old_context), static_cast<ucontext_t*>(new_context));
}
}  // namespace
#endif

Fiber::Fiber(std::size_t stack_bytes, Entry entry, void* argument)
    : stack_(stack_pool.take(stack_bytes)),
      stack_bytes_(stack_bytes),
      entry_(entry),
      argument_(argument) {
  MR_CHECK(stack_bytes % 4096 == 0 && entry != nullptr);
#if defined(MR_SIM_ASAN)
  __asan_unpoison_memory_region(stack_, stack_bytes_);
#endif
#if defined(__x86_64__)
  // As if millrace_sim_switch had been called from start(): six registers, where to return to, and
  // a place that keeps the stack aligned.
  constexpr std::size_t kRegisters = 6;
  std::array<void*, kRegisters + 2> frame{};
  frame[kRegisters] = reinterpret_cast<void*>(&Fiber::start);
  auto* const at = reinterpret_cast<void**>(stack_ + stack_bytes_) - frame.size();
  for (std::size_t i = 0; i < frame.size(); ++i) at[i] = frame[i];
  stack_pointer_ = static_cast<void*>(at);
#else
  auto* const context = new ucontext_t;
  MR_CHECK(::getcontext(context) == 0);
  context->uc_stack.ss_sp = stack_;
  context->uc_stack.ss_size = stack_bytes_;
  context->uc_link = nullptr;
  ::makecontext(context, &Fiber::start, 0);
  stack_pointer_ = context;
#endif
}

Fiber::~Fiber() {
#if !defined(__x86_64__)
  delete static_cast<ucontext_t*>(stack_pointer_);
#endif
  if (entry_ != nullptr) stack_pool.give_back(stack_, stack_bytes_);
}

void Fiber::start() {
  arriving->arrive();
  Fiber* const self = arriving;
  self->entry_(self->argument_);
  MR_CHECK(false);
}

// The first thing on the new stack.
void Fiber::arrive() {
#if defined(MR_SIM_ASAN)
  const void* bottom = nullptr;
  std::size_t bytes = 0;
  __sanitizer_finish_switch_fiber(sanitizer_stack_, &bottom, &bytes);
  if (departing->stack_ == nullptr) {  // the thread's own stack, seen for the first time
    departing->stack_ = static_cast<char*>(const_cast<void*>(bottom));
    departing->stack_bytes_ = bytes;
  }
#endif
}

void Fiber::switch_to(Fiber& to) {
  arriving = &to;
  departing = this;
#if defined(MR_SIM_ASAN)
  __sanitizer_start_switch_fiber(&sanitizer_stack_, to.stack_, to.stack_bytes_);
#endif
  millrace_sim_switch(&stack_pointer_, to.stack_pointer_);
  arrive();
}

void Fiber::leave_to(Fiber& to) {
  arriving = &to;
  departing = this;
#if defined(MR_SIM_ASAN)
  __sanitizer_start_switch_fiber(nullptr, to.stack_, to.stack_bytes_);
#endif
  millrace_sim_switch(&stack_pointer_, to.stack_pointer_);
  MR_CHECK(false);
}

}  // namespace millrace::sim
