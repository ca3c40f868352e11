#pragma once

// Only for tests: a broker over a real log, and a Kafka client that says exactly what it is told.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/broker.h"
#include "codec/record_batch.h"
#include "kafka_wire/all_messages.h"
#include "kafka_wire/header.h"
#include "log/embedded_log.h"
#include "sys/real_clock.h"
#include "sys/temporary_folder.h"

namespace millrace::broker {

class TestClient {
 public:
  explicit TestClient(std::uint16_t port, int receive_buffer_bytes = 0) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    MR_CHECK(fd_ >= 0);
    if (receive_buffer_bytes > 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
    }
    timeval patience{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    MR_CHECK(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  ~TestClient() { ::close(fd_); }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  void send_bytes(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the server closed; the test sees that when it receives
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  template <kafka_wire::Message Request>
  std::int32_t send(const Request& request, std::int16_t version) {
    kafka_wire::WireBytes out;
    kafka_wire::append_request(request, version, ++correlation_id_, "test", out);
    send_bytes(out.joined());
    return correlation_id_;
  }
  // The bytes of one frame; nullopt when the server closed the connection.
  std::optional<std::string> receive_frame() {
    const auto head = receive_bytes(4);
    if (!head) return std::nullopt;
    return receive_bytes(load_big<std::uint32_t>(head->data()));
  }
  bool is_closed_by_server() { return !receive_bytes(1).has_value(); }
  // The next answer, which must be one to the request of this correlation id.
  template <kafka_wire::Message Response>
  Response receive(std::int32_t correlation_id, std::int16_t version) {
    frame_ = receive_frame().value_or("");
    Response response;
    const auto frame = kafka_wire::parse_response(
        static_cast<kafka_wire::ApiKey>(Response::kInfo.api_key), version, frame_);
    EXPECT_TRUE(frame.is_ok()) << frame.status().to_string();
    if (!frame.is_ok()) return response;
    EXPECT_EQ(frame->correlation_id, correlation_id);
    const auto status = kafka_wire::decode(frame->body, version, response);
    EXPECT_TRUE(status.is_ok()) << status.to_string();
    return response;
  }
  // Views within the answer live until the next one.
  template <kafka_wire::Message Response, kafka_wire::Message Request>
  Response call(const Request& request, std::int16_t version) {
    return receive<Response>(send(request, version), version);
  }

 private:
  std::optional<std::string> receive_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    for (std::size_t have = 0; have < count;) {
      const auto got = ::recv(fd_, bytes.data() + have, count - have, 0);
      if (got <= 0) return std::nullopt;
      have += static_cast<std::size_t>(got);
    }
    return bytes;
  }

  int fd_ = -1;
  std::int32_t correlation_id_ = 0;
  std::string frame_;
};

class BrokerTest : public testing::Test {
 protected:
  void SetUp() override { start(); }
  void TearDown() override {
    if (broker_) broker_->stop();
  }

  void start() {
    log::EmbeddedLogOptions log_options;
    log_options.folder = folder_ / "log";
    ASSERT_TRUE(files_.make_folders(log_options.folder).is_ok());
    auto log = log::EmbeddedLog::open(log_options, files_, clock_);
    ASSERT_TRUE(log.is_ok()) << log.status().to_string();
    log_ = std::move(log).value();
    auto broker = Broker::open(options_, *log_, clock_, logger_);
    ASSERT_TRUE(broker.is_ok()) << broker.status().to_string();
    broker_ = std::move(broker).value();
    const auto started = broker_->start();
    ASSERT_TRUE(started.is_ok()) << started.to_string();
  }
  void restart() {
    broker_->stop();
    broker_.reset();
    log_.reset();
    start();
  }
  TestClient connect() { return TestClient(broker_->port()); }
  void create_topic(const std::string& name, log::TopicConfig config = {}) {
    const auto created = log_->create_topic(name, config);
    ASSERT_TRUE(created.is_ok()) << created.status().to_string();
  }

  sys::TemporaryFolder folder_;
  sys::PosixFileSystem files_;
  sys::RealClock clock_;
  Logger logger_{"test", LogLevel::error, clock_, [](std::string_view) {}};
  BrokerOptions options_;
  std::unique_ptr<log::EmbeddedLog> log_;
  std::unique_ptr<Broker> broker_;
};

struct BatchToProduce {
  std::vector<std::string> values = {};
  std::optional<std::string> key = std::nullopt;
  std::int64_t timestamp_ms = 1'000;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = 0;
  std::int32_t base_sequence = 0;
  bool is_transactional = false;
};

inline std::string make_batch(const BatchToProduce& batch) {
  codec::RecordBatchBuilder builder;
  for (const auto& value : batch.values) {
    builder.append(WallTime(batch.timestamp_ms), batch.key, value, {});
  }
  if (batch.producer_id >= 0) {
    builder.set_producer(ProducerId(batch.producer_id), ProducerEpoch(batch.producer_epoch),
                         batch.base_sequence);
  }
  builder.set_transactional(batch.is_transactional);
  std::string bytes;
  builder.finish(bytes);
  return bytes;
}

struct PartitionToProduce {
  std::string topic;
  std::int32_t partition = 0;
  std::string_view batch;
};

inline kafka_wire::ProduceRequest produce_request(const std::vector<PartitionToProduce>& parts,
                                                  std::int16_t acks = -1) {
  kafka_wire::ProduceRequest request;
  request.acks = acks;
  request.timeout_ms = 10'000;
  for (const auto& part : parts) {
    auto& topic = request.topic_data.emplace_back();
    topic.name = part.topic;
    topic.partition_data.push_back({part.partition, kafka_wire::Records(part.batch)});
  }
  return request;
}

struct FetchFrom {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::int32_t bytes_max = 1 << 20;
};

inline kafka_wire::FetchRequest fetch_request(const std::vector<FetchFrom>& parts,
                                              std::int32_t max_wait_ms = 0) {
  kafka_wire::FetchRequest request;
  request.max_wait_ms = max_wait_ms;
  request.min_bytes = 1;
  for (const auto& part : parts) {
    auto& partition = request.topics.emplace_back();
    partition.topic = part.topic;
    auto& asked = partition.partitions.emplace_back();
    asked.partition = part.partition;
    asked.fetch_offset = part.offset;
    asked.partition_max_bytes = part.bytes_max;
  }
  return request;
}

// "0:a 1:b": offsets and values of all records.
inline std::string text_of(const kafka_wire::Records& records) {
  const std::string bytes = records.joined();
  std::string_view left = bytes;
  std::string out;
  codec::BatchReader reader;
  while (!left.empty()) {
    const auto status = reader.open(left);
    if (!status.is_ok()) return out + " " + status.to_string();
    while (const auto* record = reader.next()) {
      if (!out.empty()) out += ' ';
      out += std::to_string(record->offset.value) + ":" + std::string(record->value.value_or(""));
    }
    left.remove_prefix(static_cast<std::size_t>(reader.header().batch_bytes));
  }
  return out;
}

}  // namespace millrace::broker
