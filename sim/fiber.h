#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::sim {

// A stack of its own and the place to go on at. Fibers of one thread of the operating system switch
// to each other by hand; one runs at a time. The address sanitizer is told about every switch.
class Fiber {
 public:
  using Entry = void (*)(void* argument);

  // The calling thread itself, on the stack it has.
  Fiber() = default;
  // Calls `entry`, which never returns, when first switched to.
  Fiber(std::size_t stack_bytes, Entry entry, void* argument);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Goes on in `to`; returns when somebody switches back here.
  void switch_to(Fiber& to);
  // The same for good: nobody will come back.
  void leave_to(Fiber& to);

 private:
  static void start();
  void arrive();

  void* stack_pointer_ = nullptr;
  char* stack_ = nullptr;  // lowest address; a guard page lies below
  std::size_t stack_bytes_ = 0;
  Entry entry_ = nullptr;
  void* argument_ = nullptr;
  void* sanitizer_stack_ = nullptr;
};

}  // namespace millrace::sim
