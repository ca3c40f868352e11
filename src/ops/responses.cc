#include "ops/responses.h"

#include <nlohmann/json.hpp>

#include "http/error_response.h"

namespace millrace::ops {

http::Response json_response(const nlohmann::ordered_json& body) {
  using Json = nlohmann::ordered_json;
  return {200,
          "application/json",
          {},
          body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"};
}

http::Response not_ready_response() {
  return http::error_response(cancelled_error("pipelines are being restored"));
}

http::Response append_error_response(const Status& status) {
  if (status.code() != StatusCode::io) return http::error_response(status);
  return http::error_response(disconnected_error(std::string(status.message())));
}

}  // namespace millrace::ops
