// How many records one producer gets into a running broker: acks = all, every answer after the
// sync. The batches are built once and sent again and again, so that what is measured is the
// broker.
//
//   broker_load_bench PORT [TOPIC] [SECONDS] [RECORDS_PER_BATCH] [IN_FLIGHT]

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "codec/record_batch.h"
#include "kafka_wire/header.h"
#include "kafka_wire/metadata.h"
#include "kafka_wire/produce.h"

namespace millrace::broker {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kRecordBytes = 140;
constexpr std::int16_t kProduceVersion = 9;
constexpr std::int16_t kMetadataVersion = 9;

struct Load {
  std::uint16_t port = 9092;
  std::string topic = "load";
  int seconds = 5;
  int records_per_batch = 1'000;
  int in_flight = 5;
};

class Wire {
 public:
  explicit Wire(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    MR_CHECK(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  ~Wire() { ::close(fd_); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  void send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      MR_CHECK(sent > 0);
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  std::string receive_frame() const {
    std::string head(4, '\0');
    receive(head);
    std::string frame(load_big<std::uint32_t>(head.data()), '\0');
    receive(frame);
    return frame;
  }

 private:
  void receive(std::string& bytes) const {
    for (std::size_t have = 0; have < bytes.size();) {
      const auto got = ::recv(fd_, bytes.data() + have, bytes.size() - have, 0);
      MR_CHECK(got > 0);
      have += static_cast<std::size_t>(got);
    }
  }
  int fd_;
};

void make_topic(const Wire& wire, const std::string& topic) {
  kafka_wire::MetadataRequest request;
  request.topics.emplace().push_back({{}, topic});
  kafka_wire::WireBytes out;
  kafka_wire::append_request(request, kMetadataVersion, 1, "load", out);
  wire.send(out.joined());
  (void)wire.receive_frame();
}

std::string request_frame(const Load& load) {
  codec::RecordBatchBuilder builder;
  for (int i = 0; i < load.records_per_batch; ++i) {
    std::string value(kRecordBytes, 'x');
    for (std::size_t at = 0; at < value.size(); at += 7) {
      value[at] = static_cast<char>('a' + (static_cast<std::size_t>(i) * 31 + at) % 26);
    }
    builder.append(WallTime(1'700'000'000'000 + i), std::nullopt, value, {});
  }
  std::string batch;
  builder.finish(batch);
  kafka_wire::ProduceRequest request;
  request.acks = -1;
  request.timeout_ms = 30'000;
  auto& topic = request.topic_data.emplace_back();
  topic.name = load.topic;
  topic.partition_data.push_back({0, kafka_wire::Records(batch)});
  kafka_wire::WireBytes out;
  kafka_wire::append_request(request, kProduceVersion, 7, "load", out);
  return out.joined();
}

void take_answer(const Wire& wire) {
  const auto bytes = wire.receive_frame();
  const auto frame =
      kafka_wire::parse_response(kafka_wire::ApiKey::produce, kProduceVersion, bytes);
  MR_CHECK(frame.is_ok());
  kafka_wire::ProduceResponse response;
  MR_CHECK(kafka_wire::decode(frame->body, kProduceVersion, response).is_ok());
  MR_CHECK(response.responses[0].partition_responses[0].error_code == kafka_wire::ErrorCode::none);
}

void run(const Load& load) {
  const Wire wire(load.port);
  make_topic(wire, load.topic);
  const std::string frame = request_frame(load);
  std::deque<SteadyClock::time_point> sent;
  std::vector<double> latencies_ms;
  std::int64_t batches = 0;
  const auto begin = SteadyClock::now();
  const auto end = begin + std::chrono::seconds(load.seconds);
  while (SteadyClock::now() < end || !sent.empty()) {
    if (SteadyClock::now() < end && static_cast<int>(sent.size()) < load.in_flight) {
      sent.push_back(SteadyClock::now());
      wire.send(frame);
      continue;
    }
    take_answer(wire);
    latencies_ms.push_back(
        std::chrono::duration<double, std::milli>(SteadyClock::now() - sent.front()).count());
    sent.pop_front();
    ++batches;
  }
  const double seconds = std::chrono::duration<double>(SteadyClock::now() - begin).count();
  std::ranges::sort(latencies_ms);
  const auto at = [&](double share) {
    return latencies_ms[static_cast<std::size_t>(share * double(latencies_ms.size() - 1))];
  };
  std::printf("%.0f records/s, %.1f MB/s, batches of %d, %d in flight; ms p50 %.2f p99 %.2f\n",
              double(batches) * load.records_per_batch / seconds,
              double(batches) * double(frame.size()) / seconds / 1e6, load.records_per_batch,
              load.in_flight, at(0.5), at(0.99));
}

}  // namespace
}  // namespace millrace::broker

int main(int count, char** words) {
  if (count < 2) {
    std::fprintf(stderr,
                 "broker_load_bench PORT [TOPIC] [SECONDS] [RECORDS_PER_BATCH] [IN_FLIGHT]\n");
    return 2;
  }
  millrace::broker::Load load;
  load.port = static_cast<std::uint16_t>(std::atoi(words[1]));
  if (count > 2) load.topic = words[2];
  if (count > 3) load.seconds = std::atoi(words[3]);
  if (count > 4) load.records_per_batch = std::atoi(words[4]);
  if (count > 5) load.in_flight = std::atoi(words[5]);
  millrace::broker::run(load);
  return 0;
}
