#include "broker/connection.h"

#include <algorithm>
#include <utility>

#include "broker/tls.h"

namespace millrace::broker {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

// Frames up to here are read without asking whether there is memory for them, so that heartbeats
// and the like never wait for somebody's large requests. What they can add up to is bounded by
// connections_max.
constexpr std::size_t kSmallFrameBytes = 64 * 1024;
// Answers sent in one go, so that the first of them need not wait for long.
constexpr std::size_t kWriteBytesMax = 1 << 20;
// Of who has not logged in yet (Kafka's sasl.server.max.receive.size).
constexpr std::size_t kEntryFrameBytesMax = 512 * 1024;

// As Java writes it. A listener for both kinds of addresses sees IPv4 ones within IPv6 (RFC 4291);
// access control entries name them as what they are.
std::string text_of(const boost::asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return "/" + boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6())
                     .to_string();
  }
  return "/" + address.to_string();
}

}  // namespace

// Stands for one slot of a connection. Thread-safe where Exchange says so.
class SlotExchange final : public Exchange {
 public:
  SlotExchange(std::shared_ptr<Connection> connection, std::uint64_t slot_number)
      : connection_(std::move(connection)), slot_number_(slot_number) {}
  ~SlotExchange() override {
    if (!is_answered_.exchange(true)) close();
  }

  void send(Reply reply) override {
    MR_CHECK(!is_answered_.exchange(true));
    connection_->deliver(slot_number_, std::move(reply));
  }
  void send_nothing() override {
    MR_CHECK(!is_answered_.exchange(true));
    connection_->deliver(slot_number_, std::nullopt);
  }
  void close_connection() override {
    MR_CHECK(!is_answered_.exchange(true));
    close();
  }
  EventLoop& loop() override { return *connection_->worker_; }
  std::shared_ptr<void> hold_back_the_next() override;
  void close_when_answered() override { connection_->is_last_request_in_ = true; }
  void on_end_of_waiting(std::function<void()> end) override {
    auto* const slot = connection_->open_slot(slot_number_);
    if (slot == nullptr || connection_->is_stopping_) return end();
    slot->end_of_waiting = std::move(end);
  }
  std::size_t reply_bytes_allowed() const override {
    const auto& shared = connection_->worker_->shared();
    const std::size_t used = shared.reply_bytes.load(std::memory_order_relaxed);
    const std::size_t all = shared.options.reply_bytes_max;
    return used >= all ? 0 : all - used;
  }

 private:
  void close() {
    connection_->worker_->post([connection = connection_] { connection->close(); });
  }

  std::shared_ptr<Connection> connection_;
  std::uint64_t slot_number_;
  std::atomic<bool> is_answered_{false};
};

