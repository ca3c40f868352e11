#pragma once

#include <memory>
#include <string>

#include <openssl/ssl.h>

#include "base/status.h"
#include "kafka_client/kafka_log.h"
#include "sys/byte_stream.h"

namespace millrace::kafka_client {

// TLS 1.2 or above, which checks the broker's certificate against the CA of the options (or the
// system's) and shows the client's own, if there is one. `invalid` names the file that is wrong.
Result<std::shared_ptr<SSL_CTX>> make_tls_context(const KafkaSecurity& security);

// The handshake over `inner`; `host` must be in the broker's certificate. `disconnected` says why
// it failed.
Result<std::unique_ptr<sys::ByteStream>> start_tls(std::unique_ptr<sys::ByteStream> inner,
                                                   SSL_CTX& context, const std::string& host,
                                                   MonotonicTime deadline);

}  // namespace millrace::kafka_client
