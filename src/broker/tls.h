#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <boost/asio/ssl/context.hpp>

#include "base/status.h"

namespace millrace::broker {

enum class ClientCertificates : std::uint8_t { none, requested, required };

// Texts in PEM form. The messages name the settings that the texts come from.
struct TlsOptions {
  std::string certificate_chain;  // the server's own first
  std::string key;                // of the certificate; not encrypted
  ClientCertificates client_certificates = ClientCertificates::none;
  std::string client_ca;  // whom to believe about clients, unless none
};

// TLS 1.2 or above, without renegotiation and session resumption, so that every connection shows
// its certificate. `invalid` names the setting that is wrong.
Result<std::shared_ptr<boost::asio::ssl::context>> make_tls_context(const TlsOptions& options);

// "User:CN=alice,O=Acme", as Java writes it (RFC 2253), of the certificate that the peer showed and
// that was found good; empty when it showed none.
std::string principal_of_peer(SSL* connection);

}  // namespace millrace::broker
