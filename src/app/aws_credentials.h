#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws_sign/sign.h"
#include "base/status.h"
#include "base/thread.h"
#include "base/time.h"
#include "http/message.h"
#include "http/url.h"
#include "sys/file_system.h"

namespace millrace::app {

// AWS_* and HOME by name; those that are set and not empty.
using AwsVariables = std::map<std::string, std::string>;
AwsVariables read_aws_variables();

// One request to one server, and its answer whatever the status.
using HttpAsk =
    std::function<Result<http::Response>(const http::Address& server, std::string_view method,
                                         const std::string& target, const http::Headers& headers)>;
// By http::Client, with deadlines that a log-in can wait for.
HttpAsk ask_by_http();

struct AwsCredentialsOptions {
  AwsVariables variables;
  std::string credentials_file;  // not empty: this and nothing else is asked
  std::string profile;           // empty: AWS_PROFILE, else "default"
};

// Where a program on AWS finds its credentials, the first that has some:
//   1. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN;
//   2. the shared credentials file (AWS_SHARED_CREDENTIALS_FILE, ~/.aws/credentials);
//   3. a container's (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI, with
//      AWS_CONTAINER_AUTHORIZATION_TOKEN or _TOKEN_FILE): ECS, EKS Pod Identity;
//   4. the machine's, by IMDSv2, unless AWS_EC2_METADATA_DISABLED is true.
// A profile that was asked for skips 1. Web identity, SSO and roles to assume need HTTPS, and are
// not there. Thread-safe.
class AwsCredentials {
 public:
  struct Timed {
    aws_sign::Credentials credentials;
    std::optional<WallTime> expires_at;
  };

  // The references outlive it.
  AwsCredentials(sys::FileSystem& files, const Clock& clock, AwsCredentialsOptions options,
                 HttpAsk ask)
      : files_(files), clock_(clock), options_(std::move(options)), ask_(std::move(ask)) {}

  // Those at hand while they are good for another kRefreshBeforeMs; credentials that do not expire
  // are looked up again after kLookAgainMs, for files change. Where new ones cannot be had, the old
  // ones serve until they expire. `not_found` says what was tried, and why it failed.
  Result<Timed> get();

  static constexpr std::int64_t kRefreshBeforeMs = 300'000;
  static constexpr std::int64_t kLookAgainMs = 60'000;

 private:
  using Found = Result<std::optional<Timed>>;  // nothing: not set up here
  Result<Timed> look_up();
  [[nodiscard]] std::string variable(const std::string& name) const;
  [[nodiscard]] Found from_variables() const;
  [[nodiscard]] Found from_file() const;
  [[nodiscard]] Found from_container() const;
  [[nodiscard]] Found from_machine() const;

  sys::FileSystem& files_;
  const Clock& clock_;
  const AwsCredentialsOptions options_;
  const HttpAsk ask_;
  Mutex mutex_;
  std::optional<Timed> last_;  // guarded by mutex_
  WallTime looked_up_at_{0};   // guarded by mutex_
};

// A section of a shared credentials file. `not_found` names the profiles that are there, `invalid`
// the line; neither shows a secret.
Result<aws_sign::Credentials> parse_credentials_file(std::string_view text,
                                                     std::string_view profile);
// What ECS and IMDS answer: {"AccessKeyId": ..., "SecretAccessKey": ..., "Token": ...,
// "Expiration": ...}. `invalid` says what is missing.
Result<AwsCredentials::Timed> parse_credentials_json(std::string_view text);

}  // namespace millrace::app
