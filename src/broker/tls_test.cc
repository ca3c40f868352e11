#include "broker/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/identity_for_tests.h"

namespace millrace::broker {
namespace {

using testing::HasSubstr;

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
