#include "app/api_client.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/command_line.h"
#include "app/instance.h"
#include "sys/file_system.h"

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

StatusCode code_named(const std::string& name) {
  for (int i = 1; i <= static_cast<int>(StatusCode::cancelled); ++i) {
    const auto code = static_cast<StatusCode>(i);
    if (to_string(code) == name) return code;
  }
  return StatusCode::io;
}

Status error_of(const http::Response& response) {
  const auto json = Json::parse(response.body, nullptr, false);
  if (json.is_object() && json.contains("error") && json["error"].is_object()) {
    return {code_named(json["error"].value("code", "")), json["error"].value("message", "")};
  }
  return io_error("the server answered " + std::to_string(response.status));
}

}  // namespace

ApiClient::ApiClient(ServerOptions options) : options_(std::move(options)) {}

void ApiClient::set_answer_ms(int answer_ms) {
  answer_ms_ = answer_ms;
  if (client_) client_->set_answer_ms(answer_ms);
}

Status ApiClient::connect() {
  if (client_) return ok_status();
  http::ClientOptions client;
  client.answer_ms = answer_ms_;
  if (!options_.server.empty()) {
    auto address = http::parse_address(options_.server);
    if (!address.is_ok())
      return invalid_error("--server must be HOST:PORT, not " + options_.server);
    client.server = std::move(address).value();
  } else {
    sys::PosixFileSystem files;
    auto instance = find_instance(files, options_.data_folder);
    if (!instance.is_ok() && instance.status().code() == StatusCode::not_found) {
      return disconnected_error(std::string(instance.status().message()));
    }
    if (!instance.is_ok()) return std::move(instance).take_status();
    client.server.host = instance->host;
    client.server.port = instance->http_port;
  }
  client_.emplace(std::move(client));
  return ok_status();
}

Result<http::Response> ApiClient::request(std::string_view method, const std::string& target,
                                          std::string_view body, std::string_view content_type) {
  MR_RETURN_IF_ERROR(connect());
  http::Headers headers;
  if (!content_type.empty()) headers.add("content-type", content_type);
  auto response = client_->request(method, target, headers, body);
  if (!response.is_ok()) {
    client_.reset();
    return std::move(response).take_status();
  }
  if (response->status >= 300) return error_of(*response);
  return response;
}

Result<Json> ApiClient::call(std::string_view method, const std::string& target,
                             std::string_view body, std::string_view content_type) {
  MR_ASSIGN_OR_RETURN(const auto response, request(method, target, body, content_type));
  auto json = Json::parse(response.body, nullptr, false);
  if (json.is_discarded()) return corrupt_error("the server's answer is not JSON");
  return json;
}

Result<Json> ApiClient::get(const std::string& target) {
  return call("GET", target);
}

Result<Json> ApiClient::post(const std::string& target, std::string_view body,
                             std::string_view content_type) {
  return call("POST", target, body, content_type);
}

int report_failure(const Status& status) {
  std::fprintf(stderr, "millrace: %s\n", std::string(status.message()).c_str());
  if (status.code() == StatusCode::disconnected) return kExitNoServer;
  return status.code() == StatusCode::invalid ? kExitUsage : kExitFailed;
}

int report_wrong_use(const Status& status) {
  report_failure(status);
  return kExitUsage;
}

}  // namespace millrace::app
