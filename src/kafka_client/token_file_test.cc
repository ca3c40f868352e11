#include "kafka_client/token_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sys/temporary_folder.h"

namespace millrace::kafka_client {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr WallTime kNow{1'700'000'000'000};
// {"alg":"none"} . {"sub":"ada","exp":1700000060,"x":"??>"} . , by Python's base64.
constexpr const char* kToken =
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEiLCJleHAiOjE3MDAwMDAwNjAsIngiOiI_Pz4ifQ.";

TEST(TokenFile, a_jwt_says_whose_it_is_and_until_when) {
  const auto token = parse_token(std::string(kToken) + "\r\n", kNow);
  ASSERT_TRUE(token.is_ok()) << token.status().to_string();
  EXPECT_EQ(token->value, kToken);
  EXPECT_EQ(token->principal, "ada");
  EXPECT_EQ(token->expires_at, WallTime(1'700'000'060'000));
}

TEST(TokenFile, a_jwt_that_has_expired_is_refused_without_showing_it) {
  EXPECT_TRUE(parse_token(kToken, WallTime(1'700'000'059'999)).is_ok());
  const auto late = parse_token(kToken, WallTime(1'700'000'060'000)).status().to_string();
  EXPECT_THAT(late, HasSubstr("expired at 2023-11-14T22:14:20.000Z"));
  EXPECT_THAT(late, Not(HasSubstr("eyJ")));
}

TEST(TokenFile, what_is_no_jwt_is_taken_as_it_is) {
  for (const auto* text : {"opaque", "a.b.c", "a.b", "e30.e30", "x.bnVsbA.y"}) {
    const auto token = parse_token(text, kNow);
    ASSERT_TRUE(token.is_ok()) << text;
    EXPECT_EQ(token->value, text);
    EXPECT_EQ(token->expires_at, WallTime(kNow.value + kOpaqueTokenMs)) << text;
  }
}

TEST(TokenFile, what_is_no_token_is_refused) {
  for (const auto* text : {"", "\n", "two words", "a\nb", "a\x01z"}) {
    EXPECT_FALSE(parse_token(text, kNow).is_ok()) << text;
  }
  EXPECT_TRUE(parse_token(std::string(65'536, 'x'), kNow).is_ok());
  EXPECT_FALSE(parse_token(std::string(65'537, 'x'), kNow).is_ok());
}

TEST(TokenFile, is_read_anew_each_time_and_named_when_it_cannot_be) {
  const sys::TemporaryFolder folder;
  sys::PosixFileSystem files;
  const auto path = folder / "token";
  EXPECT_THAT(read_token_file(files, path, kNow).status().to_string(), HasSubstr(path));
  for (const std::string text : {"one", "two"}) {
    ASSERT_TRUE(files.write_file_atomically(path, text).is_ok());
    EXPECT_EQ(read_token_file(files, path, kNow)->value, text);
  }
}

}  // namespace
}  // namespace millrace::kafka_client
