#pragma once

#include <string>

namespace millrace::broker {

inline constexpr char kAnonymous[] = "User:ANONYMOUS";

// Who sent a request, as far as handlers and listings care.
struct Client {
  std::string id;                      // as the client calls itself; may be empty
  std::string host;                    // its address, as Kafka shows it: "/127.0.0.1"
  std::string principal = kAnonymous;  // who it has shown to be: "User:alice"
};

}  // namespace millrace::broker
