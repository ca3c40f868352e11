#include "kafka_client/handle.h"

#include <array>
#include <mutex>

#include "kafka_client/errors.h"

namespace millrace::kafka_client {
namespace {

constexpr int kSyslogWarning = 4;
constexpr std::string_view kTokenSetting = "OAUTHBEARER";

Handle& handle_of(void* opaque) {
  return *static_cast<Handle*>(opaque);
}

// A property that librdkafka did not have in version 2.0; it works without, less well.
bool is_optional(const std::string& name) {
  return name == "metadata.recovery.strategy";
}

}  // namespace

Result<std::unique_ptr<Handle>> Handle::open(rd_kafka_type_t type, const ClientSettings& settings,
                                             const KafkaLogOptions& options,
                                             HandleCallbacks callbacks) {
  std::unique_ptr<Handle> handle(new Handle(options, std::move(callbacks)));
  MR_RETURN_IF_ERROR(handle->create(type, settings));
  return handle;
}

Status Handle::create(rd_kafka_type_t type, const ClientSettings& settings) {
  Owned<rd_kafka_conf_t, rd_kafka_conf_destroy> conf(rd_kafka_conf_new());
  std::array<char, 512> why{};
  for (const auto& [name, value] : settings) {
    const auto set =
        rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), why.data(), why.size());
    if (set == RD_KAFKA_CONF_UNKNOWN && is_optional(name)) continue;
    if (set != RD_KAFKA_CONF_OK) return invalid_error(std::string(why.data()));
  }
  set_callbacks(conf.get());
  client_ = rd_kafka_new(type, conf.get(), why.data(), why.size());
  if (client_ == nullptr) return invalid_error(std::string(why.data()));
  (void)conf.release();  // librdkafka's now
  if (options_.security.sasl_mechanism == kTokenSetting) {
    const OwnedError error(rd_kafka_sasl_background_callbacks_enable(client_));
    MR_RETURN_IF_ERROR(status_of(error.get(), "tokens"));
  }
  return ok_status();
}

void Handle::set_callbacks(rd_kafka_conf_t* conf) {
  rd_kafka_conf_set_opaque(conf, this);
  rd_kafka_conf_set_log_cb(
      conf, [](const rd_kafka_t* client, int level, const char* facility, const char* text) {
        auto& handle = handle_of(rd_kafka_opaque(client));
        const auto line = std::string(facility) + ": " + text;
        if (level <= kSyslogWarning) handle.note_trouble(line);
        const std::lock_guard lock(handle.log_mutex_);
        if (handle.is_disowned_ || !handle.options_.on_log_line) return;
        handle.options_.on_log_line(level, line);
      });
  rd_kafka_conf_set_error_cb(conf, [](rd_kafka_t*, int, const char* why, void* opaque) {
    handle_of(opaque).note_trouble(why);
  });
  if (callbacks_.rebalanced) {
    rd_kafka_conf_set_rebalance_cb(
        conf,
        [](rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* partitions,
           void* opaque) { handle_of(opaque).callbacks_.rebalanced(error, *partitions); });
  }
  if (options_.security.sasl_mechanism == kTokenSetting) {
    rd_kafka_conf_enable_sasl_queue(conf, 1);  // served by a thread of librdkafka
    rd_kafka_conf_set_oauthbearer_token_refresh_cb(
        conf, [](rd_kafka_t* client, const char*, void* opaque) {
          handle_of(opaque).refresh_token(client);
        });
  }
}

void Handle::refresh_token(rd_kafka_t* client) {
  const auto token = options_.security.token();
  if (!token.is_ok()) {
    fail_token(client, token.status().to_string());
    return;
  }
  std::array<char, 512> why{};
  const auto set = rd_kafka_oauthbearer_set_token(
      client, token.value().value.c_str(), token.value().expires_at.value,
      token.value().principal.c_str(), nullptr, 0, why.data(), why.size());
  if (set != RD_KAFKA_RESP_ERR_NO_ERROR) {
    fail_token(client, why.data());
  }
}

// librdkafka says it to whoever polls, and asks again after ten seconds.
void Handle::fail_token(rd_kafka_t* client, const std::string& why) {
  rd_kafka_oauthbearer_set_token_failure(client, why.c_str());
  const auto line = "no token for the log-in: " + why;
  note_trouble(line);
  const std::lock_guard lock(log_mutex_);
  if (!is_disowned_ && options_.on_log_line) options_.on_log_line(kSyslogWarning, line);
}

Handle::~Handle() {
  if (client_ == nullptr) return;
  // A group's member has left by rd_kafka_consumer_close before, if it wants to.
  rd_kafka_destroy_flags(client_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

void Handle::disown() {
  const std::lock_guard lock(log_mutex_);
  is_disowned_ = true;
}

void Handle::note_trouble(std::string text) {
  ++trouble_count_;
  const std::lock_guard lock(mutex_);
  last_trouble_ = std::move(text);
}

std::string Handle::last_trouble() const {
  const std::lock_guard lock(mutex_);
  return last_trouble_;
}

}  // namespace millrace::kafka_client
