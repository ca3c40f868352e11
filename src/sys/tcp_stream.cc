#include "sys/tcp_stream.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace millrace::sys {
namespace {

constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr std::size_t kPiecesPerWriteMax = 64;

std::string text_of(int error_number) {
  return std::system_category().message(error_number);
}

class TcpStream final : public ByteStream {
 public:
  TcpStream(int descriptor, std::string peer, const Clock& clock)
      : descriptor_(descriptor), peer_(std::move(peer)), clock_(clock) {}
  ~TcpStream() override { ::close(descriptor_); }
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;

  Status write(std::span<const std::string_view> pieces, MonotonicTime deadline) override;
  Result<std::size_t> read_some(char* to, std::size_t bytes_max, MonotonicTime deadline) override;
  bool is_quiet() override {
    pollfd one{descriptor_, POLLIN, 0};
    return ::poll(&one, 1, 0) == 0;
  }
  void shut_down() override { ::shutdown(descriptor_, SHUT_RDWR); }

  Status connect(const sockaddr* address, socklen_t bytes, MonotonicTime deadline);

 private:
  Status wait_for(short events, MonotonicTime deadline);
  [[nodiscard]] Status lost(std::string_view what) const {
    return disconnected_error(peer_ + ": " + std::string(what));
  }

  const int descriptor_;
  const std::string peer_;
  const Clock& clock_;
};

Status TcpStream::wait_for(short events, MonotonicTime deadline) {
  while (true) {
    const auto left_ns = deadline - clock_.monotonic_now();
    if (left_ns <= 0) return lost("no answer in time");
    pollfd one{descriptor_, events, 0};
    const auto left_ms = std::min<std::int64_t>(left_ns / kNanosPerMilli + 1, 60'000);
    const int ready = ::poll(&one, 1, static_cast<int>(left_ms));
    if (ready > 0) return ok_status();  // an error shows in the call that follows
    if (ready < 0 && errno != EINTR) return lost(text_of(errno));
  }
}

Status TcpStream::connect(const sockaddr* address, socklen_t bytes, MonotonicTime deadline) {
  if (::connect(descriptor_, address, bytes) == 0) return ok_status();
  if (errno != EINPROGRESS && errno != EINTR) return lost(text_of(errno));
  MR_RETURN_IF_ERROR(wait_for(POLLOUT, deadline));
  int error = 0;
  socklen_t error_bytes = sizeof error;
  if (::getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &error_bytes) != 0) error = errno;
  return error == 0 ? ok_status() : lost(text_of(error));
}

Status TcpStream::write(std::span<const std::string_view> pieces, MonotonicTime deadline) {
  std::size_t next = 0;
  std::size_t skipped = 0;  // bytes of pieces[next] that are sent
  while (next < pieces.size()) {
    std::array<iovec, kPiecesPerWriteMax> parts;
    std::size_t count = 0;
    for (auto i = next; i < pieces.size() && count < parts.size(); ++i, ++count) {
      const auto piece = pieces[i].substr(i == next ? skipped : 0);
      parts[count] = {const_cast<char*>(piece.data()), piece.size()};
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    const auto sent = ::sendmsg(descriptor_, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      MR_RETURN_IF_ERROR(wait_for(POLLOUT, deadline));
      continue;
    }
    if (sent < 0) return lost(text_of(errno));
    skipped += static_cast<std::size_t>(sent);
    while (next < pieces.size() && skipped >= pieces[next].size()) skipped -= pieces[next++].size();
  }
  return ok_status();
}

Result<std::size_t> TcpStream::read_some(char* to, std::size_t bytes_max, MonotonicTime deadline) {
  while (true) {
    const auto got = ::recv(descriptor_, to, bytes_max, 0);
    if (got > 0) return static_cast<std::size_t>(got);
    if (got == 0) return lost("closed by the peer");
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return lost(text_of(errno));
    MR_RETURN_IF_ERROR(wait_for(POLLIN, deadline));
  }
}

struct AddressList {
  explicit AddressList(addrinfo* list) : first(list) {}
  ~AddressList() { ::freeaddrinfo(first); }
  AddressList(const AddressList&) = delete;
  AddressList& operator=(const AddressList&) = delete;
  addrinfo* first;
};

Result<std::unique_ptr<ByteStream>> connect_one(const addrinfo& address, const TcpAddress& to,
                                                const Clock& clock, MonotonicTime deadline) {
  const int descriptor =
      ::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
  if (descriptor < 0) return io_error("socket: " + text_of(errno));
  auto stream = std::make_unique<TcpStream>(descriptor, to.to_string(), clock);
  const int on = 1;
  (void)::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  MR_RETURN_IF_ERROR(stream->connect(address.ai_addr, address.ai_addrlen, deadline));
  return std::unique_ptr<ByteStream>(std::move(stream));
}

}  // namespace

Result<std::unique_ptr<ByteStream>> connect_tcp(const TcpAddress& to, const Clock& clock,
                                                MonotonicTime deadline) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICSERV;
  addrinfo* raw = nullptr;
  const int error = ::getaddrinfo(to.host.c_str(), std::to_string(to.port).c_str(), &wanted, &raw);
  if (error != 0) {
    return disconnected_error(to.to_string() + ": " + ::gai_strerror(error));
  }
  const AddressList list(raw);
  Status last = disconnected_error(to.to_string() + ": the name has no address");
  for (const auto* one = list.first; one != nullptr; one = one->ai_next) {
    auto stream = connect_one(*one, to, clock, deadline);
    if (stream.is_ok()) return stream;
    last = std::move(stream).take_status();
  }
  return last;
}

}  // namespace millrace::sys
