#include "http/request_reader.h"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <new>

#include "http/parser_feed.h"
#include "http/url.h"

namespace millrace::http {
namespace {

namespace beast_http = boost::beast::http;
using BeastParser = beast_http::request_parser<beast_http::string_body>;

std::string_view view_of(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

RequestReader::Error error_of(const boost::system::error_code& error,
                              const RequestReader::Limits& limits) {
  if (error == beast_http::error::header_limit) {
    return {431, invalid_error("the request line and header fields may have " +
                               std::to_string(limits.header_bytes_max) + " bytes at most")};
  }
  if (error == beast_http::error::body_limit) {
    return {413, invalid_error("a request body may have " + std::to_string(limits.body_bytes_max) +
                               " bytes at most; send it in parts")};
  }
  return {400, invalid_error("not a well-formed HTTP/1.1 request: " + error.message())};
}

}  // namespace

// A Beast parser reads one message, so it lives in an optional and is made anew for each.
struct RequestReader::Parser {
  std::optional<BeastParser> beast;
};

RequestReader::RequestReader(const Limits& limits)
    : limits_(limits), parser_(std::make_unique<Parser>()) {
  reset();
}

RequestReader::~RequestReader() = default;

void RequestReader::reset() {
  parser_->beast.emplace();
  parser_->beast->header_limit(static_cast<std::uint32_t>(limits_.header_bytes_max));
  parser_->beast->body_limit(limits_.body_bytes_max);
  header_taken_ = false;
  keep_alive_ = false;
  is_http_1_0_ = false;
  request_ = Request{};
  error_.reset();
}

RequestReader::Progress RequestReader::fail(int http_status, Status status,
                                            std::size_t bytes_used) {
  error_.emplace(Error{http_status, std::move(status)});
  return {State::failed, bytes_used};
}

RequestReader::Progress RequestReader::feed(std::string_view bytes) {
  MR_CHECK(!error_);
  BeastParser& parser = *parser_->beast;
  MR_CHECK(!parser.is_done());
  std::size_t used = 0;
  try {
    while (true) {
      boost::system::error_code error;
      used += feed_parser(parser, bytes.substr(used), error);
      MR_CHECK(used <= bytes.size());
      if (error && error != beast_http::error::need_more) {
        Error failure = error_of(error, limits_);
        return fail(failure.http_status, std::move(failure.status), used);
      }
      if (parser.is_header_done() && !header_taken_) {
        header_taken_ = true;
        if (Status status = take_header(); !status.is_ok()) {
          const int http_status = status.code() == StatusCode::overloaded ? 431 : 400;
          return fail(http_status, std::move(status), used);
        }
        if (!parser.is_done()) return {State::header_done, used};
      }
      if (parser.is_done()) {
        request_.body = std::move(parser.get().body());
        return {State::complete, used};
      }
      if (error == beast_http::error::need_more) return {State::need_more, used};
    }
  } catch (const std::bad_alloc&) {
    return fail(429, overloaded_error("no memory for this request; try again later"), used);
  } catch (const std::exception& exception) {
    return fail(400, invalid_error(exception.what()), used);
  }
}

Status RequestReader::take_header() {
  const auto& message = parser_->beast->get();
  keep_alive_ = message.keep_alive();
  is_http_1_0_ = message.version() < 11;
  request_.method = view_of(message.method_string());
  request_.target = view_of(message.target());
  for (const auto& field : message) {
    if (request_.headers.size() == limits_.headers_max) {
      return overloaded_error("a request may have " + std::to_string(limits_.headers_max) +
                              " header fields at most");
    }
    request_.headers.add(view_of(field.name_string()), view_of(field.value()));
  }
  // RFC 9112 3.2: a 1.1 request without Host, or with two, must be refused.
  if (message.version() >= 11 && message.count(beast_http::field::host) != 1) {
    return invalid_error("an HTTP/1.1 request must have exactly one Host field");
  }
  return parse_target(request_);
}

std::optional<std::uint64_t> RequestReader::announced_body_bytes() const {
  const auto bytes = parser_->beast->content_length();
  if (!bytes) return std::nullopt;
  return *bytes;
}

std::size_t RequestReader::body_bytes() const {
  return parser_->beast->get().body().size();
}

bool RequestReader::expects_continue() const {
  const auto expect = request_.headers.find("Expect");
  return !is_http_1_0_ && expect && equal_ignoring_case(*expect, "100-continue");
}

}  // namespace millrace::http
