#include "http/request_reader.h"

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

using State = RequestReader::State;
constexpr RequestReader::Limits kLimits = {
    .header_bytes_max = 512, .headers_max = 4, .body_bytes_max = 64};

// Feeds pieces of `step` bytes as a connection does; the requests, and the failure if there is one.
struct Outcome {
  std::vector<Request> requests;
  std::vector<bool> keep_alive;
  int failure_http_status = 0;
  std::string failure;
};

Outcome read_all(std::string_view input, std::size_t step, const RequestReader::Limits& limits) {
  RequestReader reader(limits);
  Outcome outcome;
  std::size_t begin = 0;
  std::size_t end = std::min(step, input.size());
  while (true) {
    const auto progress = reader.feed(input.substr(begin, end - begin));
    begin += progress.bytes_used;
    if (progress.state == State::failed) {
      outcome.failure_http_status = reader.error().http_status;
      outcome.failure = reader.error().status.message();
      return outcome;
    }
    if (progress.state == State::complete) {
      outcome.keep_alive.push_back(reader.keep_alive());
      outcome.requests.push_back(reader.take());
      reader.reset();
    }
    if (progress.state == State::need_more || begin == end) {
      if (end == input.size()) return outcome;
      end = std::min(end + step, input.size());
    }
  }
}

int failure_of(std::string_view input) {
  return read_all(input, 4096, kLimits).failure_http_status;
}

TEST(RequestReader, pipelined_requests_come_out_whatever_the_pieces) {
  constexpr std::string_view kInput =
      "GET /a?x=1 HTTP/1.1\r\nHost: h\r\n\r\n"
      "POST /b HTTP/1.1\r\nhost: h\r\nContent-Length: 5\r\n\r\nhello"
      "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
      "GET /d HTTP/1.0\r\n\r\n";
  for (std::size_t step = 1; step <= kInput.size(); ++step) {
    const Outcome outcome = read_all(kInput, step, kLimits);
    ASSERT_EQ(outcome.requests.size(), 4U) << "step " << step << ": " << outcome.failure;
    EXPECT_EQ(outcome.requests[0].method, "GET");
    EXPECT_EQ(outcome.requests[0].path, "/a");
    EXPECT_EQ(outcome.requests[0].query.find("x"), "1");
    EXPECT_EQ(outcome.requests[1].body, "hello");
    EXPECT_EQ(outcome.requests[1].headers.find("Host"), "h");
    EXPECT_EQ(outcome.requests[2].body, "abcde");
    EXPECT_EQ(outcome.requests[3].segments, (std::vector<std::string>{"d"}));
    EXPECT_EQ(outcome.keep_alive, (std::vector<bool>{true, true, true, false}));
  }
}

// Boost before 1.86 aborts on such a pair of pieces when they are handed to it as they come.
TEST(RequestReader, the_last_chunk_may_come_byte_by_byte) {
  RequestReader reader(kLimits);
  std::string bytes = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  ASSERT_EQ(reader.feed(bytes).state, State::header_done);
  EXPECT_EQ(reader.feed("0\r\n").state, State::need_more);
  EXPECT_EQ(reader.feed("0\r\n\r").state, State::need_more);
  EXPECT_EQ(reader.feed("0\r\n\r\n").state, State::complete);
}

TEST(RequestReader, malformed_requests_are_400) {
  EXPECT_EQ(failure_of("hello\r\n\r\n"), 400);
  EXPECT_EQ(failure_of("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(failure_of("GET /\r\n\r\n"), 400);
  EXPECT_EQ(failure_of("GET / HTTP/1.1\r\nHost h\r\n\r\n"), 400);
  EXPECT_EQ(failure_of("GET / HTTP/1.1\r\nHost : h\r\n\r\n"), 400);
  EXPECT_EQ(failure_of("GET / HTTP/1.1\r\n\r\n"), 400) << "no Host";
  EXPECT_EQ(failure_of("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
  EXPECT_EQ(failure_of("GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(failure_of("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), 400) << "TLS";
}

// Requests that two parsers in a row could cut in different places.
TEST(RequestReader, ambiguous_lengths_are_400) {
  EXPECT_EQ(
      failure_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
      400);
  EXPECT_EQ(failure_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: "
                       "chunked\r\n\r\n0\r\n\r\n"),
            400);
  EXPECT_EQ(failure_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n"), 400);
  EXPECT_EQ(
      failure_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n"),
      400);
  EXPECT_EQ(
      failure_of("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n"),
      400);
}

TEST(RequestReader, every_bound_has_its_status) {
  const std::string long_line = "GET /" + std::string(600, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n";
  const std::string long_field =
      "GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(600, 'a') + "\r\n\r\n";
  const std::string announced = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 65\r\n\r\n";
  const std::string chunked =
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "20\r\n" +
      std::string(32, 'a') + "\r\n21\r\n" + std::string(33, 'a') + "\r\n0\r\n\r\n";
  for (const std::size_t step : {1UL, 7UL, 4096UL}) {
    EXPECT_EQ(read_all(long_line, step, kLimits).failure_http_status, 431) << step;
    EXPECT_EQ(read_all(long_field, step, kLimits).failure_http_status, 431) << step;
    EXPECT_EQ(read_all(announced, step, kLimits).failure_http_status, 413) << step;
    EXPECT_EQ(read_all(chunked, step, kLimits).failure_http_status, 413) << step;
  }
  EXPECT_EQ(failure_of("GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n"), 431);
  EXPECT_EQ(read_all(announced, 4096, kLimits).failure,
            "a request body may have 64 bytes at most; send it in parts");
  const std::string fits =
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 64\r\n\r\n" + std::string(64, 'a');
  EXPECT_EQ(read_all(fits, 4096, kLimits).requests.size(), 1U);
}

TEST(RequestReader, stops_at_the_header_when_a_body_follows) {
  RequestReader reader(kLimits);
  constexpr std::string_view kInput =
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\nabc";
  const auto header = reader.feed(kInput);
  EXPECT_EQ(header.state, State::header_done);
  EXPECT_EQ(header.bytes_used, kInput.size() - 3);
  EXPECT_EQ(reader.announced_body_bytes(), 3U);
  EXPECT_TRUE(reader.expects_continue());
  EXPECT_EQ(reader.feed(kInput.substr(header.bytes_used)).state, State::complete);
  EXPECT_EQ(reader.take().body, "abc");
}

}  // namespace
}  // namespace millrace::http
