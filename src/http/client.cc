#include "http/client.h"

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <optional>
#include <vector>

#include "http/parser_feed.h"

namespace millrace::http {
namespace {

namespace beast = boost::beast;
using boost::asio::ip::tcp;
using boost::system::error_code;
using ResponseParser = beast::http::response_parser<beast::http::string_body>;

constexpr std::size_t kReadBytes = 64 * 1024;

bool is_idempotent(std::string_view method) {
  constexpr std::array<std::string_view, 5> kMethods = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"};
  return std::find(kMethods.begin(), kMethods.end(), method) != kMethods.end();
}

bool has_control_or_space(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; });
}

bool has_line_break(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

Result<std::string> request_head(std::string_view method, std::string_view target,
                                 const Headers& headers, std::size_t body_bytes,
                                 const Address& server) {
  if (method.empty() || has_control_or_space(method)) {
    return invalid_error("a method must be a word like GET");
  }
  if (!target.starts_with('/') || has_control_or_space(target)) {
    return invalid_error("a target must start with \"/\" and be percent-encoded, got \"" +
                         std::string(target) + "\"");
  }
  std::string head;
  head.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: ");
  head.append(to_string(server)).append("\r\n");
  for (std::size_t i = 0; i < headers.size(); ++i) {
    if (has_control_or_space(headers.name(i)) || has_line_break(headers.value(i))) {
      return invalid_error("header field \"" + std::string(headers.name(i)) +
                           "\" must have a name without spaces and a value of one line");
    }
    head.append(headers.name(i)).append(": ").append(headers.value(i)).append("\r\n");
  }
  // A GET without a body sends no length; everything that could have one does, even of 0.
  if (body_bytes > 0 || (method != "GET" && method != "HEAD")) {
    head.append("Content-Length: ").append(std::to_string(body_bytes)).append("\r\n");
  }
  head.append("\r\n");
  return head;
}

Response to_response(beast::http::response<beast::http::string_body>& message) {
  Response response;
  response.status = static_cast<int>(message.result_int());
  response.content_type.clear();
  for (const auto& field : message) {
    const std::string_view name(field.name_string().data(), field.name_string().size());
    const std::string_view value(field.value().data(), field.value().size());
    response.headers.add(name, value);
    if (field.name() == beast::http::field::content_type) response.content_type = value;
  }
  response.body = std::move(message.body());
  return response;
}

}  // namespace

class Client::Impl {
 public:
  explicit Impl(ClientOptions options) : options_(std::move(options)) {}

  Result<Response> request(std::string_view method, std::string_view target, const Headers& headers,
                           std::string_view body) {
    MR_ASSIGN_OR_RETURN(const std::string head,
                        request_head(method, target, headers, body.size(), options_.server));
    if (stream_ && is_stale()) close();
    const bool is_kept = stream_.has_value();
    Outcome outcome = attempt(method, head, body);
    if (outcome.connection_lost && is_kept && is_idempotent(method)) {
      outcome = attempt(method, head, body);
    }
    return std::move(outcome.response);
  }

  void close() {
    stream_.reset();
    buffer_.clear();
  }
  void set_answer_ms(int answer_ms) { options_.answer_ms = answer_ms; }

 private:
  struct Outcome {
    Result<Response> response;
    bool connection_lost = false;  // before the first byte of an answer
  };

  // Whether the server has closed the kept connection, or sent something nobody asked for.
  bool is_stale() {
    error_code error;
    char byte;
    stream_->socket().non_blocking(true, error);
    if (error) return true;
    stream_->socket().receive(boost::asio::buffer(&byte, 1), tcp::socket::message_peek, error);
    return error != boost::asio::error::would_block;
  }

  // Runs the one operation under way to its end; the stream's deadline bounds it.
  void run() {
    io_.restart();
    io_.run();
  }

  [[nodiscard]] Status lost(std::string_view what, const error_code& error, int deadline_ms) {
    const std::string where = to_string(options_.server);
    close();
    if (error == beast::error::timeout) {
      return disconnected_error(where + " did not " + std::string(what) + " within " +
                                std::to_string(deadline_ms) + " ms");
    }
    if (error == boost::asio::error::connection_refused) {
      return disconnected_error("nothing listens on " + where + "; is the server running?");
    }
    return disconnected_error(where + " did not " + std::string(what) + ": " + error.message());
  }

