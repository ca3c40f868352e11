// What the log is told about log-ins.

#include "broker/authenticator.h"

#include <gmock/gmock.h>

#include "log/log_test_support.h"

namespace millrace::broker {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

class IdleLoop final : public EventLoop {
 public:
  void post(std::function<void()> task) override { task(); }
  std::unique_ptr<Timer> after_ms(std::int64_t, std::function<void()>) override {
    return std::make_unique<Timer>();
  }
};

// Of a client that is gone before its refusal is due.
class DeafExchange final : public Exchange {
 public:
  void send(Reply) override {}
  void send_nothing() override {}
  void close_connection() override {}
  EventLoop& loop() override { return loop_; }
  std::shared_ptr<void> hold_back_the_next() override { return nullptr; }
  void close_when_answered() override {}
  void on_end_of_waiting(std::function<void()>) override {}
  [[nodiscard]] std::size_t reply_bytes_allowed() const override { return 0; }

 private:
  IdleLoop loop_;
};

class AuthenticatorTest : public testing::Test {
 protected:
  // As SCRAM: what it says is malformed in any case.
  void be_refused(const std::string& first = "nonsense") {
    const auto session = std::make_shared<Session>();
    session->stage = Session::Stage::raw_tokens;
    session->mechanism = SaslMechanism::scram_sha_256;
    session->host = "/192.0.2.7";
    session->scram =
        std::make_unique<ScramServer>(ScramHash::sha_256, "nonce", [](const std::string&) {
          return FoundCredential{ScramCredential{4096, "salt", "", ""}, false};
        });
    const auto exchange = std::make_shared<DeafExchange>();
    for (const auto& token : {first, std::string("nonsense")}) {
      if (session->sends_tokens()) authenticator_.take_token(token, session, exchange);
    }
    EXPECT_EQ(session->stage, Session::Stage::refused);
  }

  log::ManualClock clock_;
  ScramUsers users_;
  std::vector<std::string> lines_;
  Authenticator authenticator_{
      {.mechanisms = {SaslMechanism::scram_sha_256}},
      {.users = users_,
       .clock = clock_,
       .logger = Logger("test", LogLevel::warn, clock_,
                        [this](std::string_view line) { lines_.emplace_back(line); }),
       .random = [](std::size_t count) { return std::string(count, 'r'); }}};
};

TEST_F(AuthenticatorTest, refusals_are_noted_once_a_second_with_how_many_more_there_were) {
  for (int i = 0; i < 5; ++i) be_refused();
  ASSERT_THAT(lines_, SizeIs(1));
  EXPECT_THAT(lines_[0], HasSubstr(R"("others_not_shown":0)"));
  clock_.advance_ms(999);
  be_refused();
  EXPECT_THAT(lines_, SizeIs(1));
  clock_.advance_ms(1);
  be_refused();
  be_refused();
  ASSERT_THAT(lines_, SizeIs(2));
  EXPECT_THAT(lines_[1], HasSubstr(R"("others_not_shown":5)"));
  clock_.advance_ms(60'000);
  be_refused();
  ASSERT_THAT(lines_, SizeIs(3));
  EXPECT_THAT(lines_[2], HasSubstr(R"("others_not_shown":1)"));
  EXPECT_EQ(authenticator_.counters(SaslMechanism::scram_sha_256).refused, 9U);
}

TEST_F(AuthenticatorTest, a_note_says_who_from_where_and_why_and_no_name_fills_the_log) {
  be_refused("n,,n=" + std::string(64, 'u') + std::string(1'000, 'w') + ",r=client");
  ASSERT_THAT(lines_, SizeIs(1));
  EXPECT_THAT(lines_[0], AllOf(HasSubstr(R"("mechanism":"SCRAM-SHA-256")"),
                               HasSubstr(R"("client":"/192.0.2.7")"),
                               HasSubstr(R"("user":")" + std::string(64, 'u') + '"'),
                               HasSubstr("the client sent no proof"), Not(HasSubstr("w\""))));
}

}  // namespace
}  // namespace millrace::broker
