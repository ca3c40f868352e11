#include "http/client.h"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "http/router.h"
#include "http/server.h"

namespace millrace::http {
namespace {

// A server that does exactly what a test wants: accepts one connection at a time.
class ScriptedServer {
 public:
  ScriptedServer() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    MR_CHECK(::bind(fd_, generic, bytes) == 0 && ::listen(fd_, 8) == 0);
    MR_CHECK(::getsockname(fd_, generic, &bytes) == 0);
    port_ = ntohs(address.sin_port);
  }
  ~ScriptedServer() { ::close(fd_); }
  [[nodiscard]] std::uint16_t port() const { return port_; }

  // Takes a connection, reads one request's head, answers with these bytes and keeps the
  // connection.
  int answer_one(std::string_view bytes) {
    const int fd = ::accept(fd_, nullptr, nullptr);
    MR_CHECK(fd >= 0);
    answer_on(fd, bytes);
    return fd;
  }
  static bool answer_on(int fd, std::string_view bytes) {
    std::string head;
    char byte;
    while (!head.ends_with("\r\n\r\n")) {
      if (::recv(fd, &byte, 1, 0) != 1) return false;
      head.push_back(byte);
    }
    return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0;
  }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

// The rest byte by byte, as many segments (no delay) as the kernel makes of it.
int answer_in_pieces(ScriptedServer& server, std::string_view start, std::string_view rest) {
  const int fd = server.answer_one(start);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  for (const char& byte : rest) MR_CHECK(::send(fd, &byte, 1, MSG_NOSIGNAL) == 1);
  return fd;
}

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

ClientOptions to_port(std::uint16_t port) {
  return {.server = {"127.0.0.1", port}};
}

class HttpClient : public testing::Test {
 protected:
  void SetUp() override {
    router_.add("GET /hello", [](const Request&, Responder respond) {
      respond({.content_type = "text/plain", .headers = {{"X-A", "1"}}, .body = "hello"});
    });
    router_.add("POST /echo", [](Request& request, Responder respond) {
      respond({.status = 201,
               .content_type = std::string(request.headers.find("Content-Type").value_or("none")),
               .body = std::move(request.body)});
    });
    start(0, {});
  }
  void start(std::uint16_t port, ServerOptions options) {
    options.port = port;
    auto server = Server::start(options, router_.handler());
    ASSERT_TRUE(server.is_ok()) << server.status().to_string();
    server_ = std::move(server).value();
  }
  Router router_;
  std::unique_ptr<Server> server_;
};

TEST_F(HttpClient, asks_over_one_kept_connection) {
  Client client(to_port(server_->port()));
  for (int i = 0; i < 10; ++i) {
    auto answer = client.get("/hello");
    ASSERT_TRUE(answer.is_ok()) << answer.status().to_string();
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->content_type, "text/plain");
    EXPECT_EQ(answer->headers.find("x-a"), "1");
    EXPECT_EQ(answer->body, "hello");
    auto echo = client.request("POST", "/echo", {{"Content-Type", "a/b"}}, "body");
    ASSERT_TRUE(echo.is_ok()) << echo.status().to_string();
    EXPECT_EQ(echo->status, 201);
    EXPECT_EQ(echo->content_type, "a/b");
    EXPECT_EQ(echo->body, "body");
  }
  auto head = client.request("HEAD", "/hello");
  ASSERT_TRUE(head.is_ok());
  EXPECT_EQ(head->body, "");
  EXPECT_EQ(client.get("/none")->status, 404);
  EXPECT_EQ(server_->counters().connections_accepted, 1U);
}

TEST_F(HttpClient, reconnects_to_a_server_that_was_restarted) {
  Client client(to_port(server_->port()));
  ASSERT_TRUE(client.get("/hello").is_ok());
  const std::uint16_t port = server_->port();
  server_.reset();
  EXPECT_EQ(client.get("/hello").status().code(), StatusCode::disconnected);
  start(port, {});
  EXPECT_TRUE(client.request("POST", "/echo", {}, "x").is_ok());
  server_.reset();
  start(port, {});
  // The kept connection is closed and the client has not noticed yet.
  EXPECT_TRUE(client.request("POST", "/echo", {}, "x").is_ok());
}

TEST_F(HttpClient, sees_why_its_large_body_was_refused) {
  server_.reset();
  start(0, {.body_bytes_max = 1000});
  Client client(to_port(server_->port()));
  auto answer = client.request("POST", "/echo", {}, std::string(8 << 20, 'x'));
  ASSERT_TRUE(answer.is_ok()) << answer.status().to_string();
  EXPECT_EQ(answer->status, 413);
  EXPECT_TRUE(client.get("/hello").is_ok());
}

TEST_F(HttpClient, what_cannot_be_sent_is_invalid) {
  Client client(to_port(server_->port()));
  EXPECT_EQ(client.get("hello").status().code(), StatusCode::invalid);
  EXPECT_EQ(client.get("/a b").status().code(), StatusCode::invalid);
  EXPECT_EQ(client.get("/a\r\nX: 1").status().code(), StatusCode::invalid);
  EXPECT_EQ(client.request("G T", "/").status().code(), StatusCode::invalid);
  EXPECT_EQ(client.request("GET", "/", {{"A", "1\r\nB: 2"}}).status().code(), StatusCode::invalid);
}

TEST(HttpClientAlone, says_that_nobody_listens) {
  std::uint16_t port = 0;
  {
    ScriptedServer gone;
    port = gone.port();
  }
  Client client(to_port(port));
  const auto answer = client.get("/");
  EXPECT_EQ(answer.status().code(), StatusCode::disconnected);
  EXPECT_EQ(answer.status().message(),
            "nothing listens on 127.0.0.1:" + std::to_string(port) + "; is the server running?");
}

TEST(HttpClientAlone, gives_up_at_its_deadline) {
  ScriptedServer server;  // the kernel accepts; nobody answers
  ClientOptions options = to_port(server.port());
  options.answer_ms = 30;
  Client client(options);
  const auto answer = client.get("/");
  EXPECT_EQ(answer.status().code(), StatusCode::disconnected);
  EXPECT_EQ(answer.status().message(),
            "127.0.0.1:" + std::to_string(server.port()) + " did not answer within 30 ms");
}

TEST(HttpClientAlone, bounds_what_it_takes_and_refuses_what_is_no_http) {
  ScriptedServer server;
  ClientOptions options = to_port(server.port());
  options.body_bytes_max = 10;
  Client client(options);
  std::thread answers([&] {
    ::close(server.answer_one("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"));
    ::close(server.answer_one("SSH-2.0-OpenSSH_9.2\r\n\r\n"));
    ::close(server.answer_one("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end"));
    // Closed, as the next request shall not meet a connection that is about to die.
    constexpr std::string_view kChunked =
        "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    ::close(server.answer_one(std::string(kChunked) + "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"));
    ::close(answer_in_pieces(server, kChunked, "2\r\nab\r\n0\r\n\r\n"));
    ::close(server.answer_one("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"));
  });
  EXPECT_EQ(client.get("/").status().code(), StatusCode::overloaded);
  EXPECT_EQ(client.get("/").status().code(), StatusCode::disconnected);
  EXPECT_EQ(client.get("/")->body, "to the end");
  EXPECT_EQ(client.get("/")->body, "abc");
  EXPECT_EQ(client.get("/")->body, "ab");
  EXPECT_EQ(client.request("POST", "/").status().code(), StatusCode::disconnected) << "torn";
  answers.join();
}

// The connection dies between the request and its answer: a GET may be sent again, a POST may not.
TEST(HttpClientAlone, repeats_only_what_may_be_repeated) {
  ScriptedServer server;
  ClientOptions options = to_port(server.port());
  options.answer_ms = 20'000;
  Client client(options);
  int requests = 0;
  std::thread answers([&] {
    int fd = server.answer_one(kOk);
    requests += ScriptedServer::answer_on(fd, "");  // takes the request, then dies
    ::close(fd);
    fd = server.answer_one(kOk);
    requests += ScriptedServer::answer_on(fd, "");
    ::close(fd);
  });
  EXPECT_TRUE(client.get("/").is_ok());
  EXPECT_EQ(client.get("/")->body, "ok");
  const auto posted = client.request("POST", "/");
  EXPECT_EQ(posted.status().code(), StatusCode::disconnected);
  EXPECT_EQ(posted.status().message().find("within"), std::string_view::npos)
      << "sent again, to nobody: " << posted.status().message();
  answers.join();
  EXPECT_EQ(requests, 2);
}

}  // namespace
}  // namespace millrace::http
