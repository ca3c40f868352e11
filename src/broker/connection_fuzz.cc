// A whole connection: the input is the bytes a client sends, cut where the first byte says; they go
// through the frame reader into all handlers, over a log in a temporary folder. Nothing may crash,
// and every request is answered or its connection closed.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/api_registry.h"
#include "broker/coordinator_apis.h"
#include "broker/coordinators.h"
#include "broker/frame_reader.h"
#include "log/embedded_log.h"
#include "sys/real_clock.h"

namespace millrace::broker {
namespace {

constexpr std::size_t kFrameBytesMax = 1 << 20;
constexpr std::size_t kTopicsMax = 50;

// Waits for nothing: what should come later is dropped with the loop.
class FuzzLoop final : public EventLoop {
 public:
  void post(std::function<void()>) override {}
  std::unique_ptr<Timer> after_ms(std::int64_t, std::function<void()>) override {
    return std::make_unique<Timer>();
  }
};

class FuzzExchange final : public Exchange {
 public:
  explicit FuzzExchange(FuzzLoop& loop, bool& is_closed) : loop_(loop), is_closed_(is_closed) {}
  void send(Reply reply) override {
    (void)reply.bytes.joined();
    answer();
  }
  void send_nothing() override { answer(); }
  void close_connection() override {
    answer();
    is_closed_ = true;
  }
  EventLoop& loop() override { return loop_; }
  std::shared_ptr<void> hold_back_the_next() override { return nullptr; }
  void on_end_of_waiting(std::function<void()> end) override { end(); }
  std::size_t reply_bytes_allowed() const override { return 1 << 20; }

 private:
  void answer() {
    if (is_answered_.exchange(true)) std::abort();
  }
  FuzzLoop& loop_;
  bool& is_closed_;
  std::atomic<bool> is_answered_{false};
};

class FuzzBroker {
 public:
  FuzzBroker() : folder_("/tmp/millrace-fuzz-XXXXXX") {
    if (::mkdtemp(folder_.data()) == nullptr) std::abort();
    log::EmbeddedLogOptions options;
    options.folder = folder_;
    options.wal_file_bytes = 8 << 20;
    options.sync_each_commit = false;
    auto log = log::EmbeddedLog::open(options, files_, clock_);
    if (!log.is_ok()) std::abort();
    log_ = std::move(log).value();
    durable_ = std::make_unique<log::DurableAnswers>(*log_);
    topic_ids_ = std::make_unique<TopicIds>(*log_, "fuzz");
    coordinators_ = std::make_unique<Coordinators>(
        Coordinators::Ports{*log_, *durable_, clock_,
                            Logger("fuzz", LogLevel::error, clock_, [](std::string_view) {})},
        1);
    services_.log = log_.get();
    services_.clock = &clock_;
    services_.durable = durable_.get();
    services_.blocking = &blocking_;
    services_.topic_ids = topic_ids_.get();
    services_.transactions = &coordinators_->transactions();
    services_.cluster.cluster_id = "fuzz";
    add_log_apis(table_, services_);
    add_transaction_apis(table_, services_, coordinators_->transactions());
    add_group_apis(table_, coordinators_->groups());
    if (!coordinators_->start().is_ok()) std::abort();
    if (!log_->create_topic("t", {}).is_ok()) std::abort();
  }

  void receive(const std::uint8_t* data, std::size_t byte_count) {
    FrameReader reader(kFrameBytesMax);
    std::string_view left(reinterpret_cast<const char*>(data), byte_count);
    const std::size_t step_max = left.empty() ? 1 : 1 + static_cast<unsigned char>(left.front());
    bool is_closed = false;
    while (!is_closed) {
      switch (reader.state()) {
        case FrameReader::State::frame:
          table_.dispatch(reader.take_frame(), "/127.0.0.1",
                          std::make_shared<FuzzExchange>(loop_, is_closed));
          continue;
        case FrameReader::State::impossible:
          return forget_topics();
        case FrameReader::State::need_more:
          break;
      }
      if (left.empty()) return forget_topics();
      const auto room = reader.room();
      const std::size_t step = std::min({room.size(), left.size(), step_max});
      left.copy(room.data(), step);
      reader.commit(step);
      left.remove_prefix(step);
    }
    forget_topics();
  }

 private:
  // Or a long run would fill the disk.
  void forget_topics() {
    const auto topics = log_->topics();
    if (topics.size() < kTopicsMax) return;
    for (const auto& topic : topics) {
      if (topic.name != "t" && !topic.config.is_internal) (void)log_->delete_topic(topic.name);
    }
  }

  std::string folder_;
  sys::PosixFileSystem files_;
  sys::RealClock clock_;
  std::unique_ptr<log::EmbeddedLog> log_;
  std::unique_ptr<log::DurableAnswers> durable_;
  BlockingCalls blocking_;
  std::unique_ptr<TopicIds> topic_ids_;
  std::unique_ptr<Coordinators> coordinators_;
  Services services_;
  DispatchTable table_{kBrokerFeatures};
  FuzzLoop loop_;
};

}  // namespace
}  // namespace millrace::broker

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static auto* const broker = new millrace::broker::FuzzBroker();
  broker->receive(data, size);
  return 0;
}
