#include "app/aws_credentials.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>

#include "base/time_text.h"
#include "codec/json.h"
#include "http/client.h"

namespace millrace::app {
namespace {

constexpr int kHttpOk = 200;
constexpr int kConnectMs = 1'000;
constexpr int kAnswerMs = 2'000;
constexpr std::size_t kAnswerBytesMax = 64 * 1024;
constexpr std::int64_t kMillisPerSecond = 1'000;
constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr std::uint16_t kHttpPort = 80;
// AWS's SDKs ask no other server without TLS.
constexpr std::string_view kContainerHosts[] = {"169.254.170.2", "169.254.170.23", "fd00:ec2::23",
                                                "127.0.0.1",     "localhost",      "::1"};

constexpr const char* kVariables[] = {
    "HOME",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
};

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// "http://HOST[:PORT][/PATH]".
Result<std::pair<http::Address, std::string>> parse_http_url(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) {
    return unsupported_error(std::string(url) + " is not http://..., and HTTPS is not spoken");
  }
  url.remove_prefix(kScheme.size());
  const auto slash = std::min(url.find('/'), url.size());
  auto host = std::string(url.substr(0, slash));
  auto target = std::string(url.substr(slash));
  if (host.rfind(':') == std::string::npos || host.ends_with(']')) {
    host += ":" + std::to_string(kHttpPort);
  }
  MR_ASSIGN_OR_RETURN(auto address, http::parse_address(host));
  return std::pair(std::move(address), target.empty() ? "/" : std::move(target));
}

Result<std::string> ask_for(const HttpAsk& ask, const http::Address& server,
                            std::string_view method, const std::string& target,
                            const http::Headers& headers) {
  MR_ASSIGN_OR_RETURN(auto answer, ask(server, method, target, headers));
  if (answer.status == kHttpOk) return std::move(answer.body);
  return invalid_error(http::to_string(server) + target + " answers with status " +
                       std::to_string(answer.status));
}

void set_field(aws_sign::Credentials& out, std::string_view name, std::string_view value) {
  if (name == "aws_access_key_id") out.access_key_id = value;
  if (name == "aws_secret_access_key") out.secret_access_key = value;
  if (name == "aws_session_token") out.session_token = value;
}

}  // namespace

AwsVariables read_aws_variables() {
  AwsVariables out;
  for (const auto* name : kVariables) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets any
    if (value != nullptr && *value != '\0') out[name] = value;
  }
  return out;
}

HttpAsk ask_by_http() {
  return [](const http::Address& server, std::string_view method, const std::string& target,
            const http::Headers& headers) {
    http::Client client({server, kConnectMs, kAnswerMs, kAnswerBytesMax, kAnswerBytesMax});
    return client.request(method, target, headers);
  };
}

Result<aws_sign::Credentials> parse_credentials_file(std::string_view text,
                                                     std::string_view profile) {
  aws_sign::Credentials out;
  std::string there;
  bool is_within = false;
  bool is_found = false;
  for (int line = 1; !text.empty(); ++line) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto one = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (one.empty() || one.starts_with('#') || one.starts_with(';')) continue;
    if (one.starts_with('[') && one.ends_with(']')) {
      const auto name = trimmed(one.substr(1, one.size() - 2));
      is_within = name == profile;
      is_found = is_found || is_within;
      there += (there.empty() ? "" : ", ") + std::string(name);
      continue;
    }
    const auto equals = one.find('=');
    if (equals == std::string_view::npos) {
      return invalid_error("line " + std::to_string(line) + " must be [PROFILE] or NAME = VALUE");
    }
    if (!is_within) continue;
    set_field(out, trimmed(one.substr(0, equals)), trimmed(one.substr(equals + 1)));
  }
  if (!is_found) {
    return not_found_error("no profile [" + std::string(profile) + "]; there is " +
                           (there.empty() ? "none" : there));
  }
  if (out.access_key_id.empty() || out.secret_access_key.empty()) {
    return invalid_error("profile [" + std::string(profile) +
                         "] must have aws_access_key_id and aws_secret_access_key");
  }
  return out;
}

