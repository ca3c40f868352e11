#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/thread.h"
#include "kafka_client/client_settings.h"
#include "kafka_client/librdkafka.h"

namespace millrace::kafka_client {

// What librdkafka calls back, on the thread that polls the handle.
struct HandleCallbacks {
  // cooperative assignments; `error` as rd_kafka_rebalance_cb has it.
  std::function<void(rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t&)> rebalanced =
      nullptr;
};

// One client of librdkafka: its threads, its connections. Thread-safe as librdkafka is, the
// callbacks apart.
class Handle {
 public:
  static Result<std::unique_ptr<Handle>> open(rd_kafka_type_t type, const ClientSettings& settings,
                                              const KafkaLogOptions& options,
                                              HandleCallbacks callbacks = {});
  ~Handle();
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  [[nodiscard]] rd_kafka_t* get() const { return client_; }
  // Grows with every connection that failed and every request that got no answer in time.
  [[nodiscard]] std::uint64_t trouble_count() const { return trouble_count_; }
  [[nodiscard]] std::string last_trouble() const;
  // No callback is called any more, so that it may outlive whom they belong to.
  void disown();

 private:
  Handle(const KafkaLogOptions& options, HandleCallbacks callbacks)
      : options_(options), callbacks_(std::move(callbacks)) {}
  Status create(rd_kafka_type_t type, const ClientSettings& settings);
  void set_callbacks(rd_kafka_conf_t* conf);
  void note_trouble(std::string text);
  void refresh_token(rd_kafka_t* client);
  void fail_token(rd_kafka_t* client, const std::string& why);

  const KafkaLogOptions options_;
  const HandleCallbacks callbacks_;
  std::atomic<std::uint64_t> trouble_count_{0};
  std::atomic<bool> is_disowned_{false};
  Mutex log_mutex_;  // held while the log's callback runs
  mutable Mutex mutex_;
  std::string last_trouble_;  // guarded by mutex_
  rd_kafka_t* client_ = nullptr;
};

}  // namespace millrace::kafka_client
