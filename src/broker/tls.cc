#include "broker/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <boost/asio/buffer.hpp>
#include <exception>

namespace millrace::broker {
namespace {

namespace ssl = boost::asio::ssl;

constexpr const char* kCertificateSetting = "kafka.tls.certificate_file";
constexpr const char* kKeySetting = "kafka.tls.key_file";
constexpr const char* kClientCaSetting = "kafka.tls.client_ca_file";

// What OpenSSL has to say; without it the queue would be blamed on the next call.
std::string take_error() {
  const auto code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? "error " + std::to_string(code) : reason;
}

Status wrong(const char* setting, const std::string& what) {
  return invalid_error(std::string(setting) + ": " + what + " (" + take_error() + ")");
}

Status load_certificate(SSL_CTX* context, const TlsOptions& options, ssl::context& of) {
  boost::system::error_code error;
  of.use_certificate_chain(boost::asio::buffer(options.certificate_chain), error);
  if (error) {
    return wrong(
        kCertificateSetting,
        "there is no certificate in PEM form (-----BEGIN CERTIFICATE-----): " + error.message());
  }
  // Without this OpenSSL would ask at the terminal.
  SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return -1; });
  of.use_private_key(boost::asio::buffer(options.key), ssl::context::pem, error);
  if (error) {
    return wrong(kKeySetting,
                 "there is no private key in PEM form, it has a passphrase, or it belongs to "
                 "another certificate; `openssl pkey -in OLD -out NEW` writes one without: " +
                     error.message());
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return wrong(kKeySetting, "the key does not belong to the certificate of " +
                                  std::string(kCertificateSetting));
  }
  return ok_status();
}

Status load_client_ca(SSL_CTX* context, const TlsOptions& options, ssl::context& of) {
  if (options.client_certificates == ClientCertificates::none) return ok_status();
  boost::system::error_code error;
  of.add_certificate_authority(boost::asio::buffer(options.client_ca), error);
  if (error || options.client_ca.empty()) {
    return wrong(kClientCaSetting,
                 "there is no certificate in PEM form; name the file of the authorities that "
                 "clients' certificates must come from");
  }
  BIO* bio = BIO_new_mem_buf(options.client_ca.data(), static_cast<int>(options.client_ca.size()));
  // Clients with several certificates choose by these names.
  while (X509* authority = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr)) {
    SSL_CTX_add_client_CA(context, authority);
    X509_free(authority);
  }
  BIO_free(bio);
  ERR_clear_error();
  const bool is_required = options.client_certificates == ClientCertificates::required;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (is_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     nullptr);
  return ok_status();
}

}  // namespace

Result<std::shared_ptr<ssl::context>> make_tls_context(const TlsOptions& options) {
  try {
    ERR_clear_error();
    auto out = std::make_shared<ssl::context>(ssl::context::tls_server);
    SSL_CTX* const context = out->native_handle();
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    // There is no compression unless it is asked for.
    SSL_CTX_set_options(
        context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    // Or every idle connection keeps two buffers of 16 KiB.
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    MR_RETURN_IF_ERROR(load_certificate(context, options, *out));
    MR_RETURN_IF_ERROR(load_client_ca(context, options, *out));
    return out;
  } catch (const std::exception& exception) {
    return invalid_error(std::string("kafka.tls: TLS cannot be set up: ") + exception.what());
  }
}

std::string principal_of_peer(SSL* connection) {
  X509* const certificate = SSL_get1_peer_certificate(connection);
  if (certificate == nullptr) return "";
  std::string out;
  if (SSL_get_verify_result(connection) == X509_V_OK) {
    BIO* const bio = BIO_new(BIO_s_mem());
    X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0,
                       XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    char* text = nullptr;
    const auto byte_count = BIO_get_mem_data(bio, &text);
    if (byte_count > 0) out = "User:" + std::string(text, static_cast<std::size_t>(byte_count));
    BIO_free(bio);
  }
  X509_free(certificate);
  return out;
}

}  // namespace millrace::broker