  Status connect() {
    error_code error;
    const auto address = boost::asio::ip::make_address(options_.server.host, error);
    std::vector<tcp::endpoint> endpoints;
    if (!error) {
      endpoints.emplace_back(address, options_.server.port);
    } else {
      const auto found = tcp::resolver(io_).resolve(options_.server.host, "", error);
      if (error) return lost("resolve to an address", error, 0);
      for (const auto& entry : found) {
        endpoints.emplace_back(entry.endpoint().address(), options_.server.port);
      }
    }
    stream_.emplace(io_);
    stream_->expires_after(std::chrono::milliseconds(options_.connect_ms));
    stream_->async_connect(endpoints,
                           [&](const error_code& e, const tcp::endpoint&) { error = e; });
    run();
    if (error) return lost("accept a connection", error, options_.connect_ms);
    stream_->socket().set_option(tcp::no_delay(true), error);
    return ok_status();
  }

  Outcome attempt(std::string_view method, const std::string& head, std::string_view body) {
    if (!stream_) {
      if (Status status = connect(); !status.is_ok()) return {std::move(status)};
    }
    stream_->expires_after(std::chrono::milliseconds(options_.answer_ms));
    const std::array<boost::asio::const_buffer, 2> buffers = {
        boost::asio::buffer(head), boost::asio::buffer(body.data(), body.size())};
    error_code write_error;
    boost::asio::async_write(*stream_, buffers,
                             [&](const error_code& e, std::size_t) { write_error = e; });
    run();
    if (write_error == beast::error::timeout) {
      return {lost("take the request", write_error, options_.answer_ms)};
    }
    // A server that refuses a request early (too large) answers, then closes while we still write:
    // so its answer is looked for even after a failed write.
    Outcome outcome = read_answer(method);
    if (write_error) close();
    return outcome;
  }

  Outcome read_answer(std::string_view method) {
    std::optional<ResponseParser> parser;
    error_code error;
    do {
      parser.emplace();
      parser->header_limit(static_cast<std::uint32_t>(options_.header_bytes_max));
      parser->body_limit(options_.body_bytes_max);
      parser->skip(method == "HEAD");
      error = read_message(*parser);
      // Interim answers (1xx) precede the real one.
    } while (!error && parser->get().result_int() < 200);
    if (error == beast::http::error::body_limit || error == beast::http::error::header_limit) {
      const std::string where = to_string(options_.server);
      close();
      return {overloaded_error("the answer of " + where + " is larger than " +
                               std::to_string(options_.body_bytes_max) + " bytes")};
    }
    if (error) {
      const bool connection_lost = !parser->got_some() && error != beast::error::timeout;
      return {lost("answer", error, options_.answer_ms), connection_lost};
    }
    auto message = parser->release();
    if (!message.keep_alive()) close();
    return {to_response(message)};
  }

  error_code read_message(ResponseParser& parser) {
    while (!parser.is_done()) {
      error_code error;
      const std::string_view unused(static_cast<const char*>(buffer_.data().data()),
                                    buffer_.size());
      buffer_.consume(feed_parser(parser, unused, error));
      if (error && error != beast::http::error::need_more) return error;
      if (!error) continue;
      std::size_t received = 0;
      stream_->async_read_some(buffer_.prepare(kReadBytes),
                               [&](const error_code& e, std::size_t bytes) {
                                 error = e;
                                 received = bytes;
                               });
      run();
      buffer_.commit(received);
      if (error != boost::asio::error::eof) {
        if (error) return error;
        continue;
      }
      // A body without a length ends with the connection; any other message is torn.
      if (!parser.got_some()) return error;
      parser.put_eof(error);
      return error;
    }
    return {};
  }

  ClientOptions options_;
  boost::asio::io_context io_{1};
  std::optional<beast::tcp_stream> stream_;
  beast::flat_buffer buffer_;
};

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Result<Response> Client::request(std::string_view method, std::string_view target,
                                 const Headers& headers, std::string_view body) {
  try {
    return impl_->request(method, target, headers, body);
  } catch (const std::exception& exception) {
    impl_->close();
    return io_error("ask the server: " + std::string(exception.what()));
  }
}

void Client::set_answer_ms(int answer_ms) {
  impl_->set_answer_ms(answer_ms);
}
void Client::close() {
  impl_->close();
}

}  // namespace millrace::http
