#pragma once

// MR_CHECK stays on in release builds: it states what the program believes about itself. Foreign
// bytes (network, files, user input) must be validated into a Status before they can reach one.

namespace millrace {

// Prints `file:line: check failed: what` to stderr and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* what);

}  // namespace millrace

#define MR_CHECK(condition)                                     \
  do {                                                          \
    if (!(condition)) [[unlikely]]                              \
      ::millrace::check_failed(__FILE__, __LINE__, #condition); \
  } while (false)
