#pragma once

// Only for tests: keys and certificates made on the spot.

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <string>

namespace millrace::broker {

inline std::string text_of(BIO* bio) {
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
inline Identity make_identity(const std::string& common_name = "test") {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_NAME* const name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
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

}  // namespace millrace::broker
