#include "http/server.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "http/raw_socket.h"
#include "http/router.h"

namespace millrace::http {
namespace {

std::string get(std::string_view path, std::string_view fields = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n";
}

std::string post(std::string_view path, std::string_view body) {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

template <typename Condition>
bool holds_soon(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

// Responders kept for later by /late.
class Kept {
 public:
  void keep(Responder respond) {
    const std::lock_guard lock(mutex_);
    kept_.push_back(std::move(respond));
  }
  std::vector<Responder> take(std::size_t count) {
    EXPECT_TRUE(holds_soon([&] {
      const std::lock_guard lock(mutex_);
      return kept_.size() >= count;
    }));
    const std::lock_guard lock(mutex_);
    return std::exchange(kept_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<Responder> kept_;
};

class HttpServer : public testing::Test {
 protected:
  void start(ServerOptions options = {}) {
    router_.add("GET /hello", [](const Request&, Responder respond) {
      respond({.content_type = "text/plain", .body = "hello"});
    });
    router_.add("POST /echo", [](const Request& request, Responder respond) {
      respond({.content_type = "application/octet-stream", .body = request.body});
    });
    router_.add("GET /big", [](const Request&, Responder respond) {
      respond({.content_type = "text/plain", .body = std::string(32 << 20, 'x')});
    });
    router_.add("GET /late",
                [this](const Request&, Responder respond) { kept_.keep(std::move(respond)); });
    router_.add("GET /dropped", [](const Request&, const Responder&) {});
    router_.add("GET /throws", [](const Request&, const Responder&) {
      throw std::runtime_error("no such thing");
    });
    router_.add("GET /empty", [](const Request&, Responder respond) { respond({.status = 204}); });
    auto server = Server::start(options, router_.handler());
    ASSERT_TRUE(server.is_ok()) << server.status().to_string();
    server_ = std::move(server).value();
  }
  RawSocket connect() { return RawSocket(server_->port()); }
  bool has_open_connections(std::uint64_t count) {
    return holds_soon([&] { return server_->counters().connections_open == count; });
  }

  Kept kept_;
  Router router_;
  std::unique_ptr<Server> server_;
};

TEST_F(HttpServer, answers_and_keeps_the_connection) {
  start();
  RawSocket client = connect();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.send(get("/hello")));
    EXPECT_EQ(client.read_response(),
              "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
  }
  EXPECT_EQ(server_->counters().requests, 3U);
  EXPECT_EQ(server_->counters().connections_accepted, 1U);
}

TEST_F(HttpServer, closes_when_the_client_asks_and_for_http_1_0) {
  start();
  RawSocket one = connect();
  one.send(get("/hello", "Connection: close\r\n"));
  EXPECT_TRUE(has(one.read_to_end(), "Connection: close\r\n"));
  RawSocket two = connect();
  two.send("GET /hello HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(two.read_to_end().ends_with("\r\n\r\nhello"));
  RawSocket three = connect();
  three.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_TRUE(has(three.read_response(), "Connection: keep-alive\r\n"));
}

TEST_F(HttpServer, pipelined_requests_are_answered_in_order) {
  start({.thread_count = 2});
  RawSocket client = connect();
  std::string all;
  constexpr int kCount = 200;
  for (int i = 0; i < kCount; ++i) all += post("/echo", "number " + std::to_string(i));
  ASSERT_TRUE(client.send(all));
  for (int i = 0; i < kCount; ++i) {
    ASSERT_TRUE(client.read_response().ends_with("\r\n\r\nnumber " + std::to_string(i)));
  }
}

TEST_F(HttpServer, head_and_204_have_no_body) {
  start();
  RawSocket client = connect();
  client.send("HEAD /hello HTTP/1.1\r\nHost: h\r\n\r\n" + get("/empty") + get("/hello"));
  EXPECT_TRUE(client.read_response(false).ends_with("Content-Length: 5\r\n\r\n"));
  EXPECT_EQ(client.read_response(), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE(client.read_response().ends_with("hello"));
}

TEST_F(HttpServer, big_bodies_go_both_ways) {
  start();
  std::string body(8 << 20, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31 >> 3);
  RawSocket client = connect();
  std::thread sender([&] { client.send(post("/echo", body)); });
  const std::string answer = client.read_response();
  sender.join();
  EXPECT_TRUE(answer.ends_with(body));
  client.send(get("/hello"));
  EXPECT_TRUE(client.read_response().ends_with("hello"));
}

TEST_F(HttpServer, tells_a_waiting_client_to_continue) {
  start({.body_bytes_max = 100});
  RawSocket client = connect();
  client.send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_response(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("abc");
  EXPECT_TRUE(client.read_response().ends_with("abc"));
  client.send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_TRUE(client.read_response().starts_with("HTTP/1.1 413 "));
}

TEST_F(HttpServer, malformed_requests_get_400_in_json_and_the_connection_ends) {
  start();
  RawSocket client = connect();
  client.send(get("/hello") + "nonsense\r\n\r\n" + get("/hello"));
  EXPECT_TRUE(client.read_response().starts_with("HTTP/1.1 200 "));
  const std::string answer = client.read_to_end();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"));
  EXPECT_TRUE(has(answer, R"({"error":{"code":"invalid","message":"not a well-formed HTTP)"));
  EXPECT_EQ(server_->counters().requests_rejected, 1U);
}

// The client is still writing when the answer comes; it must get the answer and not a reset.
TEST_F(HttpServer, too_large_a_body_is_413_before_it_has_arrived) {
  start({.body_bytes_max = 1000});
  RawSocket client = connect();
  EXPECT_TRUE(client.send(post("/echo", std::string(16 << 20, 'x')))) << "reset while sending";
  client.end_sending();
  EXPECT_TRUE(client.read_to_end().starts_with("HTTP/1.1 413 Content Too Large\r\n"));
}

TEST_F(HttpServer, all_bodies_together_are_bounded) {
  start({.body_bytes_max = 1000, .bodies_bytes_max = 1500});
  RawSocket first = connect();
  first.send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_TRUE(first.read_response().starts_with("HTTP/1.1 100 "));
  RawSocket second = connect();
  second.send(post("/echo", std::string(600, 'x')));
  EXPECT_TRUE(second.read_to_end().starts_with("HTTP/1.1 429 "));
  RawSocket chunked = connect();
  chunked.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n258\r\n" +
               std::string(600, 'x') + "\r\n");
  EXPECT_TRUE(chunked.read_to_end().starts_with("HTTP/1.1 429 "));
  first.send(std::string(1000, 'x'));
  EXPECT_TRUE(first.read_response().starts_with("HTTP/1.1 200 "));
  RawSocket third = connect();
  third.send(post("/echo", std::string(1000, 'x')));
  EXPECT_TRUE(third.read_response().starts_with("HTTP/1.1 200 "));
}

TEST_F(HttpServer, too_long_a_header_is_431) {
  start({.header_bytes_max = 1000});
  RawSocket client = connect();
  client.send(get("/hello", "X: " + std::string(2000, 'x') + "\r\n"));
  EXPECT_TRUE(client.read_to_end().starts_with("HTTP/1.1 431 "));
}

TEST_F(HttpServer, a_slow_request_gets_408_and_an_idle_connection_is_closed) {
  start({.idle_ms = 40, .request_read_ms = 40});
  RawSocket slow_header = connect();
  slow_header.send("GET /hello HTT");
  RawSocket slow_body = connect();
  slow_body.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab");
  RawSocket idle = connect();
  EXPECT_TRUE(slow_header.read_to_end().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_TRUE(slow_body.read_to_end().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_TRUE(idle.is_ended());
  EXPECT_TRUE(has_open_connections(0));
}

TEST_F(HttpServer, a_client_that_reads_nothing_is_dropped) {
  start({.response_write_ms = 40});
  RawSocket client(server_->port(), 4096);
  client.send(get("/big"));
  EXPECT_TRUE(holds_soon([&] { return server_->counters().requests == 1; }));
  EXPECT_TRUE(has_open_connections(0));
}

TEST_F(HttpServer, half_open_and_vanished_clients_leave_nothing_behind) {
  start();
  RawSocket half = connect();
  half.send(get("/hello"));
  half.end_sending();
  EXPECT_TRUE(half.read_to_end().ends_with("hello"));
  RawSocket partial = connect();
  partial.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nab");
  partial.end_sending();
  EXPECT_TRUE(partial.is_ended());
  RawSocket reset = connect();
  reset.send(get("/late"));
  std::vector<Responder> late = kept_.take(1);
  reset.abort();
  late[0]({.body = std::string(1 << 20, 'x')});
  late.clear();
  EXPECT_TRUE(has_open_connections(0));
}

TEST_F(HttpServer, late_answers_come_from_any_thread_and_hold_none) {
  start();
  constexpr std::size_t kCount = 50;
  std::vector<RawSocket> waiting;
  for (std::size_t i = 0; i < kCount; ++i) {
    waiting.push_back(connect());
    waiting.back().send(get("/late") + get("/hello"));
  }
  std::vector<Responder> late = kept_.take(kCount);
  RawSocket other = connect();
  other.send(get("/hello"));
  EXPECT_TRUE(other.read_response().ends_with("hello"));
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&late, t] {
      for (std::size_t i = t; i < late.size(); i += 4) late[i]({.body = "late"});
    });
  }
  for (auto& thread : threads) thread.join();
  for (RawSocket& client : waiting) {
    EXPECT_TRUE(client.read_response().ends_with("late"));
    EXPECT_TRUE(client.read_response().ends_with("hello"));
  }
}

TEST_F(HttpServer, a_handler_that_throws_or_forgets_is_answered_with_500) {
  start();
  RawSocket client = connect();
  client.send(get("/throws") + get("/dropped") + get("/hello"));
  const std::string thrown = client.read_response();
  EXPECT_TRUE(thrown.starts_with("HTTP/1.1 500 "));
  EXPECT_TRUE(thrown.ends_with(R"({"error":{"code":"io","message":"no such thing"}})"));
  EXPECT_TRUE(has(client.read_response(), "gave no answer"));
  EXPECT_TRUE(client.read_response().ends_with("hello"));
}

TEST_F(HttpServer, connections_above_the_bound_are_told_so) {
  start({.connections_max = 2});
  RawSocket one = connect();
  RawSocket two = connect();
  ASSERT_TRUE(has_open_connections(2));
  RawSocket three = connect();
  three.send(get("/hello"));
  const std::string refusal = three.read_to_end();
  EXPECT_TRUE(refusal.starts_with("HTTP/1.1 429 "));
  EXPECT_TRUE(has(refusal, "the server has 2 connections already"));
  two.abort();
  EXPECT_TRUE(holds_soon([&] { return server_->counters().connections_open <= 1; }));
  RawSocket four = connect();
  four.send(get("/hello"));
  EXPECT_TRUE(four.read_response().ends_with("hello"));
  EXPECT_EQ(server_->counters().connections_refused, 1U);
}

TEST_F(HttpServer, a_thousand_idle_connections_disturb_nobody) {
  constexpr std::size_t kCount = 1000;
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < 2 * kCount + 100) GTEST_SKIP() << "too few file descriptors allowed";
  start({.thread_count = 2});
  std::vector<RawSocket> idle;
  for (std::size_t i = 0; i < kCount; ++i) idle.push_back(connect());
  ASSERT_TRUE(has_open_connections(kCount));
  RawSocket busy = connect();
  for (int i = 0; i < 100; ++i) {
    busy.send(get("/hello"));
    ASSERT_TRUE(busy.read_response().ends_with("hello"));
  }
  for (RawSocket& client : idle) client.send(get("/hello"));
  for (RawSocket& client : idle) ASSERT_TRUE(client.read_response().ends_with("hello"));
}

TEST_F(HttpServer, stop_lets_requests_in_flight_finish) {
  start({.thread_count = 2});
  RawSocket idle = connect();
  RawSocket waiting = connect();
  waiting.send(get("/late"));
  std::vector<Responder> late = kept_.take(1);
  std::thread stopping([&] { server_->stop(60'000); });
  EXPECT_TRUE(idle.is_ended());
  late[0]({.body = "in time"});
  const std::string answer = waiting.read_to_end();
  EXPECT_TRUE(has(answer, "Connection: close\r\n"));
  EXPECT_TRUE(answer.ends_with("in time"));
  stopping.join();
  EXPECT_EQ(server_->counters().connections_open, 0U);
}

TEST_F(HttpServer, stop_does_not_wait_longer_than_its_grace) {
  start();
  RawSocket waiting = connect();
  waiting.send(get("/late"));
  std::vector<Responder> late = kept_.take(1);
  RawSocket reading = connect();
  reading.send("GET /hel");
  server_->stop(20);
  EXPECT_TRUE(waiting.is_ended());
  EXPECT_TRUE(reading.is_ended());
  late[0]({.body = "too late"});
  server_.reset();
  late.clear();
}

TEST_F(HttpServer, a_responder_may_outlive_its_server) {
  start();
  RawSocket waiting = connect();
  waiting.send(get("/late"));
  std::vector<Responder> late = kept_.take(1);
  server_->stop(0);
  server_.reset();
  late.clear();  // unanswered: its 500 has nowhere to go
}

TEST_F(HttpServer, stopping_under_load_loses_no_answer_that_was_begun) {
  start({.thread_count = 2});
  std::vector<std::thread> clients;
  std::atomic<int> torn = 0;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&] {
      RawSocket client = connect();
      while (client.send(post("/echo", std::string(5000, 'y')))) {
        const std::string answer = client.read_response();
        if (answer.empty()) return;
        if (!answer.ends_with(std::string(5000, 'y'))) ++torn;
        if (has(answer, "Connection: close")) return;
      }
    });
  }
  EXPECT_TRUE(holds_soon([&] { return server_->counters().requests > 200; }));
  server_->stop();
  for (auto& client : clients) client.join();
  EXPECT_EQ(torn, 0);
}

TEST_F(HttpServer, a_taken_port_is_named_with_the_way_out) {
  start();
  ServerOptions options;
  options.port = server_->port();
  const auto second = Server::start(options, router_.handler());
  EXPECT_EQ(second.status().code(), StatusCode::exists);
  EXPECT_EQ(second.status().message(), "127.0.0.1:" + std::to_string(options.port) +
                                           " is in use; choose another with --http-port, "
                                           "or 0 for any");
}

TEST(HttpServerStart, wrong_options_say_what_would_be_right) {
  const Handler handler = [](const Request&, const Responder&) {};
  const auto code = [&](const ServerOptions& options) {
    return Server::start(options, handler).status().code();
  };
  EXPECT_EQ(code({.thread_count = 0}), StatusCode::invalid);
  EXPECT_EQ(code({.idle_ms = 0}), StatusCode::invalid);
  EXPECT_EQ(code({.header_bytes_max = 1}), StatusCode::invalid);
  EXPECT_EQ(code({.bodies_bytes_max = 1}), StatusCode::invalid);
  const auto foreign = Server::start({.host = "192.0.2.1"}, handler);
  EXPECT_EQ(foreign.status().message(),
            "192.0.2.1:0 is not an address of this machine; use 127.0.0.1 or 0.0.0.0");
}

TEST(HttpServerDeathTest, a_second_answer_stops_the_program) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        auto server = Server::start({}, [](const Request&, const Responder& respond) {
          respond({});
          respond({});
        });
        RawSocket client((*server)->port());
        client.send(get("/"));
        client.read_to_end();
      },
      "check failed");
}

}  // namespace
}  // namespace millrace::http
