#include "http/connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/write.hpp>
#include <exception>
#include <utility>

#include "http/error_response.h"
#include "http/response_head.h"

namespace millrace::http {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

// An idle connection costs kBufferBytesMin; a body is read in steps of kBufferBytesMax.
constexpr std::size_t kBufferBytesMin = 4 * 1024;
constexpr std::size_t kBufferBytesMax = 128 * 1024;
// After our last answer the client's remaining bytes are read this long, so that it sees the answer
// and not a reset.
constexpr int kLingerMs = 500;
constexpr std::size_t kLingerBytesMax = 64 << 20;
constexpr int kRefusedMs = 2'000;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// Holds the request for its handler and carries the one answer back.
class RequestExchange final : public Responder::Exchange {
 public:
  RequestExchange(std::shared_ptr<Connection> connection, ServerShared& shared, Request taken,
                  std::size_t body_charge_bytes)
      : request(std::move(taken)),
        connection_(std::move(connection)),
        shared_(shared),
        body_charge_bytes_(body_charge_bytes) {}

  ~RequestExchange() override {
    fail("the handler of this request gave no answer");
    shared_.bodies_bytes.fetch_sub(body_charge_bytes_, std::memory_order_relaxed);
  }

  void respond(Response response) override {
    MR_CHECK(!answered_.exchange(true));
    connection_->deliver(std::move(response));
  }

  void fail(const char* why) {
    if (!answered_.exchange(true)) connection_->deliver(error_response(io_error(why)));
  }

  Request request;

 private:
  std::shared_ptr<Connection> connection_;  // keeps the worker, which keeps shared_
  ServerShared& shared_;
  std::size_t body_charge_bytes_;
  std::atomic<bool> answered_ = false;
};

}  // namespace

Connection::Connection(std::shared_ptr<Worker> worker, tcp::socket socket, Admission admission)
    : worker_(std::move(worker)),
      socket_(std::move(socket)),
      reader_({worker_->shared().options.header_bytes_max, worker_->shared().options.headers_max,
               worker_->shared().options.body_bytes_max}),
      admission_(admission) {}

void Connection::start() {
  worker_->add(*this);
  // The server may have begun to stop between accept and here.
  if (worker_->shared().stopping) return close();
  error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  buffer_.resize(kBufferBytesMin);
  set_state(State::idle);
  read_more();
}

void Connection::set_state(State state) {
  const ServerOptions& options = worker_->shared().options;
  state_ = state;
  switch (state) {
    case State::idle:
      deadline_ = worker_->deadline_after(admission_ == Admission::admitted
                                              ? options.idle_ms
                                              : std::min(options.idle_ms, kRefusedMs));
      break;
    case State::reading:
      deadline_ = worker_->deadline_after(options.request_read_ms);
      break;
    case State::writing:
      deadline_ = worker_->deadline_after(options.response_write_ms);
      break;
    case State::lingering:
      deadline_ = worker_->deadline_after(kLingerMs);
      break;
    case State::handling:
    case State::closed:
      deadline_ = 0;
      break;
  }
}

// Afterwards there is room behind end_ unless the buffer holds its maximum of unused bytes.
void Connection::make_room() {
  const std::size_t unused = end_ - begin_;
  const std::size_t bytes_max =
      std::max(kBufferBytesMax, worker_->shared().options.header_bytes_max + kBufferBytesMin);
  std::size_t wanted = buffer_.size();
  if (unused == 0 && state_ == State::idle) {
    wanted = kBufferBytesMin;  // the last request's large buffer is not kept between requests
  } else if (end_ == buffer_.size()) {
    wanted = std::min(bytes_max, buffer_.size() * 2);
  }
  if (begin_ > 0) {
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
    begin_ = 0;
    end_ = unused;
  }
  if (wanted != buffer_.size()) {
    buffer_.resize(wanted);
    if (wanted == kBufferBytesMin) buffer_.shrink_to_fit();
  }
}

void Connection::read_more() {
  MR_CHECK(!read_pending_ && state_ != State::closed);
  make_room();
  if (end_ == buffer_.size()) {
    return reject(error_response(invalid_error("a line of this request is too long"), 431));
  }
  read_pending_ = true;
  socket_.async_read_some(boost::asio::buffer(buffer_.data() + end_, buffer_.size() - end_),
                          [self = shared_from_this()](const error_code& error, std::size_t bytes) {
                            self->on_read(error, bytes);
                          });
}

void Connection::on_read(const error_code& error, std::size_t bytes) {
  read_pending_ = false;
  switch (state_) {
    case State::closed:
      return;
    // A read was under way when the request was rejected as too slow; linger() takes up reading.
    case State::writing:
      return;
    case State::lingering:
      lingered_bytes_ += bytes;
      if (error || lingered_bytes_ > kLingerBytesMax) return close();
      return read_more();
    case State::idle:
    case State::reading:
      if (error) return close();
      MR_CHECK(end_ + bytes <= buffer_.size());
      end_ += bytes;
      return advance();
    case State::handling:
      MR_CHECK(false);
  }
}

void Connection::advance() {
  while (begin_ < end_) {
    if (state_ == State::idle) set_state(State::reading);
    MR_CHECK(state_ == State::reading);
    const auto progress = reader_.feed({buffer_.data() + begin_, end_ - begin_});
    begin_ += progress.bytes_used;
    switch (progress.state) {
      case RequestReader::State::need_more:
        // A chunked body shows its size only as it comes.
        if (!charge_body(reader_.body_bytes())) return;
        return read_more();
      case RequestReader::State::header_done:
        if (!accept_header()) return;
        break;
      case RequestReader::State::complete:
        return dispatch();
      case RequestReader::State::failed:
        return reject(error_response(reader_.error().status, reader_.error().http_status));
    }
  }
  read_more();
}

