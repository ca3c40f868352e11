#include "kafka_client/tls_stream.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <climits>
#include <vector>

namespace millrace::kafka_client {
namespace {

constexpr std::size_t kCipherBytes = 32 * 1024;

std::string reason() {
  std::array<char, 256> text{};
  const auto code = ERR_get_error();
  if (code == 0) return "no reason given";
  ERR_error_string_n(code, text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

Status failed_file(std::string_view what, const std::string& path) {
  return invalid_error(std::string(what) + " " + path + ": " + reason());
}

// OpenSSL between two buffers in memory; the bytes in them travel over `inner`.
class TlsStream final : public sys::ByteStream {
 public:
  TlsStream(std::unique_ptr<sys::ByteStream> inner, SSL_CTX& context)
      : inner_(std::move(inner)), tls_(SSL_new(&context)) {
    MR_CHECK(tls_ != nullptr);
    SSL_set_bio(tls_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));  // tls_ owns them
  }
  ~TlsStream() override { SSL_free(tls_); }
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  Status handshake(const std::string& host, MonotonicTime deadline) {
    std::array<unsigned char, sizeof(in6_addr)> address{};
    const bool is_address = ::inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
                            ::inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
    auto* wanted = SSL_get0_param(tls_);
    const bool is_set = is_address ? X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1
                                   : X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), 0) == 1 &&
                                         SSL_set_tlsext_host_name(tls_, host.c_str()) == 1;
    if (!is_set) return invalid_error("TLS: '" + host + "' is no name of a host");
    auto status = run([&] { return SSL_connect(tls_); }, deadline).take_status();
    const auto verdict = SSL_get_verify_result(tls_);
    if (!status.is_ok() && verdict != X509_V_OK) {
      return disconnected_error("TLS: the certificate of " + host + ": " +
                                X509_verify_cert_error_string(verdict));
    }
    return status;
  }

  Status write(std::span<const std::string_view> pieces, MonotonicTime deadline) override {
    for (auto left : pieces) {
      while (!left.empty()) {
        const auto part = static_cast<int>(std::min<std::size_t>(left.size(), INT_MAX));
        MR_ASSIGN_OR_RETURN(const int done,
                            run([&] { return SSL_write(tls_, left.data(), part); }, deadline));
        left.remove_prefix(static_cast<std::size_t>(done));
      }
    }
    return flush(deadline);
  }
  Result<std::size_t> read_some(char* to, std::size_t bytes_max, MonotonicTime deadline) override {
    const auto wanted = static_cast<int>(std::min<std::size_t>(bytes_max, INT_MAX));
    MR_ASSIGN_OR_RETURN(const int got, run([&] { return SSL_read(tls_, to, wanted); }, deadline));
    return static_cast<std::size_t>(got);
  }
  // What TLS itself may still have to say (tickets of sessions) is not the broker's.
  bool is_quiet() override { return SSL_pending(tls_) == 0 && inner_->is_quiet(); }
  void shut_down() override { inner_->shut_down(); }

 private:
  Status flush(MonotonicTime deadline) {
    char* bytes = nullptr;
    const auto count = BIO_get_mem_data(SSL_get_wbio(tls_), &bytes);
    if (count <= 0) return ok_status();
    const std::string_view piece(bytes, static_cast<std::size_t>(count));
    MR_RETURN_IF_ERROR(inner_->write({&piece, 1}, deadline));
    (void)BIO_reset(SSL_get_wbio(tls_));
    return ok_status();
  }

  // Until `step` does not ask for bytes any more.
  template <typename Step>
  Result<int> run(Step step, MonotonicTime deadline) {
    while (true) {
      ERR_clear_error();
      const int done = step();
      if (done > 0) return done;
      const int error = SSL_get_error(tls_, done);
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        return disconnected_error(error == SSL_ERROR_ZERO_RETURN ? "TLS: closed by the broker"
                                                                 : "TLS: " + reason());
      }
      MR_RETURN_IF_ERROR(flush(deadline));
      if (error == SSL_ERROR_WANT_WRITE) continue;
      MR_ASSIGN_OR_RETURN(const auto got,
                          inner_->read_some(cipher_.data(), cipher_.size(), deadline));
      if (BIO_write(SSL_get_rbio(tls_), cipher_.data(), static_cast<int>(got)) !=
          static_cast<int>(got)) {
        return io_error("TLS: no memory");
      }
    }
  }

  const std::unique_ptr<sys::ByteStream> inner_;
  SSL* const tls_;
  std::vector<char> cipher_ = std::vector<char>(kCipherBytes);
};

}  // namespace

Result<std::shared_ptr<SSL_CTX>> make_tls_context(const KafkaSecurity& security) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (context == nullptr) return io_error("TLS: " + reason());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (security.ca_path.empty()) {
    if (SSL_CTX_set_default_verify_paths(context.get()) != 1) {
      return invalid_error("TLS: the system has no certificates: " + reason());
    }
  } else if (SSL_CTX_load_verify_locations(context.get(), security.ca_path.c_str(), nullptr) != 1) {
    return failed_file("the CA's certificates", security.ca_path);
  }
  if (security.certificate_path.empty()) return context;
  if (SSL_CTX_use_certificate_chain_file(context.get(), security.certificate_path.c_str()) != 1) {
    return failed_file("the client's certificate", security.certificate_path);
  }
  // Read while the file is, and not kept.
  SSL_CTX_set_default_passwd_cb_userdata(context.get(),
                                         const_cast<char*>(security.key_password.c_str()));
  if (SSL_CTX_use_PrivateKey_file(context.get(), security.key_path.c_str(), SSL_FILETYPE_PEM) !=
      1) {
    return failed_file("the client's key", security.key_path);
  }
  SSL_CTX_set_default_passwd_cb_userdata(context.get(), nullptr);
  return context;
}

Result<std::unique_ptr<sys::ByteStream>> start_tls(std::unique_ptr<sys::ByteStream> inner,
                                                   SSL_CTX& context, const std::string& host,
                                                   MonotonicTime deadline) {
  auto stream = std::make_unique<TlsStream>(std::move(inner), context);
  MR_RETURN_IF_ERROR(stream->handshake(host, deadline));
  return std::unique_ptr<sys::ByteStream>(std::move(stream));
}

}  // namespace millrace::kafka_client
