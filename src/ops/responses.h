#pragma once

#include <nlohmann/json_fwd.hpp>

#include "http/message.h"

namespace millrace::ops {

// 200 with the body, in one line; bytes that are not UTF-8 are replaced.
http::Response json_response(const nlohmann::ordered_json& body);

// For what asks pipelines before they are restored, or while they stop: try again.
http::Response not_ready_response();

// What the log said to an append. It can fail only once (R17): the process is about to end, and
// whoever sends should go on with the next one. What became durable all the same is then found to
// be a repeat.
http::Response append_error_response(const Status& status);

}  // namespace millrace::ops
