#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/frame_reader.h"
#include "broker/session.h"
#include "broker/stream.h"
#include "broker/worker.h"

namespace millrace::broker {

// One client. Frames are read and handed to the dispatch table one after the other; each has a slot
// that keeps its place until its answer has been sent, whenever that comes. Lives as long as an
// operation or an Exchange refers to it; everything but deliver() on its worker's thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Worker> worker, boost::asio::ip::tcp::socket socket);

  void start();
  void look_at_the_time(std::uint64_t sweeps);
  // Reads nothing more, ends what only waits, closes once everything else has been answered.
  void begin_stop();
  void close();

  // Neither its TLS handshake nor its log-in is over, where there are such.
  [[nodiscard]] bool is_entering() const { return is_entering_; }
  // In the order of their arrival at the worker.
  [[nodiscard]] std::uint64_t number() const { return number_; }
  void set_number(std::uint64_t number) { number_ = number; }

  void set_registry_index(std::size_t index) { registry_index_ = index; }
  [[nodiscard]] std::size_t registry_index() const { return registry_index_; }

 private:
  friend class SlotExchange;
  class HoldBack;

  struct Slot {
    std::size_t request_bytes = 0;
    std::function<void()> end_of_waiting;
    bool is_answered = false;
    std::optional<Reply> reply;  // none: nothing is to be sent
  };

  void shake_hands();
  void begin_reading();
  void note_entered();

  void advance();
  [[nodiscard]] bool may_take_request() const;
  bool reserve_memory();
  bool dispatch_next();
  void read_more();
  void on_read(const boost::system::error_code& error, std::size_t bytes);
  void expect_progress();

  // From any thread.
  void deliver(std::uint64_t slot_number, std::optional<Reply> reply);
  Slot* open_slot(std::uint64_t slot_number);
  void complete(std::uint64_t slot_number, std::optional<Reply> reply);
  void release_hold();
  void write_what_is_ready();
  void on_written(const boost::system::error_code& error);
  void end_waiting();

  std::shared_ptr<Worker> worker_;
  Stream stream_;
  std::shared_ptr<Session> session_ = std::make_shared<Session>();
  FrameReader reader_;
  std::deque<Slot> slots_;
  std::uint64_t first_slot_ = 0;   // number of slots_.front()
  std::size_t request_bytes_ = 0;  // of all slots
  std::size_t reply_bytes_ = 0;    // of all slots
  std::vector<Reply> writing_;
  std::vector<boost::asio::const_buffer> pieces_;
  std::size_t writing_bytes_ = 0;
  std::size_t reserved_bytes_ = 0;  // for the frame that is being read
  int hold_count_ = 0;
  bool is_reading_ = false;
  bool is_dispatching_ = false;
  bool is_waiting_for_memory_ = false;
  bool is_entering_ = false;
  bool is_last_request_in_ = false;
  bool is_stopping_ = false;
  bool is_closed_ = false;
  std::uint64_t entry_deadline_ = 0;  // in sweeps; 0: none
  std::uint64_t read_deadline_ = 0;
  std::uint64_t write_deadline_ = 0;
  std::uint64_t number_ = 0;
  std::size_t registry_index_ = 0;
};

}  // namespace millrace::broker
