#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/services.h"
#include "broker/topic_admin.h"
#include "kafka_wire/produce.h"
#include "kafka_wire/wire_types.h"

namespace millrace::broker {

// Whether what a client wants to append may be: everything that is true or false without regard to
// what others append. Short-lived; one thread.
class ProduceTopicCheck {
 public:
  ProduceTopicCheck(const Services& services, const std::string& topic,
                    const std::optional<std::string>& transactional_id, std::int16_t api_version);

  // `records` must be exactly one batch of magic 2. `transaction`: whose it is part of, if of any;
  // whether it may be is seen when it is appended.
  [[nodiscard]] std::optional<TopicError> check(
      std::int32_t partition, const kafka_wire::Records& records,
      std::optional<log::ProducerIdentity>& transaction) const;
  // Which records made check() say invalid_record, as far as it was single ones (KIP-467): clients
  // tell those from the others of the batch. Empty: the batch as a whole.
  [[nodiscard]] std::vector<kafka_wire::ProduceResponse::RecordError> invalid_records(
      const kafka_wire::Records& records) const;

 private:
  const std::string& name_;
  const std::optional<std::string>& transactional_id_;
  std::int16_t api_version_;
  std::optional<log::TopicConfig> config_;
  std::optional<TopicError> topic_error_;
};

}  // namespace millrace::broker
