#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <utility>

namespace millrace::broker {

// A client's socket, with TLS around it or not; whoever reads and writes need not know. On one
// thread. Its owner outlives the operations.
class Stream {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using TlsContext = boost::asio::ssl::context;

  // `tls`: null for a plain one.
  Stream(Socket socket, const std::shared_ptr<TlsContext>& tls) : socket_(std::move(socket)) {
    if (tls != nullptr) tls_ = std::make_unique<Tls>(socket_, *tls);
  }

  [[nodiscard]] Socket& socket() { return socket_; }
  [[nodiscard]] bool is_tls() const { return tls_ != nullptr; }
  // Only with TLS.
  [[nodiscard]] SSL* tls() { return tls_->native_handle(); }

  // Only with TLS, before anything else: handler(error).
  template <typename Handler>
  void async_handshake(Handler&& handler) {
    tls_->async_handshake(boost::asio::ssl::stream_base::server, std::forward<Handler>(handler));
  }
  template <typename Buffer, typename Handler>
  void async_read_some(const Buffer& buffer, Handler&& handler) {
    if (tls_ == nullptr) return socket_.async_read_some(buffer, std::forward<Handler>(handler));
    tls_->async_read_some(buffer, std::forward<Handler>(handler));
  }
  template <typename Buffers, typename Condition, typename Handler>
  void async_write(const Buffers& buffers, Condition condition, Handler&& handler) {
    if (tls_ == nullptr) {
      return boost::asio::async_write(socket_, buffers, condition, std::forward<Handler>(handler));
    }
    boost::asio::async_write(*tls_, buffers, condition, std::forward<Handler>(handler));
  }

  // Says good-bye as far as that goes without waiting: what `handler` keeps alive includes this.
  template <typename Handler>
  void close(Handler&& handler) {
    boost::system::error_code ignored;
    if (tls_ != nullptr && SSL_is_init_finished(tls_->native_handle()) == 1) {
      // Its first write is tried at once; the answer nobody waits for.
      tls_->async_shutdown(std::forward<Handler>(handler));
    }
    socket_.close(ignored);
  }

 private:
  using Tls = boost::asio::ssl::stream<Socket&>;

  Socket socket_;
  std::unique_ptr<Tls> tls_;
};

}  // namespace millrace::broker
