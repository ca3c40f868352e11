#include "app/kafka_tokens.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "aws_sign/msk_token.h"
#include "kafka_client/broker_pool.h"
#include "kafka_client/token_file.h"

namespace millrace::app {
namespace {

// The setting, else what a broker's name says, else the environment.
Result<std::string> region_of(const pipeline::Config& config, const AwsVariables& variables) {
  if (!config.log_aws_region.empty()) return config.log_aws_region;
  MR_ASSIGN_OR_RETURN(const auto servers,
                      kafka_client::parse_bootstrap_servers(config.log_bootstrap_servers));
  for (const auto& server : servers) {
    auto region = aws_sign::region_of_broker(server.host);
    if (!region.empty()) return region;
  }
  for (const auto* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (const auto found = variables.find(name); found != variables.end()) return found->second;
  }
  return invalid_error(
      "which region is the cluster in? The brokers' names do not say; set "
      "log.kafka.security.region, or AWS_REGION");
}

}  // namespace

Result<TokenSource> make_msk_token_source(sys::FileSystem& files, const Clock& clock,
                                          const pipeline::Config& config, AwsVariables variables,
                                          HttpAsk ask) {
  MR_ASSIGN_OR_RETURN(auto region, region_of(config, variables));
  AwsCredentialsOptions options{std::move(variables), config.log_aws_credentials_file,
                                config.log_aws_profile};
  auto source = std::make_shared<AwsCredentials>(files, clock, std::move(options), std::move(ask));
  return TokenSource([source, region = std::move(region),
                      &clock]() -> Result<kafka_client::KafkaToken> {
    MR_ASSIGN_OR_RETURN(const auto found, source->get());
    const auto now = clock.wall_now();
    kafka_client::KafkaToken token;
    token.value = aws_sign::msk_token(region, found.credentials, now, "millrace/" MILLRACE_VERSION);
    token.principal = found.credentials.access_key_id;
    token.expires_at = aws_sign::msk_token_expires_at(now);
    // It is worth nothing without the session that signed it.
    if (found.expires_at) token.expires_at = std::min(token.expires_at, *found.expires_at);
    return token;
  });
}

Result<TokenSource> load_token_source(sys::FileSystem& files, const Clock& clock,
                                      const pipeline::Config& config) {
  if (config.log_sasl_mechanism == "aws_msk_iam") {
    return make_msk_token_source(files, clock, config, read_aws_variables(), ask_by_http());
  }
  const auto path = config.log_token_file;
  auto first = kafka_client::read_token_file(files, path, clock.wall_now());
  if (!first.is_ok()) return std::move(first).take_status().with_context("log.kafka.security");
  return TokenSource([&files, &clock, path] {
    return kafka_client::read_token_file(files, path, clock.wall_now());
  });
}

}  // namespace millrace::app
