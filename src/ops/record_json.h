#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "model/record.h"

namespace millrace::ops {

// {"topic","partition","offset","timestamp","key","value","headers"}; bytes that are no UTF-8 are
// under "key_base64", "value_base64".
nlohmann::ordered_json record_json(const std::string& topic, std::int32_t partition,
                                   const RecordView& record);

}  // namespace millrace::ops