Result<AwsCredentials::Timed> parse_credentials_json(std::string_view text) {
  Arena arena;
  MR_ASSIGN_OR_RETURN(const auto json, codec::parse_json(text, arena));
  if (json.kind() != ValueKind::map) return invalid_error("the answer is no JSON object");
  std::map<std::string_view, std::string_view> fields;
  for (const auto& [name, value] : json.as_map()) {
    if (value.kind() == ValueKind::string) fields[name.as_string()] = value.as_string();
  }
  const auto code = fields.find("Code");
  if (code != fields.end() && code->second != "Success") {
    return invalid_error("the answer says " + std::string(code->second));
  }
  AwsCredentials::Timed out;
  out.credentials = {std::string(fields["AccessKeyId"]), std::string(fields["SecretAccessKey"]),
                     std::string(fields["Token"])};
  if (out.credentials.access_key_id.empty() || out.credentials.secret_access_key.empty()) {
    return invalid_error("the answer lacks AccessKeyId or SecretAccessKey");
  }
  if (const auto text_of_time = fields["Expiration"]; !text_of_time.empty()) {
    const auto instant = parse_instant(text_of_time);
    if (!instant) return invalid_error("the answer's Expiration is no time");
    out.expires_at =
        WallTime(instant->seconds * kMillisPerSecond + instant->nanos / kNanosPerMilli);
  }
  return out;
}

Result<AwsCredentials::Timed> AwsCredentials::get() {
  const std::lock_guard lock(mutex_);
  const auto now = clock_.wall_now();
  if (last_) {
    const bool is_good = last_->expires_at ? last_->expires_at->value - now.value > kRefreshBeforeMs
                                           : now.value - looked_up_at_.value < kLookAgainMs;
    if (is_good) return *last_;
  }
  auto found = look_up();
  if (found.is_ok()) {
    last_ = *found;
    looked_up_at_ = now;
    return found;
  }
  if (last_ && last_->expires_at && *last_->expires_at > now) return *last_;
  return found;
}

Result<AwsCredentials::Timed> AwsCredentials::look_up() {
  struct Place {
    const char* name;
    Found (AwsCredentials::*look)() const;
  };
  constexpr Place kPlaces[] = {{"the environment", &AwsCredentials::from_variables},
                               {"the credentials file", &AwsCredentials::from_file},
                               {"the container", &AwsCredentials::from_container},
                               {"the machine (IMDS)", &AwsCredentials::from_machine}};
  std::string tried;
  for (const auto& [name, look] : kPlaces) {
    const bool is_file = look == &AwsCredentials::from_file;
    if (!options_.credentials_file.empty() && !is_file) continue;
    if (!options_.profile.empty() && look == &AwsCredentials::from_variables) continue;
    auto found = (this->*look)();
    if (found.is_ok() && *found) return std::move(**found);
    tried += (tried.empty() ? "" : "; ") + std::string(name) + ": " +
             (found.is_ok() ? "not set up" : std::string(found.status().message()));
  }
  if (!variable("AWS_WEB_IDENTITY_TOKEN_FILE").empty()) {
    tried +=
        "; AWS_WEB_IDENTITY_TOKEN_FILE is set, but web identities are not supported (EKS Pod "
        "Identity is)";
  }
  return not_found_error("no AWS credentials. Tried " + tried);
}

std::string AwsCredentials::variable(const std::string& name) const {
  const auto found = options_.variables.find(name);
  return found == options_.variables.end() ? "" : found->second;
}

