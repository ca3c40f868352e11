#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "ops/api.h"

namespace millrace::ops {

// The JSON bodies of docs/http_api.md.
nlohmann::ordered_json status_report(const ApiContext& context, std::int64_t uptime_ns,
                                     bool is_ready);
nlohmann::ordered_json topic_report(const log::Log& log, const log::TopicInfo& topic);
nlohmann::ordered_json groups_report(const log::Log& log);

}  // namespace millrace::ops
