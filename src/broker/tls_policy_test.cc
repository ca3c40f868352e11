// What a client gets out of a handshake, whatever it asks for: both ends in memory.

#include <gmock/gmock.h>
#include <openssl/ssl.h>

#include <functional>
#include <vector>

#include "broker/identity_for_tests.h"
#include "broker/tls.h"

namespace millrace::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A client and a server, and what one wrote for the other.
class Handshake {
 public:
  using Adjust = std::function<void(SSL* end)>;

  explicit Handshake(const TlsOptions& options, const Adjust& adjust_client = nullptr,
                     const Adjust& adjust_server = nullptr)
      : client_context_(SSL_CTX_new(TLS_client_method())) {
    auto made = make_tls_context(options);
    EXPECT_TRUE(made.is_ok()) << made.status().to_string();
    context_ = std::move(made).value();
    server_ = SSL_new(context_->native_handle());
    client_ = SSL_new(client_context_);
    BIO* client_side = nullptr;
    BIO* server_side = nullptr;
    EXPECT_EQ(BIO_new_bio_pair(&client_side, 1 << 16, &server_side, 1 << 16), 1);
    SSL_set_bio(client_, client_side, client_side);
    SSL_set_bio(server_, server_side, server_side);
    SSL_set_connect_state(client_);
    SSL_set_accept_state(server_);
    if (adjust_client) adjust_client(client_);
    if (adjust_server) adjust_server(server_);
  }
  ~Handshake() {
    SSL_free(client_);
    SSL_free(server_);
    SSL_CTX_free(client_context_);
  }
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;

  // Whether it came to an end; one takes a few turns.
  bool shake() {
    constexpr int kTurns = 10;
    for (int turn = 0; turn < kTurns; ++turn) {
      const bool is_client_done = SSL_do_handshake(client_) == 1;
      const bool is_server_done = SSL_do_handshake(server_) == 1;
      if (is_client_done && is_server_done) return true;
    }
    return false;
  }
  // As after it: what came for either is read.
  void read_both() {
    char byte = 0;
    for (SSL* end : {server_, client_}) SSL_read(end, &byte, 1);
  }
  SSL* client() { return client_; }
  SSL_CTX* context() { return context_->native_handle(); }

 private:
  std::shared_ptr<boost::asio::ssl::context> context_;
  SSL_CTX* client_context_;
  SSL* client_ = nullptr;
  SSL* server_ = nullptr;
};

TlsOptions options_of(const Identity& identity) {
  TlsOptions out;
  out.certificate_chain = identity.certificate;
  out.key = identity.key;
  return out;
}

Handshake::Adjust at_most(int version) {
  return [version](SSL* end) { SSL_set_max_proto_version(end, version); };
}

// OpenSSL itself takes old versions at security level 0 only, where a system may have put it.
void allow_anything(SSL* end) {
  SSL_set_security_level(end, 0);
}

TEST(TlsPolicy, nothing_older_than_1_2_is_spoken) {
  const auto options = options_of(make_identity());
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION}) {
    Handshake handshake(
        options,
        [&](SSL* client) {
          allow_anything(client);
          SSL_set_min_proto_version(client, TLS1_VERSION);
          SSL_set_max_proto_version(client, version);
        },
        allow_anything);
    EXPECT_EQ(handshake.shake(), version >= TLS1_2_VERSION) << std::hex << version;
  }
}

TEST(TlsPolicy, a_client_is_told_the_names_of_the_authorities_to_choose_by) {
  const auto names = [](const STACK_OF(X509_NAME) * list) {
    std::vector<std::string> out;
    for (int i = 0; i < sk_X509_NAME_num(list); ++i) {
      BIO* const bio = BIO_new(BIO_s_mem());
      X509_NAME_print_ex(bio, sk_X509_NAME_value(list, i), 0, XN_FLAG_RFC2253);
      out.push_back(text_of(bio));
    }
    return out;
  };
  auto options = options_of(make_identity());
  options.client_ca = make_identity("one").certificate + make_identity("two").certificate;
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    options.client_certificates = ClientCertificates::requested;
    Handshake asked(options, at_most(version));
    ASSERT_TRUE(asked.shake());
    EXPECT_THAT(names(SSL_get0_peer_CA_list(asked.client())), ElementsAre("CN=one", "CN=two"));
    options.client_certificates = ClientCertificates::none;
    Handshake not_asked(options, at_most(version));
    ASSERT_TRUE(not_asked.shake());
    EXPECT_THAT(names(SSL_get0_peer_CA_list(not_asked.client())), IsEmpty());
  }
}

// Each connection shows its certificate: neither tickets nor sessions that the server keeps.
TEST(TlsPolicy, no_session_can_be_resumed) {
  const auto options = options_of(make_identity());
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Handshake handshake(options, at_most(version));
    ASSERT_TRUE(handshake.shake());
    handshake.read_both();
    EXPECT_EQ(SSL_SESSION_is_resumable(SSL_get_session(handshake.client())), 0)
        << std::hex << version;
  }
}

// Even where OpenSSL's own default, which is to refuse, has been changed.
TEST(TlsPolicy, a_client_cannot_renegotiate) {
  Handshake handshake(options_of(make_identity()), at_most(TLS1_2_VERSION), [](SSL* server) {
    SSL_set_options(server, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
  });
  ASSERT_TRUE(handshake.shake());
  ASSERT_EQ(SSL_renegotiate(handshake.client()), 1);
  SSL_do_handshake(handshake.client());
  handshake.read_both();
  handshake.read_both();
  EXPECT_NE(SSL_get_state(handshake.client()), TLS_ST_OK);
}

TEST(TlsPolicy, the_server_chooses_the_cipher) {
  Handshake handshake(options_of(make_identity()), [](SSL* client) {
    SSL_set_max_proto_version(client, TLS1_2_VERSION);
    EXPECT_EQ(
        SSL_set_cipher_list(client, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"),
        1);
  });
  ASSERT_TRUE(handshake.shake());
  EXPECT_STREQ(SSL_get_cipher_name(handshake.client()), "ECDHE-ECDSA-AES256-GCM-SHA384");
}

// Compression tells what is encrypted by its length (CRIME); OpenSSL is often built without it, so
// that no handshake would show it. Idle connections keep no buffers.
TEST(TlsPolicy, there_is_no_compression_and_buffers_are_given_back) {
  Handshake handshake(options_of(make_identity()));
  EXPECT_NE(SSL_CTX_get_options(handshake.context()) & SSL_OP_NO_COMPRESSION, 0U);
  EXPECT_NE(SSL_CTX_get_mode(handshake.context()) & SSL_MODE_RELEASE_BUFFERS, 0);
}

}  // namespace
}  // namespace millrace::broker
