#include "kafka_client/errors.h"

#include <gtest/gtest.h>

namespace millrace::kafka_client {
namespace {

TEST(Errors, say_what_a_caller_can_do_and_keep_librdkafkas_words) {
  const auto status = status_of(RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS, "create topic t");
  EXPECT_EQ(status.code(), StatusCode::exists);
  EXPECT_EQ(status.message(),
            "create topic t: Broker: Topic already exists (TOPIC_ALREADY_EXISTS)");
  EXPECT_TRUE(status_of(RD_KAFKA_RESP_ERR_NO_ERROR, "x").is_ok());
  EXPECT_TRUE(status_of(nullptr, "x").is_ok());
}

TEST(Errors, have_the_codes_that_the_runtime_tells_apart) {
  const auto code = [](rd_kafka_resp_err_t error) { return status_of(error, "x").code(); };
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET), StatusCode::out_of_range);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE), StatusCode::out_of_range);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT), StatusCode::overloaded);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION), StatusCode::overloaded);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR__TRANSPORT), StatusCode::disconnected);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR_NOT_COORDINATOR), StatusCode::disconnected);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART), StatusCode::not_found);
  EXPECT_EQ(code(static_cast<rd_kafka_resp_err_t>(100)), StatusCode::not_found);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR_PRODUCER_FENCED), StatusCode::fenced);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED), StatusCode::invalid);
}

}  // namespace
}  // namespace millrace::kafka_client