class Connection::HoldBack {
 public:
  explicit HoldBack(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {
    ++connection_->hold_count_;
  }
  ~HoldBack() { connection_->release_hold(); }
  HoldBack(const HoldBack&) = delete;
  HoldBack& operator=(const HoldBack&) = delete;

 private:
  std::shared_ptr<Connection> connection_;
};

std::shared_ptr<void> SlotExchange::hold_back_the_next() {
  return std::make_shared<Connection::HoldBack>(connection_);
}

Connection::Connection(std::shared_ptr<Worker> worker, tcp::socket socket)
    : worker_(std::move(worker)),
      stream_(std::move(socket), worker_->shared().tls),
      reader_(worker_->shared().options.frame_bytes_max) {}

void Connection::start() {
  const auto& options = worker_->shared().options;
  if (options.needs_log_in) session_->stage = Session::Stage::handshake;
  is_entering_ = stream_.is_tls() || options.needs_log_in;
  worker_->add(shared_from_this());
  // The server may have begun to stop between accept and here.
  if (worker_->shared().is_stopping) return close();
  auto& socket = stream_.socket();
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(boost::asio::socket_base::keep_alive(true), ignored);
  session_->host = text_of(socket.remote_endpoint(ignored).address());
  if (!is_entering_) return begin_reading();
  entry_deadline_ = worker_->deadline_after(options.entry_ms);
  reader_.set_frame_bytes_max(std::min(kEntryFrameBytesMax, options.frame_bytes_max));
  if (stream_.is_tls()) return shake_hands();
  begin_reading();
}

void Connection::shake_hands() {
  stream_.async_handshake([self = shared_from_this()](const error_code& error) {
    if (self->is_closed_) return;
    if (error) {
      auto& counters = self->worker_->shared().counters;
      counters.tls_handshakes_failed.fetch_add(1, std::memory_order_relaxed);
      return self->close();
    }
    if (auto principal = principal_of_peer(self->stream_.tls()); !principal.empty()) {
      self->session_->principal = std::move(principal);
    }
    self->note_entered();
    self->begin_reading();
  });
}

void Connection::begin_reading() {
  expect_progress();
  read_more();
}

// The session changes while a request is handled.
void Connection::note_entered() {
  if (!session_->may_ask()) return;
  is_entering_ = false;
  entry_deadline_ = 0;
  reader_.set_frame_bytes_max(worker_->shared().options.frame_bytes_max);
}

void Connection::expect_progress() {
  const auto& options = worker_->shared().options;
  if (is_waiting_for_memory_) {
    read_deadline_ = 0;
  } else if (reader_.has_begun() && is_reading_) {
    read_deadline_ = worker_->deadline_after(options.frame_progress_ms);
  } else if (slots_.empty() && writing_.empty()) {
    read_deadline_ = worker_->deadline_after(options.idle_ms);
  } else {
    read_deadline_ = 0;
  }
}

bool Connection::may_take_request() const {
  const auto& options = worker_->shared().options;
  return !is_closed_ && !is_stopping_ && !is_last_request_in_ && hold_count_ == 0 &&
         slots_.size() < options.requests_in_flight_max &&
         request_bytes_ < options.request_bytes_in_flight_max &&
         reply_bytes_ < options.unsent_bytes_max;
}

// Everything that can go on goes on. Does nothing within itself: an answer may come while its
// request is being dispatched.
void Connection::advance() {
  if (is_dispatching_) return;
  if (is_entering_) note_entered();
  // Sending frees slots, so that what was received already and found none free gets its turn.
  do {
    is_dispatching_ = true;
    while (may_take_request() && dispatch_next()) {
    }
    is_dispatching_ = false;
    if (!is_closed_) write_what_is_ready();
  } while (may_take_request() && reader_.state() != FrameReader::State::need_more);
  if (is_closed_) return;
  if (!is_reading_ && may_take_request()) read_more();
  if (!is_closed_) expect_progress();
}

bool Connection::dispatch_next() {
  auto& shared = worker_->shared();
  switch (reader_.state()) {
    case FrameReader::State::need_more:
      return false;
    case FrameReader::State::impossible:
      shared.counters.frames_refused.fetch_add(1, std::memory_order_relaxed);
      close();
      return false;
    case FrameReader::State::frame:
      break;
  }
  const std::size_t bytes = reader_.next_frame_bytes();
  auto frame = reader_.take_frame();
  if (reserved_bytes_ == 0) shared.request_bytes.fetch_add(bytes, std::memory_order_relaxed);
  reserved_bytes_ = 0;
  request_bytes_ += bytes;
  const std::uint64_t number = first_slot_ + slots_.size();
  slots_.emplace_back().request_bytes = bytes;
  shared.table->dispatch(std::move(frame), session_,
                         std::make_shared<SlotExchange>(shared_from_this(), number));
  return true;
}

// Whether there is memory for the frame whose byte count has come. A large one waits, and is asked
// about again at every sweep; all of it is taken at once, so that a frame that was begun can end.
bool Connection::reserve_memory() {
  const std::size_t bytes = reader_.next_frame_bytes();
  if (bytes <= kSmallFrameBytes || reserved_bytes_ > 0) return true;
  auto& shared = worker_->shared();
  const std::size_t before = shared.request_bytes.fetch_add(bytes, std::memory_order_relaxed);
  if (before > 0 && before + bytes > shared.options.request_bytes_max) {
    shared.request_bytes.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
  }
  reserved_bytes_ = bytes;
  return true;
}

void Connection::read_more() {
  MR_CHECK(!is_reading_ && !is_closed_);
  is_waiting_for_memory_ = !reserve_memory();
  if (is_waiting_for_memory_) return;
  const auto room = reader_.room();
  is_reading_ = true;
  stream_.async_read_some(boost::asio::buffer(room.data(), room.size()),
                          [self = shared_from_this()](const error_code& error, std::size_t bytes) {
                            self->on_read(error, bytes);
                          });
}

void Connection::on_read(const error_code& error, std::size_t bytes) {
  is_reading_ = false;
  if (is_closed_) return;
  if (error) return close();
  worker_->shared().counters.bytes_received.fetch_add(bytes, std::memory_order_relaxed);
  reader_.commit(bytes);
  advance();
}

void Connection::deliver(std::uint64_t slot_number, std::optional<Reply> reply) {
  if (worker_->runs_here()) return complete(slot_number, std::move(reply));
  worker_->post_task([self = shared_from_this(), slot_number, r = std::move(reply)]() mutable {
    self->complete(slot_number, std::move(r));
  });
}

Connection::Slot* Connection::open_slot(std::uint64_t slot_number) {
  if (is_closed_) return nullptr;
  MR_CHECK(slot_number >= first_slot_ && slot_number - first_slot_ < slots_.size());
  return &slots_[slot_number - first_slot_];
}

void Connection::complete(std::uint64_t slot_number, std::optional<Reply> reply) {
  Slot* const slot = open_slot(slot_number);
  if (slot == nullptr) return;
  auto& shared = worker_->shared();
  slot->is_answered = true;
  slot->end_of_waiting = nullptr;
  shared.request_bytes.fetch_sub(slot->request_bytes, std::memory_order_relaxed);
  request_bytes_ -= slot->request_bytes;
  if (reply) {
    shared.reply_bytes.fetch_add(reply->bytes.byte_count(), std::memory_order_relaxed);
    reply_bytes_ += reply->bytes.byte_count();
  }
  slot->reply = std::move(reply);
  advance();
}

void Connection::release_hold() {
  MR_CHECK(hold_count_ > 0);
  --hold_count_;
  if (!is_closed_) advance();
}

void Connection::write_what_is_ready() {
  if (!writing_.empty()) return;
  writing_bytes_ = 0;
  while (!slots_.empty() && slots_.front().is_answered && writing_bytes_ < kWriteBytesMax) {
    if (auto& reply = slots_.front().reply; reply) {
      writing_bytes_ += reply->bytes.byte_count();
      writing_.push_back(std::move(*reply));
    }
    slots_.pop_front();
    ++first_slot_;
  }
  if (writing_.empty()) {
    if ((is_stopping_ || is_last_request_in_) && slots_.empty()) close();
    return;
  }
  pieces_.clear();
  for (const Reply& reply : writing_) {
    reply.bytes.for_each_piece(
        [this](std::string_view piece) { pieces_.emplace_back(piece.data(), piece.size()); });
  }
  // Called before every write of a part: the peer has taken what was written before.
  const auto note_progress = [this](const error_code& error, std::size_t) -> std::size_t {
    write_deadline_ = worker_->deadline_after(worker_->shared().options.write_progress_ms);
    return error ? 0 : kWriteBytesMax;
  };
  stream_.async_write(pieces_, note_progress,
                      [self = shared_from_this()](const error_code& error, std::size_t) {
                        self->on_written(error);
                      });
}

void Connection::on_written(const error_code& error) {
  write_deadline_ = 0;
  if (is_closed_) return;
  if (error) return close();
  auto& shared = worker_->shared();
  shared.counters.bytes_sent.fetch_add(writing_bytes_, std::memory_order_relaxed);
  shared.reply_bytes.fetch_sub(writing_bytes_, std::memory_order_relaxed);
  reply_bytes_ -= writing_bytes_;
  writing_.clear();
  advance();
}

void Connection::look_at_the_time(std::uint64_t sweeps) {
  if (is_waiting_for_memory_ && !is_reading_ && may_take_request()) advance();
  if (is_closed_) return;
  const auto is_past = [&](std::uint64_t deadline) { return deadline != 0 && sweeps >= deadline; };
  if (!is_past(read_deadline_) && !is_past(write_deadline_) && !is_past(entry_deadline_)) return;
  worker_->shared().counters.connections_expired.fetch_add(1, std::memory_order_relaxed);
  close();
}

void Connection::end_waiting() {
  std::vector<std::function<void()>> ends;
  for (Slot& slot : slots_) {
    if (slot.end_of_waiting) ends.push_back(std::exchange(slot.end_of_waiting, nullptr));
  }
  for (const auto& end : ends) end();
}

void Connection::begin_stop() {
  const auto self = shared_from_this();
  is_stopping_ = true;
  end_waiting();
  if (!is_closed_) advance();
}

void Connection::close() {
  if (is_closed_) return;
  const auto self = shared_from_this();
  is_closed_ = true;
  stream_.close([self](const error_code&) {});
  end_waiting();
  auto& shared = worker_->shared();
  shared.request_bytes.fetch_sub(request_bytes_ + reserved_bytes_, std::memory_order_relaxed);
  shared.reply_bytes.fetch_sub(reply_bytes_, std::memory_order_relaxed);
  slots_.clear();
  worker_->remove(*this);
}

}  // namespace millrace::broker
