#include "ops/record_json.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "base/time_text.h"
#include "base/utf8.h"
#include "codec/json.h"

namespace millrace::ops {
namespace {

using Json = nlohmann::ordered_json;

void set_bytes(Json& json, const std::string& name, const std::optional<std::string_view>& bytes) {
  if (!bytes) {
    json[name] = nullptr;
  } else if (is_valid_utf8(*bytes)) {
    json[name] = std::string(*bytes);
  } else {
    json[name + "_base64"] = codec::base64_encode(*bytes);
  }
}

}  // namespace

Json record_json(const std::string& topic, std::int32_t partition, const RecordView& record) {
  Json json{{"topic", topic},
            {"partition", partition},
            {"offset", record.offset.value},
            {"timestamp", format_wall_time(record.timestamp)}};
  set_bytes(json, "key", record.key);
  set_bytes(json, "value", record.value);
  Json headers = Json::object();
  for (const auto& header : record.headers) {
    set_bytes(headers, std::string(header.key), header.value);
  }
  json["headers"] = headers;
  return json;
}

}  // namespace millrace::ops
