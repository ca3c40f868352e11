#include "log/decided.h"

#include <gtest/gtest.h>

#include "log/embedded_log.h"
#include "log/log_test_support.h"
#include "sys/real_clock.h"
#include "sys/temporary_folder.h"

namespace millrace::log {
namespace {

class Decided : public testing::Test {
 protected:
  void SetUp() override {
    EmbeddedLogOptions options;
    options.folder = folder_ / "log";
    ASSERT_TRUE(files_.make_folders(options.folder).is_ok());
    auto opened = EmbeddedLog::open(options, files_, clock_);
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    log_ = std::move(opened).value();
    ASSERT_TRUE(log_->create_topic("t", {}).is_ok());
  }
  void append(const TestProducer& producer = {}) {
    ASSERT_TRUE(append_and_wait(*log_, append_to(at_, make_batch({"a"}, producer))).is_ok());
  }
  void end(const ProducerIdentity& producer) {
    Commit commit;
    commit.markers.push_back({at_, producer, true});
    const auto ended = log_->commit(std::move(commit));
    ASSERT_TRUE(ended.is_ok() && log_->wait_durable(ended->sequence).is_ok());
  }

  const TopicPartition at_{"t", 0};
  sys::TemporaryFolder folder_;
  sys::PosixFileSystem files_;
  sys::RealClock clock_;
  std::unique_ptr<EmbeddedLog> log_;
};

TEST_F(Decided, what_everybody_can_read_is_not_waited_for) {
  append();
  int asked = 0;
  const auto end = wait_until_decided(*log_, at_, [&] { return ++asked > 0; });
  ASSERT_TRUE(end.is_ok()) << end.status().to_string();
  EXPECT_EQ(*end, Offset(1));
  EXPECT_EQ(asked, 0);
}

// The marker is offset 2; what stood there when the call began ends at 2.
TEST_F(Decided, the_end_of_an_open_transaction_is_waited_for_and_no_later_one) {
  append();
  const auto first = log_->new_producer().value();
  const auto second = log_->new_producer().value();
  append({first.id, first.epoch, 0, true});
  int asked = 0;
  const auto waited = wait_until_decided(*log_, at_, [&] {
    if (++asked == 3) {
      append({second.id, second.epoch, 0, true});
      end(first);
    }
    return asked > 100;
  });
  ASSERT_TRUE(waited.is_ok()) << waited.status().to_string();
  EXPECT_EQ(*waited, Offset(2));
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(log_->offsets(at_)->last_stable, Offset(2));  // the second one is open still
}

TEST_F(Decided, waiting_ends_when_asked_to) {
  const auto producer = log_->new_producer().value();
  append({producer.id, producer.epoch, 0, true});
  const auto waited = wait_until_decided(*log_, at_, [] { return true; });
  EXPECT_EQ(waited.status().code(), StatusCode::cancelled);
}

}  // namespace
}  // namespace millrace::log