AwsCredentials::Found AwsCredentials::from_variables() const {
  const auto key = variable("AWS_ACCESS_KEY_ID");
  const auto secret = variable("AWS_SECRET_ACCESS_KEY");
  if (key.empty() && secret.empty()) return std::optional<Timed>();
  if (key.empty() || secret.empty()) {
    return invalid_error("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together");
  }
  return std::optional(Timed{{key, secret, variable("AWS_SESSION_TOKEN")}, std::nullopt});
}

AwsCredentials::Found AwsCredentials::from_file() const {
  auto path = options_.credentials_file;
  const auto profile = options_.profile.empty() ? variable("AWS_PROFILE") : options_.profile;
  bool is_asked_for = !path.empty() || !profile.empty();
  if (path.empty()) {
    path = variable("AWS_SHARED_CREDENTIALS_FILE");
    is_asked_for = is_asked_for || !path.empty();
  }
  if (path.empty() && !variable("HOME").empty()) path = variable("HOME") + "/.aws/credentials";
  if (path.empty()) return std::optional<Timed>();
  if (!is_asked_for) {
    MR_ASSIGN_OR_RETURN(const bool is_there, files_.exists(path));
    if (!is_there) return std::optional<Timed>();
  }
  const auto text = files_.read_file(path);
  if (!text.is_ok()) return Status(text.status()).with_context(path);
  auto found = parse_credentials_file(*text, profile.empty() ? "default" : profile);
  if (!found.is_ok()) return std::move(found).take_status().with_context(path);
  return std::optional(Timed{std::move(found).value(), std::nullopt});
}

AwsCredentials::Found AwsCredentials::from_container() const {
  const auto relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  auto url = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (!relative.empty()) url = "http://169.254.170.2" + relative;
  if (url.empty()) return std::optional<Timed>();
  MR_ASSIGN_OR_RETURN(const auto parsed, parse_http_url(url));
  const auto& [server, target] = parsed;
  if (std::ranges::find(kContainerHosts, server.host) == std::end(kContainerHosts)) {
    return invalid_error(url +
                         ": credentials over plain HTTP come from the container's own "
                         "addresses only");
  }
  auto token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (const auto file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !file.empty()) {
    MR_ASSIGN_OR_RETURN(token, files_.read_file(file));
    while (token.ends_with('\n') || token.ends_with('\r')) token.pop_back();
  }
  http::Headers headers;
  if (!token.empty()) headers.add("Authorization", token);
  MR_ASSIGN_OR_RETURN(const auto body, ask_for(ask_, server, "GET", target, headers));
  MR_ASSIGN_OR_RETURN(auto found, parse_credentials_json(body));
  return std::optional(std::move(found));
}

// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
AwsCredentials::Found AwsCredentials::from_machine() const {
  auto disabled = variable("AWS_EC2_METADATA_DISABLED");
  if (disabled == "true" || disabled == "TRUE") return std::optional<Timed>();
  const auto endpoint = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  MR_ASSIGN_OR_RETURN(const auto parsed,
                      parse_http_url(endpoint.empty() ? "http://169.254.169.254" : endpoint));
  const auto& server = parsed.first;
  const std::string folder = "/latest/meta-data/iam/security-credentials/";
  MR_ASSIGN_OR_RETURN(const auto token, ask_for(ask_, server, "PUT", "/latest/api/token",
                                                {{"X-aws-ec2-metadata-token-ttl-seconds", "300"}}));
  const http::Headers headers{{"X-aws-ec2-metadata-token", token}};
  MR_ASSIGN_OR_RETURN(const auto roles, ask_for(ask_, server, "GET", folder, headers));
  const auto role = trimmed(std::string_view(roles).substr(0, roles.find('\n')));
  if (role.empty()) return invalid_error("the machine has no role");
  MR_ASSIGN_OR_RETURN(const auto body,
                      ask_for(ask_, server, "GET", folder + http::percent_encode(role), headers));
  MR_ASSIGN_OR_RETURN(auto found, parse_credentials_json(body));
  return std::optional(std::move(found));
}

}  // namespace millrace::app
