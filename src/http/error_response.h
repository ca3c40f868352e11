#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "http/message.h"

namespace millrace::http {

// docs/http_api.md: 400 invalid, 404 not_found, 409 exists and fenced, 416 out_of_range, 429
// overloaded, 500 io and corrupt, 501 unsupported, 503 cancelled and disconnected.
int http_status(StatusCode code);

// {"error":{"code":"not_found","message":"..."}} with the fitting status. `status` must be an
// error.
Response error_response(const Status& status);
// The same body with a status HTTP has a name of its own for (405, 408, 413, 431).
Response error_response(const Status& status, int http_status);

}  // namespace millrace::http
