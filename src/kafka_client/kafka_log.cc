#include "kafka_client/kafka_log.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "base/thread.h"
#include "kafka_client/admin.h"
#include "kafka_client/log_commits.h"
#include "kafka_client/member.h"
#include "kafka_client/partition_readers.h"
#include "kafka_client/producer.h"

namespace millrace::kafka_client {
namespace {

class KafkaLog final : public log::SharedLog {
 public:
  KafkaLog(const KafkaLogOptions& options, const Clock& clock, std::unique_ptr<Handle> handle,
           Dial dial)
      : options_(options),
        clock_(clock),
        handle_(std::move(handle)),
        brokers_(options_, clock, std::move(dial)) {}

  [[nodiscard]] std::unique_ptr<log::TransactionalProducer> make_producer(
      const std::string& transactional_id) override {
    return std::make_unique<Producer>(
        options_, clock_, cluster_,
        [this](const TopicPartition& at, Offset end) { readers_.note_bounds(at, Offset(0), end); },
        transactional_id);
  }
  [[nodiscard]] std::unique_ptr<log::GroupMember> join(const std::string& group,
                                                       const std::vector<std::string>& topics,
                                                       const std::string& instance_id) override {
    return std::make_unique<Member>(options_, clock_, readers_, group, topics, instance_id);
  }

  // --- writing ---
  Result<log::Appended> commit(log::Commit&& commit) override {
    return commits_.commit(std::move(commit));
  }
  Status wait_durable(log::CommitSequence) override { return ok_status(); }
  [[nodiscard]] log::CommitSequence durable_sequence() const override {
    return commits_.last_sequence();
  }
  Result<log::ProducerIdentity> new_producer() override {
    return unsupported_error("producer ids are the brokers' to give");
  }

  // --- topics ---
  Result<log::TopicInfo> create_topic(const std::string& name,
                                      const log::TopicConfig& config) override {
    forget(name);
    return admin_.create_topic(name, config);
  }
  Status delete_topic(const std::string& name) override {
    auto status = admin_.delete_topic(name);
    forget(name);
    return status;
  }
  Status alter_topic(const std::string& name, const log::TopicConfig& config) override {
    auto status = admin_.alter_topic(name, config);
    commits_.forget(name);
    return status;
  }
  [[nodiscard]] Result<log::TopicInfo> topic(const std::string& name) const override {
    return admin_.topic(name);
  }
  [[nodiscard]] std::vector<log::TopicInfo> topics() const override {
    auto found = admin_.topics();
    return found.is_ok() ? std::move(found).value() : std::vector<log::TopicInfo>();
  }

  // --- reading ---
  [[nodiscard]] Result<log::FetchResult> fetch(const TopicPartition& source, Offset from,
                                               std::size_t bytes_max,
                                               log::Visibility visibility) const override {
    if (visibility == log::Visibility::uncommitted) {
      return unsupported_error("reading what is not committed");
    }
    return readers_.fetch(source, from, bytes_max);
  }
  [[nodiscard]] Result<log::PartitionOffsets> offsets(const TopicPartition& source) const override;
  [[nodiscard]] Result<Offset> offset_for_time(const TopicPartition& source,
                                               WallTime time) const override;
  [[nodiscard]] Result<std::optional<log::TimestampedOffset>> first_at_timestamp(
      const TopicPartition& source, WallTime timestamp) const override {
    return admin_.list_offset(source, std::max<std::int64_t>(timestamp.value, 0),
                              IsolationLevel::read_uncommitted);
  }
  [[nodiscard]] Result<std::optional<log::TimestampedOffset>> max_timestamp(
      const TopicPartition& source) const override {
    return admin_.list_offset(source, kOffsetSpecMaxTimestamp, IsolationLevel::read_uncommitted);
  }
  [[nodiscard]] Result<std::vector<log::AbortedTransaction>> aborted_transactions(
      const TopicPartition&, Offset, Offset) const override {
    return unsupported_error("aborted transactions of a shared log");
  }
  [[nodiscard]] Result<std::vector<log::ProducerInfo>> producers(
      const TopicPartition&) const override {
    return unsupported_error("producers of a shared log");
  }

  // --- groups ---
  [[nodiscard]] std::vector<std::string> groups() const override {
    auto found = admin_.groups();
    return found.is_ok() ? std::move(found).value() : std::vector<std::string>();
  }
  [[nodiscard]] std::vector<log::GroupOffset> group_offsets(
      const std::string& group) const override {
    auto found = admin_.stable_group_offsets(group);
    return found.is_ok() ? std::move(found).value() : std::vector<log::GroupOffset>();
  }
  Result<std::vector<log::GroupOffset>> stable_group_offsets(
      const std::string& group) const override {
    return admin_.stable_group_offsets(group);
  }
  Status delete_group(const std::string& group) override { return admin_.delete_group(group); }

  // --- retention ---
  Status delete_records(const TopicPartition& source, Offset before) override;
  void pin(const std::string& holder, const TopicPartition& source, Offset oldest_needed) override {
    const std::lock_guard lock(mutex_);
    pins_[{holder, source}] = oldest_needed;
  }
  void unpin(const std::string& holder, const TopicPartition& source) override {
    const std::lock_guard lock(mutex_);
    pins_.erase({holder, source});
  }

  // --- events ---
  std::uint64_t add_listener(const TopicPartition& source, Listener listener) override {
    return readers_.add_listener(source, std::move(listener));
  }
  void remove_listener(std::uint64_t id) override { readers_.remove_listener(id); }

 private:
  void forget(const std::string& topic) {
    readers_.forget(topic);
    commits_.forget(topic);
    cluster_.forget(topic);
  }