// Whether to go on with the body now.
bool Connection::accept_header() {
  if (admission_ == Admission::refused) {
    dispatch();
    return false;
  }
  const auto announced = reader_.announced_body_bytes();
  if (announced) {
    if (!charge_body(static_cast<std::size_t>(*announced))) return false;
    // Read a large body in large steps from the start.
    const std::size_t wanted = std::min<std::size_t>(kBufferBytesMax, *announced);
    if (wanted > buffer_.size()) buffer_.resize(wanted);
  }
  if (reader_.expects_continue() && begin_ == end_) {
    send_continue();
    return false;
  }
  return true;
}

// Takes the growth up to `bytes` out of bodies_bytes_max, or rejects the request.
bool Connection::charge_body(std::size_t bytes) {
  if (bytes <= body_charge_bytes_) return true;
  ServerShared& shared = worker_->shared();
  const std::size_t growth = bytes - body_charge_bytes_;
  const std::size_t before = shared.bodies_bytes.fetch_add(growth, std::memory_order_relaxed);
  body_charge_bytes_ = bytes;
  if (before + growth <= shared.options.bodies_bytes_max) return true;
  reject(error_response(overloaded_error("too many request bodies at once; try again later")));
  return false;
}

void Connection::release_body_charge() {
  worker_->shared().bodies_bytes.fetch_sub(std::exchange(body_charge_bytes_, 0),
                                           std::memory_order_relaxed);
}

void Connection::send_continue() {
  continue_pending_ = true;
  boost::asio::async_write(socket_, boost::asio::buffer(kContinue),
                           [self = shared_from_this()](const error_code& error, std::size_t) {
                             self->continue_pending_ = false;
                             if (self->state_ == State::closed) return;
                             if (error) return self->close();
                             self->advance();
                           });
}

void Connection::dispatch() {
  ServerShared& shared = worker_->shared();
  if (admission_ == Admission::refused) {
    return reject(error_response(
        overloaded_error("the server has " + std::to_string(shared.options.connections_max) +
                         " connections already; close some or try again later")));
  }
  keep_alive_ = reader_.keep_alive();
  is_http_1_0_ = reader_.is_http_1_0();
  auto exchange = std::make_shared<RequestExchange>(shared_from_this(), shared, reader_.take(),
                                                    std::exchange(body_charge_bytes_, 0));
  reader_.reset();
  is_head_ = exchange->request.method == "HEAD";
  set_state(State::handling);
  shared.requests.fetch_add(1, std::memory_order_relaxed);
  try {
    shared.handler(exchange->request, Responder(exchange));
  } catch (const std::exception& exception) {
    exchange->fail(exception.what());
  } catch (...) {
    exchange->fail("the handler of this request failed");
  }
}

void Connection::reject(Response response) {
  MR_CHECK(state_ == State::idle || state_ == State::reading);
  worker_->shared().requests_rejected.fetch_add(1, std::memory_order_relaxed);
  keep_alive_ = false;
  is_head_ = false;
  reader_.reset();
  release_body_charge();
  begin_ = end_ = 0;
  set_state(State::handling);
  write(std::move(response));
}

void Connection::deliver(Response response) {
  if (worker_->runs_here()) return write(std::move(response));
  worker_->post([self = shared_from_this(), answer = std::move(response)]() mutable {
    self->write(std::move(answer));
  });
}

void Connection::write(Response response) {
  if (state_ == State::closed) return;
  MR_CHECK(state_ == State::handling);
  if (worker_->shared().stopping) keep_alive_ = false;
  head_ = response_head(response, {.keep_alive = keep_alive_, .is_http_1_0 = is_http_1_0_});
  body_ = std::move(response.body);
  const bool sends_body = !is_head_ && may_have_body(response.status);
  const std::array<boost::asio::const_buffer, 2> buffers = {
      boost::asio::buffer(head_), boost::asio::buffer(body_.data(), sends_body ? body_.size() : 0)};
  set_state(State::writing);
  boost::asio::async_write(socket_, buffers,
                           [self = shared_from_this()](const error_code& error, std::size_t) {
                             self->on_written(error);
                           });
}

void Connection::on_written(const error_code& error) {
  if (state_ == State::closed) return;
  MR_CHECK(state_ == State::writing);
  if (error) return close();
  body_ = std::string();
  if (!keep_alive_) return linger();
  if (worker_->shared().stopping) return close();
  set_state(State::idle);
  advance();
}

// RFC 9112 9.6: closing with unread input resets the connection, and the reset can overtake the
// answer. So: end our half, then read what is still on its way.
void Connection::linger() {
  error_code error;
  socket_.shutdown(tcp::socket::shutdown_send, error);
  if (error) return close();
  set_state(State::lingering);
  if (!read_pending_) read_more();
}

void Connection::expire_if_past(std::uint64_t sweeps) {
  if (deadline_ == 0 || sweeps < deadline_) return;
  if (state_ == State::reading && !continue_pending_) {
    return reject(error_response(invalid_error("the request did not arrive in time"), 408));
  }
  close();
}

void Connection::close_if_idle() {
  if (state_ == State::idle) close();
}

void Connection::close() {
  if (state_ == State::closed) return;
  set_state(State::closed);
  release_body_charge();
  error_code ignored;
  socket_.close(ignored);
  worker_->remove(*this);
}

}  // namespace millrace::http
