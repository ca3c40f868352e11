#include "kafka_client/broker_pool.h"

#include <algorithm>
#include <charconv>
#include <mutex>

#include "kafka_client/tls_stream.h"

namespace millrace::kafka_client {
namespace {

constexpr std::size_t kIdlePerBrokerMax = 8;
constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
// Brokers close what is idle after ten minutes, and things between may do so sooner.
constexpr std::int64_t kKeptForNs = 120 * kNanosPerSecond;
constexpr std::int64_t kConnectNsMax = 3 * kNanosPerSecond;
constexpr int kPortMax = 65'535;

}  // namespace

Result<std::vector<sys::TcpAddress>> parse_bootstrap_servers(std::string_view text) {
  std::vector<sys::TcpAddress> out;
  while (!text.empty()) {
    const auto end = std::min(text.find(','), text.size());
    auto one = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (one.empty()) continue;
    const auto colon = one.rfind(':');
    int port = 0;
    const auto* last = one.data() + one.size();
    const bool is_number = colon != std::string_view::npos &&
                           std::from_chars(one.data() + colon + 1, last, port).ptr == last;
    if (!is_number || colon == 0 || port < 1 || port > kPortMax) {
      return invalid_error("bootstrap server '" + std::string(one) + "': host:port is wanted");
    }
    auto host = one.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    out.push_back({std::string(host), static_cast<std::uint16_t>(port)});
  }
  if (out.empty()) return invalid_error("bootstrap servers are missing: host:port,host:port");
  return out;
}

Result<Dial> make_dial(const KafkaLogOptions& options, const Clock& clock) {
  using Protocol = KafkaSecurity::Protocol;
  const auto protocol = options.security.protocol;
  if (protocol != Protocol::ssl && protocol != Protocol::sasl_ssl) {
    return Dial([&clock](const sys::TcpAddress& to, MonotonicTime deadline) {
      return sys::connect_tcp(to, clock, deadline);
    });
  }
  MR_ASSIGN_OR_RETURN(const auto context, make_tls_context(options.security));
  return Dial(
      [&clock, context](const sys::TcpAddress& to,
                        MonotonicTime deadline) -> Result<std::unique_ptr<sys::ByteStream>> {
        MR_ASSIGN_OR_RETURN(auto stream, sys::connect_tcp(to, clock, deadline));
        return start_tls(std::move(stream), *context, to.host, deadline);
      });
}

BrokerPool::BrokerPool(const KafkaLogOptions& options, const Clock& clock, Dial dial)
    : options_(options), clock_(clock), dial_(std::move(dial)) {
  auto servers = parse_bootstrap_servers(options.bootstrap_servers);
  if (servers.is_ok()) bootstrap_ = std::move(servers).value();  // else to_any says so
}

void BrokerPool::learn(std::int32_t node, const std::string& host, std::int32_t port) {
  if (node < 0 || host.empty() || port < 1 || port > kPortMax) return;
  const sys::TcpAddress address{host, static_cast<std::uint16_t>(port)};
  std::vector<Idle> outdated;  // closed without the lock
  const std::lock_guard lock(mutex_);
  auto& known = addresses_[node];
  if (known == address) return;
  known = address;
  outdated.swap(idle_[node]);
}

void BrokerPool::keep(std::int32_t node, std::unique_ptr<Connection> connection) {
  if (node == kBootstrapNode || !connection->is_reusable()) return;
  const auto now = clock_.monotonic_now();
  const std::lock_guard lock(mutex_);
  auto& idle = idle_[node];
  std::erase_if(idle, [&](const auto& one) { return now - one.since > kKeptForNs; });
  if (idle.size() < kIdlePerBrokerMax) idle.push_back({std::move(connection), now});
}

std::unique_ptr<Connection> BrokerPool::take_idle(std::int32_t node) {
  while (true) {
    std::unique_ptr<Connection> found;
    {
      const std::lock_guard lock(mutex_);
      auto& idle = idle_[node];
      if (idle.empty()) return nullptr;
      found = std::move(idle.back().connection);
      idle.pop_back();
    }
    if (found->is_reusable()) return found;
  }
}

Result<BrokerPool::Lease> BrokerPool::connect(std::int32_t node, const sys::TcpAddress& address,
                                              MonotonicTime deadline) {
  const auto limit = std::min(deadline, clock_.monotonic_now() + kConnectNsMax);
  MR_ASSIGN_OR_RETURN(auto stream, dial_(address, limit));
  auto opened = Connection::open(std::move(stream), options_, clock_, limit);
  if (!opened.is_ok()) {
    return std::move(opened).take_status().with_context("broker " + address.to_string());
  }
  return Lease(*this, node, std::move(opened).value());
}

Result<BrokerPool::Lease> BrokerPool::to(std::int32_t node, MonotonicTime deadline) {
  if (auto idle = take_idle(node)) return Lease(*this, node, std::move(idle));
  sys::TcpAddress address;
  {
    const std::lock_guard lock(mutex_);
    const auto found = addresses_.find(node);
    if (found == addresses_.end()) {
      return not_found_error("broker " + std::to_string(node) + " has no address");
    }
    address = found->second;
  }
  return connect(node, address, deadline);
}

// From another one each time, so that a broker that accepts and never answers is not asked for
// ever.
Result<BrokerPool::Lease> BrokerPool::to_any(MonotonicTime deadline) {
  std::vector<std::pair<std::int32_t, sys::TcpAddress>> candidates;
  std::size_t first = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [node, address] : addresses_) candidates.emplace_back(node, address);
    first = next_any_++;
  }
  if (!candidates.empty()) {
    const auto middle = candidates.begin() + static_cast<std::ptrdiff_t>(first % candidates.size());
    std::ranges::rotate(candidates, middle);
  }
  for (const auto& address : bootstrap_) candidates.emplace_back(kBootstrapNode, address);
  Status last = invalid_error("bootstrap servers are missing: host:port,host:port");
  for (const auto& [node, address] : candidates) {
    if (node != kBootstrapNode) {
      if (auto idle = take_idle(node)) return Lease(*this, node, std::move(idle));
    }
    auto found = connect(node, address, deadline);
    if (found.is_ok()) return found;
    last = std::move(found).take_status();
    if (clock_.monotonic_now() >= deadline) break;
  }
  return last;
}

}  // namespace millrace::kafka_client
