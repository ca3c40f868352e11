#include "broker/scram.h"

#include <gtest/gtest.h>

#include "codec/json.h"

namespace millrace::broker {
namespace {

constexpr std::string_view kClientNonce = "rOprNGfwEbeRWgbNEkqO";
// RFC 7677, section 3.
constexpr std::string_view kServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr std::string_view kFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view kChallenge =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view kLast =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr std::string_view kSignature = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

FoundCredential known(ScramHash hash, std::string_view password, std::string_view salt,
                      std::int32_t iterations) {
  return {credential_of(hash, salted_password(hash, password, salt, iterations), salt, iterations),
          true};
}

ScramServer rfc_server(bool is_known = true) {
  const auto salt = codec::base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==").value();
  auto found = known(ScramHash::sha_256, "pencil", salt, 4096);
  found.is_known = is_known;
  return {ScramHash::sha_256, std::string(kServerNonce),
          [found](const std::string&) { return found; }};
}

// The client's side, written down from RFC 5802 section 3 in another shape than the server's.
// `without_proof`: empty for what belongs to the challenge.
std::string last_message(ScramHash hash, std::string_view password, std::string_view first_bare,
                         std::string_view challenge, std::string without_proof = "") {
  const auto nonce_end = challenge.find(",s=");
  const auto salt_end = challenge.find(",i=");
  const std::string nonce(challenge.substr(2, nonce_end - 2));
  const auto salt =
      codec::base64_decode(challenge.substr(nonce_end + 3, salt_end - nonce_end - 3)).value();
  const int iterations = std::stoi(std::string(challenge.substr(salt_end + 3)));
  const auto salted = salted_password(hash, password, salt, iterations);
  std::string proof = hmac(hash, salted, "Client Key");
  const auto stored = credential_of(hash, salted, salt, iterations).stored_key;
  const std::string without = without_proof.empty() ? "c=biws,r=" + nonce : without_proof;
  const auto signature =
      hmac(hash, stored, std::string(first_bare) + "," + std::string(challenge) + "," + without);
  for (std::size_t i = 0; i < proof.size(); ++i) {
    proof[i] = static_cast<char>(proof[i] ^ signature[i]);
  }
  return without + ",p=" + codec::base64_encode(proof);
}

TEST(Scram, the_conversation_of_rfc_7677_goes_as_written_there) {
  auto server = rfc_server();
  EXPECT_EQ(server.take(kFirst).value(), kChallenge);
  EXPECT_FALSE(server.is_done());
  EXPECT_EQ(server.take(kLast).value(), kSignature);
  EXPECT_TRUE(server.is_done());
  EXPECT_EQ(server.user(), "user");
}

// RFC 6070 and RFC 7914 section 11 have PBKDF2 for SHA-256 with these; the first 32 bytes.
TEST(Scram, salted_passwords_are_those_of_the_test_vectors) {
  const auto hex = [](const std::string& bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out;
    for (const char byte : bytes) {
      out += kDigits[static_cast<unsigned char>(byte) >> 4];
      out += kDigits[static_cast<unsigned char>(byte) & 15];
    }
    return out;
  };
  EXPECT_EQ(hex(salted_password(ScramHash::sha_256, "passwd", "salt", 1)),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
  EXPECT_EQ(hex(salted_password(ScramHash::sha_256, "Password", "NaCl", 80'000)),
            "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56");
}

TEST(Scram, sha_512_goes_the_same_way) {
  ScramServer server(ScramHash::sha_512, "server", [](const std::string&) {
    return known(ScramHash::sha_512, "secret", "some salt", 4096);
  });
  const auto challenge = server.take("n,,n=alice,r=client").value();
  EXPECT_EQ(challenge, "r=clientserver,s=" + codec::base64_encode("some salt") + ",i=4096");
  const auto last = last_message(ScramHash::sha_512, "secret", "n=alice,r=client", challenge);
  EXPECT_TRUE(server.take(last).is_ok());
  EXPECT_TRUE(server.is_done());
}

TEST(Scram, a_wrong_password_is_refused) {
  auto server = rfc_server();
  const auto challenge = server.take(kFirst).value();
  const auto last = last_message(ScramHash::sha_256, "pencils",
                                 "n=user,r=" + std::string(kClientNonce), challenge);
  EXPECT_EQ(server.take(last).status().code(), StatusCode::invalid);
  EXPECT_FALSE(server.is_done());
  EXPECT_FALSE(server.take(kLast).is_ok()) << "no second try";
}

TEST(Scram, who_is_not_known_is_refused_at_the_end_even_with_the_right_proof) {
  auto server = rfc_server(false);
  EXPECT_EQ(server.take(kFirst).value(), kChallenge);
  EXPECT_FALSE(server.take(kLast).is_ok());
}

// With a proof that is right for what it says, so that nothing but what it says is wrong.
TEST(Scram, what_belongs_to_another_conversation_is_refused) {
  const std::string nonce = std::string(kClientNonce) + std::string(kServerNonce);
  const std::string bare = "n=user,r=" + std::string(kClientNonce);
  const auto is_taken = [&](const std::string& without_proof) {
    auto server = rfc_server();
    const auto challenge = server.take(kFirst).value();
    return server.take(last_message(ScramHash::sha_256, "pencil", bare, challenge, without_proof))
        .is_ok();
  };
  EXPECT_TRUE(is_taken("c=biws,r=" + nonce));
  EXPECT_FALSE(is_taken("c=eSws,r=" + nonce)) << "y,, was not what it began with";
  EXPECT_FALSE(is_taken("c=,r=" + nonce));
  EXPECT_FALSE(is_taken("c=biws,r=" + nonce + "1"));
  EXPECT_FALSE(is_taken("c=biws,r=" + std::string(kClientNonce)));
  EXPECT_FALSE(is_taken("c=biws,s=" + nonce));
  EXPECT_FALSE(is_taken("r=" + nonce + ",c=biws"));
}

TEST(Scram, long_messages_are_refused) {
  auto first = rfc_server();
  EXPECT_FALSE(first.take(std::string(kFirst) + ",x=" + std::string(8192, 'x')).is_ok());
  auto last = rfc_server();
  ASSERT_TRUE(last.take(kFirst).is_ok());
  EXPECT_FALSE(last.take(std::string(8192, 'x') + std::string(kLast)).is_ok());
}

TEST(Scram, a_client_that_repeats_its_nonce_is_understood) {
  auto server = rfc_server();
  const std::string bare = "n=user,r=" + std::string(kClientNonce);
  const auto challenge = server.take("n,," + bare).value();
  // As librdkafka 2.0.2 does it.
  auto without = std::string(kLast.substr(0, kLast.find(",p=")));
  without.insert(without.find("r=") + 2, kClientNonce);
  const auto salt = codec::base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==").value();
  const auto salted = salted_password(ScramHash::sha_256, "pencil", salt, 4096);
  std::string proof = hmac(ScramHash::sha_256, salted, "Client Key");
  const auto signature =
      hmac(ScramHash::sha_256, credential_of(ScramHash::sha_256, salted, salt, 4096).stored_key,
           bare + "," + challenge + "," + without);
  for (std::size_t i = 0; i < proof.size(); ++i) {
    proof[i] = static_cast<char>(proof[i] ^ signature[i]);
  }
  EXPECT_TRUE(server.take(without + ",p=" + codec::base64_encode(proof)).is_ok());
}

TEST(Scram, names_are_decoded_and_others_cannot_be_acted_for) {
  std::string asked;
  const auto find = [&](const std::string& user) {
    asked = user;
    return known(ScramHash::sha_256, "x", "salt", 1);
  };
  const auto is_taken = [&](std::string_view first) {
    asked.clear();
    return ScramServer(ScramHash::sha_256, "s", find).take(first).is_ok();
  };
  EXPECT_TRUE(is_taken("n,,n=a=2Cb=3Dc,r=n"));
  EXPECT_EQ(asked, "a,b=c");
  EXPECT_TRUE(is_taken("y,a=me,n=me,r=n,ext=1"));
  for (const auto* wrong : {"", "n", "n,,", "n,,n=me", "n,,n=,r=n", "n,,n=me,r=", "n,,n=a=2cb,r=n",
                            "n,,n=me=,r=n", "p=tls-unique,,n=me,r=n", "n,a=you,n=me,r=n",
                            "n,you,n=me,r=n", "n,,m=x,n=me,r=n", "n,,r=n,n=me", "n,,n=me,r=a b"}) {
    EXPECT_FALSE(is_taken(wrong)) << wrong;
    EXPECT_EQ(asked, "") << wrong;
  }
}

TEST(Scram, proofs_of_any_shape_are_refused) {
  for (const auto* proof : {"", ",p=", ",p=AAAA", ",p=####", ",p=AAAA,p=AAAA"}) {
    auto server = rfc_server();
    ASSERT_TRUE(server.take(kFirst).is_ok());
    const auto last = std::string(kLast.substr(0, kLast.find(",p="))) + proof;
    EXPECT_FALSE(server.take(last).is_ok()) << last;
  }
}

// Before it is compared: the comparison takes as many bytes of a signature as the proof has.
TEST(Scram, a_proof_of_another_length_is_not_compared) {
  const auto at = kLast.find(",p=") + 3;
  const auto proof = codec::base64_decode(kLast.substr(at)).value();
  for (const auto& wrong : {std::string(), proof.substr(0, 31), proof + '\0', std::string(64, 'p'),
                            proof + std::string(5'000, 'p')}) {
    auto server = rfc_server();
    ASSERT_TRUE(server.take(kFirst).is_ok());
    const auto taken = server.take(std::string(kLast.substr(0, at)) + codec::base64_encode(wrong));
    EXPECT_EQ(taken.status().message(), "the client's proof is malformed") << wrong.size();
  }
}

TEST(Scram, a_password_is_recognised_by_its_credential) {
  for (const auto hash : kScramHashes) {
    const auto credential = known(hash, "secret", "salt", 4096).credential;
    EXPECT_TRUE(is_password(hash, credential, "secret"));
    EXPECT_FALSE(is_password(hash, credential, "Secret"));
    EXPECT_FALSE(is_password(hash, credential, ""));
  }
}

}  // namespace
}  // namespace millrace::broker
