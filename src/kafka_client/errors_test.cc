#include "kafka_client/errors.h"

#include <gtest/gtest.h>

namespace millrace::kafka_client {
namespace {

using log::TransactionOutcome;

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

TEST(Errors, before_the_end_a_transaction_is_fenced_or_aborted) {
  for (const auto step : {TransactionStep::records, TransactionStep::offsets}) {
    for (const auto error :
         {RD_KAFKA_RESP_ERR__FENCED, RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
          RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
          RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID}) {
      EXPECT_EQ(outcome_of(step, error), TransactionOutcome::fenced) << rd_kafka_err2name(error);
    }
    for (const auto error : {RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR__TRANSPORT,
                             RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR__STATE}) {
      EXPECT_EQ(outcome_of(step, error), TransactionOutcome::aborted) << rd_kafka_err2name(error);
    }
  }
}

TEST(Errors, after_the_end_was_asked_for_no_error_is_an_answer) {
  for (const auto error :
       {RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
        RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH}) {
    EXPECT_EQ(outcome_of(TransactionStep::end, error), TransactionOutcome::unknown);
  }
}

}  // namespace
}  // namespace millrace::kafka_client
