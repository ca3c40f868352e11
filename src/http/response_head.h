#pragma once

#include <string>

#include "http/message.h"

namespace millrace::http {

struct ResponseFraming {
  bool keep_alive = false;
  bool is_http_1_0 = false;  // of the request: a 1.0 client must be told that the connection stays
};

// The status line and header fields up to and including the empty line. The length is that of the
// body, also when it will not be sent (HEAD); 1xx, 204 and 304 have neither body nor length.
std::string response_head(const Response& response, ResponseFraming framing);

// Whether a response of this status carries a body at all (RFC 9110 6.4.1).
bool may_have_body(int status);

}  // namespace millrace::http
