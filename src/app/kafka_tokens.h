#pragma once

#include <functional>

#include "app/aws_credentials.h"
#include "base/status.h"
#include "base/time.h"
#include "kafka_client/kafka_log.h"
#include "pipeline/config.h"
#include "sys/file_system.h"

namespace millrace::app {

using TokenSource = std::function<Result<kafka_client::KafkaToken>()>;

// Of sasl_mechanism oauthbearer and aws_msk_iam: see docs/kafka_log.md. Thread-safe; `files` and
// `clock` outlive it. `invalid` when no region can be told.
Result<TokenSource> load_token_source(sys::FileSystem& files, const Clock& clock,
                                      const pipeline::Config& config);
// The same of aws_msk_iam with these variables and this way to ask.
Result<TokenSource> make_msk_token_source(sys::FileSystem& files, const Clock& clock,
                                          const pipeline::Config& config, AwsVariables variables,
                                          HttpAsk ask);

}  // namespace millrace::app
