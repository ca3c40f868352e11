#include "broker/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace millrace::broker {
namespace {

using testing::HasSubstr;

std::string text_of(BIO* bio) {
  char* text = nullptr;
  const auto byte_count = BIO_get_mem_data(bio, &text);
  std::string out(text, static_cast<std::size_t>(byte_count));
  BIO_free(bio);
  return out;
}

struct Identity {
  std::string certificate;
  std::string key;
  std::string encrypted_key;
};

// A certificate that signs itself.
Identity make_identity() {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_NAME* const name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_set_pubkey(certificate, key);
  EXPECT_GT(X509_sign(certificate, key, EVP_sha256()), 0);
  Identity out;
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  out.certificate = text_of(bio);
  bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  out.key = text_of(bio);
  bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, EVP_aes_128_cbc(),
                           reinterpret_cast<const unsigned char*>("pass"), 4, nullptr, nullptr);
  out.encrypted_key = text_of(bio);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return out;
}

std::string fault(const TlsOptions& options) {
  const auto made = make_tls_context(options);
  return made.is_ok() ? "" : made.status().to_string();
}

TEST(Tls, a_certificate_and_its_key_are_taken) {
  const auto identity = make_identity();
  TlsOptions options;
  options.certificate_chain = identity.certificate;
  options.key = identity.key;
  EXPECT_EQ(fault(options), "");
  options.client_certificates = ClientCertificates::required;
  options.client_ca = identity.certificate;
  EXPECT_EQ(fault(options), "");
}

TEST(Tls, what_is_wrong_is_named_by_its_setting) {
  const auto identity = make_identity();
  const auto other = make_identity();
  TlsOptions options;
  options.certificate_chain = identity.certificate;
  options.key = other.key;
  EXPECT_THAT(fault(options), HasSubstr("kafka.tls.key_file"));
  options.key = "no key";
  EXPECT_THAT(fault(options), HasSubstr("kafka.tls.key_file"));
  options.key = identity.encrypted_key;
  EXPECT_THAT(fault(options), HasSubstr("passphrase"));
  options.key = identity.key;
  options.certificate_chain = "";
  EXPECT_THAT(fault(options), HasSubstr("kafka.tls.certificate_file"));
  options.certificate_chain = identity.key;
  EXPECT_THAT(fault(options), HasSubstr("kafka.tls.certificate_file"));
  options.certificate_chain = identity.certificate;
  options.client_certificates = ClientCertificates::requested;
  options.client_ca = "nobody";
  EXPECT_THAT(fault(options), HasSubstr("kafka.tls.client_ca_file"));
}

}  // namespace
}  // namespace millrace::broker
