#include "http/error_response.h"

#include "base/json_text.h"

namespace millrace::http {

int http_status(StatusCode code) {
  switch (code) {
    case StatusCode::ok:
      return 200;
    case StatusCode::invalid:
      return 400;
    case StatusCode::not_found:
      return 404;
    case StatusCode::exists:
      return 409;
    case StatusCode::fenced:
      return 409;
    case StatusCode::out_of_sequence:
      return 400;
    case StatusCode::wrong_state:
      return 409;
    case StatusCode::out_of_range:
      return 416;
    case StatusCode::overloaded:
      return 429;
    case StatusCode::corrupt:
      return 500;
    case StatusCode::io:
      return 500;
    case StatusCode::unsupported:
      return 501;
    case StatusCode::disconnected:
      return 503;
    case StatusCode::cancelled:
      return 503;
  }
  return 500;
}

Response error_response(const Status& status) {
  return error_response(status, http_status(status.code()));
}

Response error_response(const Status& status, int http_status) {
  MR_CHECK(!status.is_ok());
  MR_CHECK(http_status >= 400 && http_status <= 599);
  Response response;
  response.status = http_status;
  response.body = "{\"error\":{\"code\":";
  append_json_string(response.body, millrace::to_string(status.code()));
  response.body.append(",\"message\":");
  append_json_string_lossy(response.body, status.message());
  response.body.append("}}");
  return response;
}

}  // namespace millrace::http