  const KafkaLogOptions options_;
  const Clock& clock_;
  const std::unique_ptr<Handle> handle_;
  BrokerPool brokers_;
  Cluster cluster_{brokers_, clock_};
  mutable Admin admin_{*handle_, options_};
  mutable PartitionReaders readers_{options_, clock_, cluster_};
  LogCommits commits_{options_, clock_, admin_, cluster_, readers_};
  mutable Mutex mutex_;
  std::map<std::pair<std::string, TopicPartition>, Offset> pins_;  // guarded by mutex_
};

// The order keeps start <= last_stable <= high_watermark while the partition grows.
Result<log::PartitionOffsets> KafkaLog::offsets(const TopicPartition& source) const {
  const auto ask = [&](std::int64_t spec, IsolationLevel isolation) -> Result<Offset> {
    MR_ASSIGN_OR_RETURN(const auto found, admin_.list_offset(source, spec, isolation));
    return found ? found->offset : Offset(0);
  };
  log::PartitionOffsets out;
  MR_ASSIGN_OR_RETURN(out.start, ask(kOffsetSpecEarliest, IsolationLevel::read_uncommitted));
  MR_ASSIGN_OR_RETURN(out.last_stable, ask(kOffsetSpecLatest, IsolationLevel::read_committed));
  MR_ASSIGN_OR_RETURN(out.high_watermark, ask(kOffsetSpecLatest, IsolationLevel::read_uncommitted));
  out.end = out.high_watermark;
  readers_.set_bounds(source, out.start, out.last_stable);
  return out;
}

Result<Offset> KafkaLog::offset_for_time(const TopicPartition& source, WallTime time) const {
  MR_ASSIGN_OR_RETURN(const auto found,
                      admin_.list_offset(source, std::max<std::int64_t>(time.value, 0),
                                         IsolationLevel::read_uncommitted));
  if (found) return found->offset;
  MR_ASSIGN_OR_RETURN(const auto end, admin_.list_offset(source, kOffsetSpecLatest,
                                                         IsolationLevel::read_uncommitted));
  return end ? end->offset : Offset(0);
}

Status KafkaLog::delete_records(const TopicPartition& source, Offset before) {
  auto limit = before;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [pinned, oldest] : pins_) {
      if (pinned.second == source) limit = std::min(limit, oldest);
    }
  }
  MR_RETURN_IF_ERROR(admin_.delete_records(source, limit));
  readers_.note_bounds(source, limit, limit);
  return ok_status();
}

Status check_library() {
  const bool is_new_enough = rd_kafka_DescribeTopics != nullptr &&
                             rd_kafka_ListOffsets != nullptr &&
                             rd_kafka_IncrementalAlterConfigs != nullptr &&
                             rd_kafka_consumer_group_metadata_generation_id != nullptr;
  if (is_new_enough) return ok_status();
  return unsupported_error(std::string("librdkafka ") + rd_kafka_version_str() +
                           " is too old: topic ids, ListOffsets and group metadata are missing");
}

constexpr int kSyslogWarning = 4;
// Since Kafka 3.6, on by default: the first part of KIP-890.
constexpr const char* kVerification = "transaction.partition.verification.enable";

// R5: without it a record that a dead producer had on its way may end up in a transaction that
// nobody ends, or in the next one.
void warn_of_torn_transactions(const Handle& handle, std::int32_t broker,
                               const KafkaLogOptions& options) {
  if (!options.on_log_line) return;
  const auto setting = Admin(handle, options).broker_config(broker, kVerification);
  if (setting.is_ok() && setting.value() == "true") return;
  const std::string why = !setting.is_ok()  ? "could not be asked: " + setting.status().to_string()
                          : setting.value() ? "is '" + *setting.value() + "'"
                                            : "is not there, as before Kafka 3.6";
  options.on_log_line(kSyslogWarning, std::string("torn transactions are possible: the brokers' ") +
                                          kVerification + " " + why);
}

}  // namespace

Result<std::unique_ptr<log::SharedLog>> open_kafka_log(const KafkaLogOptions& options,
                                                       const Clock& clock) {
  MR_RETURN_IF_ERROR(check_library());
  MR_RETURN_IF_ERROR(check_options(options));
  MR_ASSIGN_OR_RETURN(auto dial, make_dial(options, clock));
  if (options.security.token) MR_RETURN_IF_ERROR(options.security.token().take_status());
  const auto settings = common_settings(options);
  MR_ASSIGN_OR_RETURN(auto handle, Handle::open(RD_KAFKA_CONSUMER, settings, options));
  const struct rd_kafka_metadata* metadata = nullptr;
  const auto error =
      rd_kafka_metadata(handle->get(), 0, nullptr, &metadata, options.request_timeout_ms);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return disconnected_error("no broker answers at " + options.bootstrap_servers + ": " +
                              rd_kafka_err2str(error) + "; " + handle->last_trouble());
  }
  const auto broker = metadata->broker_cnt > 0 ? metadata->brokers[0].id : -1;
  rd_kafka_metadata_destroy(metadata);
  warn_of_torn_transactions(*handle, broker, options);
  return std::unique_ptr<log::SharedLog>(
      std::make_unique<KafkaLog>(options, clock, std::move(handle), std::move(dial)));
}

bool is_internal_topic(std::string_view name) {
  if (name.starts_with("__")) return true;  // the brokers' own
  return name.starts_with("millrace.") && !name.starts_with("millrace.features.");
}

std::string librdkafka_version() {
  return rd_kafka_version_str();
}

}  // namespace millrace::kafka_client
