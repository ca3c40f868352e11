#include "kafka_client/scram_client.h"

#include <gtest/gtest.h>

namespace millrace::kafka_client {
namespace {

// RFC 7677, section 3.
TEST(ScramClient, speaks_as_in_the_rfc) {
  auto scram = ScramClient::make("SCRAM-SHA-256", "user", "pencil", "rOprNGfwEbeRWgbNEkqO").value();
  EXPECT_EQ(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  const auto proof = scram.answer(
      "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
      "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
  ASSERT_TRUE(proof.is_ok()) << proof.status().to_string();
  EXPECT_EQ(proof.value(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  EXPECT_TRUE(scram.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").is_ok());
  EXPECT_FALSE(scram.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=").is_ok());
  EXPECT_FALSE(scram.check("e=invalid-proof").is_ok());
}

TEST(ScramClient, escapes_names_and_makes_a_new_nonce_every_time) {
  const auto one = ScramClient::make("SCRAM-SHA-512", "a,b=c", "x").value();
  const auto two = ScramClient::make("SCRAM-SHA-512", "a,b=c", "x").value();
  EXPECT_TRUE(one.first().starts_with("n,,n=a=2Cb=3Dc,r="));
  EXPECT_NE(one.first(), two.first());
}

TEST(ScramClient, refuses_challenges_that_are_none_or_ask_for_too_much) {
  auto scram = ScramClient::make("SCRAM-SHA-256", "user", "pencil", "nonce").value();
  for (const auto* bad :
       {"", "r=", "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "r=nonce,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "r=nonce1,s=W22ZaJ0SNY7soEsUEjb6gQ==",
        "r=nonce1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0", "r=nonce1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=9x",
        "r=nonce1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1000001", "r=nonce1,s=?,i=4096",
        "s=W22ZaJ0SNY7soEsUEjb6gQ==,r=nonce1,i=4096", "r=nonce1,s=,i=4096"}) {
    EXPECT_FALSE(scram.answer(bad).is_ok()) << bad;
    EXPECT_FALSE(scram.check("v=").is_ok());
  }
}

}  // namespace
}  // namespace millrace::kafka_client
