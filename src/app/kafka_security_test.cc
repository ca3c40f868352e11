#include "app/kafka_security.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::app {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(KafkaUsers, a_line_is_a_name_and_a_password) {
  const auto users = parse_users("# people\nalice=one=two\r\n\nbob= spaced \n");
  ASSERT_TRUE(users.is_ok()) << users.status().to_string();
  ASSERT_EQ(users->size(), 2U);
  EXPECT_EQ((*users)[0].name, "alice");
  EXPECT_EQ((*users)[0].password, "one=two");
  EXPECT_EQ((*users)[1].password, " spaced ");
}

TEST(KafkaUsers, what_is_wrong_is_named_by_its_line_and_not_shown) {
  for (const auto* text : {"a=b\nsecret", "a=b\n=secret", "a=b\nsecret="}) {
    const auto users = parse_users(text);
    EXPECT_THAT(users.status().to_string(), HasSubstr("line 2")) << text;
    EXPECT_THAT(users.status().to_string(), Not(HasSubstr("secret"))) << text;
  }
  EXPECT_THAT(parse_users("a=b\na=c").status().to_string(), HasSubstr("second time"));
}

TEST(KafkaAddress, host_and_port_are_told_apart) {
  const auto parsed = [](std::string_view text) {
    const auto out = parse_host_and_port(text);
    return out.is_ok() ? out->host + "|" + std::to_string(out->port) : "";
  };
  EXPECT_EQ(parsed("kafka.example.com:9093"), "kafka.example.com|9093");
  EXPECT_EQ(parsed("10.0.0.1"), "10.0.0.1|0");
  EXPECT_EQ(parsed("[::1]:9092"), "::1|9092");
  EXPECT_EQ(parsed("[::1]"), "::1|0");
  for (const auto* wrong :
       {"", ":9092", "host:", "host:0", "host:65536", "host:1x", "[::1", "[]"}) {
    EXPECT_EQ(parsed(wrong), "") << wrong;
  }
}

}  // namespace
}  // namespace millrace::app
