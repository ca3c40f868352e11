// A whole connection: a byte, then what a client sends, cut where the byte's low bits say; it goes
// through the frame reader into all handlers, over a log in a temporary folder. That byte's top two
// bits say who the client is: anybody where all is allowed; somebody who has to log in; a stranger,
// or a super user, where access control entries decide. Nothing may crash, and every request is
// answered or its connection closed.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "broker/api_registry.h"
#include "broker/coordinator_apis.h"
#include "broker/coordinators.h"
#include "broker/frame_reader.h"
#include "broker/security_apis.h"
#include "log/embedded_log.h"
#include "sys/fuzz_folder.h"
#include "sys/real_clock.h"

namespace millrace::broker {
namespace {

constexpr std::size_t kFrameBytesMax = 1 << 20;
constexpr std::size_t kTopicsMax = 50;
constexpr unsigned kStepsMax = 64;
enum class Who : unsigned char { anybody, entering, stranger, root };

// Runs what other threads post while a request holds back the next; what comes later is dropped.
class FuzzLoop final : public EventLoop {
 public:
  void post(std::function<void()> task) override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    changed_.notify_one();
  }
  void run_while_held(const std::weak_ptr<void>& hold) {
    std::unique_lock lock(mutex_);
    while (!hold.expired()) {
      changed_.wait_for(lock, std::chrono::milliseconds(1), [&] { return !tasks_.empty(); });
      auto tasks = std::exchange(tasks_, {});
      lock.unlock();
      for (auto& task : tasks) std::exchange(task, nullptr)();
      lock.lock();
    }
    tasks_.clear();
  }
  std::unique_ptr<Timer> after_ms(std::int64_t, std::function<void()>) override {
    return std::make_unique<Timer>();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::function<void()>> tasks_;
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
  std::shared_ptr<void> hold_back_the_next() override {
    auto hold = std::make_shared<int>(0);
    hold_ = hold;
    return hold;
  }
  [[nodiscard]] std::weak_ptr<void> hold() const { return hold_; }
  void close_when_answered() override { is_closed_ = true; }
  void on_end_of_waiting(std::function<void()> end) override { end(); }
  std::size_t reply_bytes_allowed() const override { return 1 << 20; }

 private:
  void answer() {
    if (is_answered_.exchange(true)) std::abort();
  }
  FuzzLoop& loop_;
  bool& is_closed_;
  std::atomic<bool> is_answered_{false};
  std::weak_ptr<void> hold_;
};

SecurityOptions fuzz_security() {
  SecurityOptions options;
  options.authentication.mechanisms = {std::begin(kSaslMechanisms), std::end(kSaslMechanisms)};
  options.users = {{"u", "p"}};
  options.user_iterations = 1;
  options.uses_acls = true;
  options.super_users = {"User:root"};
  options.acls_max = 200;
  options.scram_users_max = 200;
  return options;
}

class FuzzBroker {
 public:
  FuzzBroker() {
    log::EmbeddedLogOptions options;
    options.folder = folder_.path();
    options.wal_file_bytes = 8 << 20;
    options.sync_each_commit = false;
    auto log = log::EmbeddedLog::open(options, files_, clock_);
    if (!log.is_ok()) std::abort();
    log_ = std::move(log).value();
    durable_ = std::make_unique<log::DurableAnswers>(*log_);
    topic_ids_ = std::make_unique<TopicIds>(*log_, "fuzz");
    coordinators_ = std::make_unique<Coordinators>(
        Coordinators::Ports{
            .log = *log_,
            .durable = *durable_,
            .topic_ids = *topic_ids_,
            .clock = clock_,
            .logger = Logger("fuzz", LogLevel::error, clock_, [](std::string_view) {})},
        GroupCoordinatorOptions{.member_id_seed = 1});
    services_.log = log_.get();
    services_.clock = &clock_;
    services_.durable = durable_.get();
    services_.blocking = &blocking_;
    services_.topic_ids = topic_ids_.get();
    services_.transactions = &coordinators_->transactions();
    services_.cluster.cluster_id = "fuzz";
    security_ = std::make_unique<Security>(
        fuzz_security(),
        Security::Ports{.log = *log_,
                        .durable = *durable_,
                        .clock = clock_,
                        .logger = Logger("fuzz", LogLevel::error, clock_, [](std::string_view) {}),
                        .random = [](std::size_t count) { return std::string(count, 'r'); }});
    if (!security_->start().is_ok()) std::abort();
    for (auto* table : {&table_, &guarded_}) {
      add_log_apis(*table, services_);
      add_transaction_apis(*table, services_, coordinators_->transactions());
      add_group_apis(*table, coordinators_->groups());
      add_security_apis(*table, services_, *security_);
    }
    add_all_operations(table_);
    add_authorization(guarded_, services_, *security_->authorizer());
    if (!coordinators_->start().is_ok()) std::abort();
    if (!log_->create_topic("t", {}).is_ok()) std::abort();
  }

  void receive(const std::uint8_t* data, std::size_t byte_count) {
    FrameReader reader(kFrameBytesMax);
    std::string_view left(reinterpret_cast<const char*>(data), byte_count);
    const auto first = left.empty() ? 0U : static_cast<unsigned char>(left.front());
    if (!left.empty()) left.remove_prefix(1);
    const std::size_t step_max = 1 + first % kStepsMax;
    bool is_closed = false;
    const auto session = std::make_shared<Session>();
    session->host = "/127.0.0.1";
    const auto who = static_cast<Who>(first / kStepsMax);
    if (who == Who::entering) session->stage = Session::Stage::handshake;
    if (who == Who::root) session->principal = "User:root";
    const DispatchTable& table = who == Who::anybody ? table_ : guarded_;
    const auto take = [&](FrameReader::Frame frame) {
      const auto exchange = std::make_shared<FuzzExchange>(loop_, is_closed);
      table.dispatch(std::move(frame), session, exchange);
      loop_.run_while_held(exchange->hold());
    };
    while (!is_closed) {
      switch (reader.state()) {
        case FrameReader::State::frame:
          take(reader.take_frame());
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

  sys::FuzzFolder folder_;
  sys::PosixFileSystem files_;
  sys::RealClock clock_;
  std::unique_ptr<log::EmbeddedLog> log_;
  std::unique_ptr<log::DurableAnswers> durable_;
  BlockingCalls blocking_;
  std::unique_ptr<TopicIds> topic_ids_;
  std::unique_ptr<Coordinators> coordinators_;
  std::unique_ptr<Security> security_;
  Services services_;
  DispatchTable table_{kBrokerFeatures};
  DispatchTable guarded_{kBrokerFeatures};
  FuzzLoop loop_;
};

}  // namespace
}  // namespace millrace::broker

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static millrace::broker::FuzzBroker broker;
  broker.receive(data, size);
  return 0;
}
