#include "broker/scram_users.h"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

constexpr std::int32_t kIterations = 16;

ScramCredential made_of(ScramHash hash, const std::string& password) {
  return credential_of(hash, salted_password(hash, password, "salt", kIterations), "salt",
                       kIterations);
}

TEST(ScramUsers, those_of_the_file_come_before_stored_ones_of_the_same_name) {
  ScramUsers users;
  users.set_secret("secret");
  users.add_fixed("alice", "of the file", kIterations);
  for (const auto hash : kScramHashes) users.set({"alice", hash}, made_of(hash, "stored"));
  EXPECT_TRUE(users.is_password_of("alice", "of the file"));
  EXPECT_FALSE(users.is_password_of("alice", "stored"));
}

TEST(ScramUsers, a_stored_one_is_known_by_its_mechanism_until_it_is_removed) {
  ScramUsers users;
  users.set_secret("secret");
  const ScramUserKey key{"bob", ScramHash::sha_512};
  users.set(key, made_of(key.hash, "pass"));
  EXPECT_TRUE(users.find(ScramHash::sha_512, "bob").is_known);
  EXPECT_FALSE(users.find(ScramHash::sha_256, "bob").is_known);
  EXPECT_TRUE(users.is_password_of("bob", "pass"));
  users.remove(key);
  EXPECT_FALSE(users.contains(key));
  EXPECT_FALSE(users.find(ScramHash::sha_512, "bob").is_known);
  EXPECT_FALSE(users.is_password_of("bob", "pass"));
}

// Or who tries many names would see which of them are made up.
TEST(ScramUsers, made_up_salts_differ_by_name_mechanism_and_secret_and_stay_as_they_are) {
  const auto salt_of = [](const std::string& secret, const std::string& user, ScramHash hash) {
    ScramUsers users;
    users.set_secret(secret);
    const auto found = users.find(hash, user);
    EXPECT_FALSE(found.is_known);
    return found.credential.salt;
  };
  const auto salt = salt_of("secret", "nobody", ScramHash::sha_256);
  EXPECT_EQ(salt, salt_of("secret", "nobody", ScramHash::sha_256));
  EXPECT_NE(salt, salt_of("secret", "nobody", ScramHash::sha_512));
  EXPECT_NE(salt, salt_of("secret", "somebody", ScramHash::sha_256));
  EXPECT_NE(salt, salt_of("another", "nobody", ScramHash::sha_256));
}

}  // namespace
}  // namespace millrace::broker
