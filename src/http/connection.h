#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "http/request_reader.h"
#include "http/server.h"
#include "http/worker.h"

namespace millrace::http {

// One client: reads a request, hands it to the handler, writes the answer, reads the next. Requests
// sent ahead (pipelining) wait in the buffer, so one connection has one request in flight. Lives as
// long as an operation or a Responder refers to it; everything but deliver() on its worker's
// thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  enum class Admission : unsigned char { admitted, refused };

  Connection(std::shared_ptr<Worker> worker, boost::asio::ip::tcp::socket socket,
             Admission admission);

  void start();
  // From any thread: the answer to the request in flight.
  void deliver(Response response);

  void expire_if_past(std::uint64_t sweeps);
  // Closes between requests; a request in flight becomes the last one.
  void close_if_idle();
  void close();

  void set_registry_index(std::size_t index) { registry_index_ = index; }
  [[nodiscard]] std::size_t registry_index() const { return registry_index_; }

 private:
  enum class State : unsigned char {
    idle,       // no byte of the next request yet
    reading,    // some, not all
    handling,   // the handler or the holder of the Responder has it
    writing,    // the answer
    lingering,  // answered and shut down; what still arrives is read and dropped
    closed,
  };

  void set_state(State state);
  void read_more();
  void on_read(const boost::system::error_code& error, std::size_t bytes);
  void advance();
  bool accept_header();
  void send_continue();
  void dispatch();
  void reject(Response response);
  void write(Response response);
  void on_written(const boost::system::error_code& error);
  void linger();
  bool charge_body(std::size_t bytes);
  void release_body_charge();
  void make_room();

  std::shared_ptr<Worker> worker_;
  boost::asio::ip::tcp::socket socket_;
  RequestReader reader_;
  Admission admission_;
  State state_ = State::idle;
  bool keep_alive_ = false;
  bool is_http_1_0_ = false;
  bool is_head_ = false;
  bool read_pending_ = false;
  bool continue_pending_ = false;  // "100 Continue" is being written
  std::uint64_t deadline_ = 0;     // in sweeps; 0 = none
  std::size_t registry_index_ = 0;
  std::size_t body_charge_bytes_ = 0;  // of the request being read, out of bodies_bytes_max
  std::size_t lingered_bytes_ = 0;
  std::vector<char> buffer_;  // [begin_, end_) is received and not yet used
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::string head_;  // the answer being written
  std::string body_;
};

}  // namespace millrace::http
