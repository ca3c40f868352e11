#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "app/verbs.h"
#include "base/status.h"
#include "http/client.h"

namespace millrace::app {

// The command line's end of the HTTP API: finds the instance (again after each lost connection, for
// a restarted one may answer on another port) and turns error answers into a Status. One thread.
class ApiClient {
 public:
  explicit ApiClient(ServerOptions options);

  // The answer's JSON.
  Result<nlohmann::ordered_json> call(std::string_view method, const std::string& target,
                                      std::string_view body = {},
                                      std::string_view content_type = {});
  Result<nlohmann::ordered_json> get(const std::string& target);
  Result<nlohmann::ordered_json> post(const std::string& target, std::string_view body = {},
                                      std::string_view content_type = "application/json");
  Result<http::Response> request(std::string_view method, const std::string& target,
                                 std::string_view body, std::string_view content_type);
  void set_answer_ms(int answer_ms);

 private:
  Status connect();

  ServerOptions options_;
  int answer_ms_ = 30'000;
  std::optional<http::Client> client_;
};

// Prints the message to stderr; the exit status it deserves.
int report_failure(const Status& status);
// The same where the failure is of a file that the user has named: kExitUsage.
int report_wrong_use(const Status& status);

}  // namespace millrace::app
