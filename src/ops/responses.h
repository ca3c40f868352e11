#pragma once

#include <nlohmann/json_fwd.hpp>

#include "http/message.h"

namespace millrace::ops {

// 200 with the body, in one line; bytes that are not UTF-8 are replaced.
http::Response json_response(const nlohmann::ordered_json& body);

// For what asks pipelines before they are restored, or while they stop: try again.
http::Response not_ready_response();

}  // namespace millrace::ops
