#pragma once

#include <string>

namespace millrace::broker {

// Who sent a request, as far as coordinators and listings care.
struct Client {
  std::string id;    // as the client calls itself; may be empty
  std::string host;  // its address, as Kafka shows it: "/127.0.0.1"
};

}  // namespace millrace::broker
