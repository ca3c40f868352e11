#include "broker/broker.h"

#include <utility>

#include "broker/api_registry.h"
#include "broker/coordinator_apis.h"
#include "broker/coordinators.h"
#include "broker/security_apis.h"

namespace millrace::broker {

class Broker::Impl {
 public:
  Impl(const BrokerOptions& options, std::unique_ptr<Server> server, log::Log& log,
       const Clock& clock, const Logger& logger)
      : durable_(log),
        topic_ids_(log, options.cluster_id),
        coordinators_({.log = log,
                       .durable = durable_,
                       .topic_ids = topic_ids_,
                       .clock = clock,
                       .logger = logger},
                      options.groups),
        security_(options.security, {.log = log,
                                     .durable = durable_,
                                     .clock = clock,
                                     .logger = logger,
                                     .random = options.random}),
        table_(kBrokerFeatures),
        server_(std::move(server)) {
    services_.log = &log;
    services_.clock = &clock;
    services_.durable = &durable_;
    services_.blocking = &blocking_;
    services_.topic_ids = &topic_ids_;
    services_.cluster.cluster_id = options.cluster_id;
    services_.cluster.host =
        options.advertised_host.empty() ? options.server.host : options.advertised_host;
    services_.cluster.port =
        options.advertised_port != 0 ? options.advertised_port : server_->port();
    services_.defaults = options.topics;
    services_.log_folder = options.log_folder;
    services_.in_use = options.in_use;
    services_.transactions = &coordinators_.transactions();
    add_log_apis(table_, services_);
    add_transaction_apis(table_, services_, coordinators_.transactions());
    add_group_apis(table_, coordinators_.groups());
    add_security_apis(table_, services_, security_);
    if (const Authorizer* authorizer = security_.authorizer()) {
      add_authorization(table_, services_, *authorizer);
    } else {
      add_all_operations(table_);
    }
  }
  ~Impl() { stop(0); }

  Status start() {
    MR_RETURN_IF_ERROR(security_.start());
    MR_RETURN_IF_ERROR(coordinators_.start());
    server_->start(table_);
    return ok_status();
  }

  void stop(int grace_ms) {
    coordinators_.stop();  // ends joins that would wait for members who cannot come any more
    server_->stop(grace_ms);
    security_.stop();
    blocking_.stop();
    durable_.stop();
  }

  [[nodiscard]] const Server& server() const { return *server_; }
  [[nodiscard]] const DispatchTable& table() const { return table_; }
  [[nodiscard]] const Security& security() const { return security_; }

 private:
  log::DurableAnswers durable_;
  BlockingCalls blocking_;
  TopicIds topic_ids_;
  Coordinators coordinators_;
  Security security_;
  Services services_;
  DispatchTable table_;
  std::unique_ptr<Server> server_;
};

Broker::Broker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Broker::~Broker() = default;

Result<std::unique_ptr<Broker>> Broker::open(const BrokerOptions& options, log::Log& log,
                                             const Clock& clock, const Logger& logger) {
  BrokerOptions known = options;
  known.server.needs_log_in = !known.security.authentication.mechanisms.empty();
  if (known.server.needs_log_in && known.random == nullptr) {
    return invalid_error("kafka.sasl.mechanisms: log-ins need a source of random bytes");
  }
  const auto& host = known.server.host;
  if (known.advertised_host.empty() && (host == "0.0.0.0" || host == "::")) {
    return invalid_error("kafka.advertised: clients cannot be told to come to " + host +
                         "; set the HOST:PORT by which they find this machine");
  }
  MR_ASSIGN_OR_RETURN(auto server, Server::bind(known.server));
  return std::unique_ptr<Broker>(
      new Broker(std::make_unique<Impl>(known, std::move(server), log, clock, logger)));
}

Status Broker::start() {
  return impl_->start();
}

void Broker::stop(int grace_ms) {
  impl_->stop(grace_ms);
}

std::uint16_t Broker::port() const {
  return impl_->server().port();
}

const ServerCounters& Broker::counters() const {
  return impl_->server().counters();
}

const Security& Broker::security() const {
  return impl_->security();
}

const DispatchTable& Broker::table() const {
  return impl_->table();
}

}  // namespace millrace::broker
