#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "broker/consumer_group_record.h"

namespace millrace::broker {

// What a consumer group is at one moment: what its records say, with what can be told from them.
// Changes by apply() only, so that what is stored and what is here cannot differ.
class ConsumerGroupState {
 public:
  using Members = std::map<std::string, ConsumerMember, std::less<>>;

  explicit ConsumerGroupState(ConsumerGroupHeader header) : header_(header) {}
  explicit ConsumerGroupState(ConsumerGroupRecords records);

  [[nodiscard]] const ConsumerGroupHeader& header() const { return header_; }
  [[nodiscard]] const Members& members() const { return members_; }
  // nullptr when there is none.
  [[nodiscard]] const ConsumerMember* find(std::string_view member_id) const;
  [[nodiscard]] const ConsumerMember* find_instance(std::string_view instance_id) const;
  // Some member has it, or has still to give it up.
  [[nodiscard]] bool is_taken(const kafka_wire::Uuid& topic, std::int32_t partition) const;
  // Of what members say.
  [[nodiscard]] std::size_t byte_count() const { return bytes_; }
  // As Kafka's tools show it: "Reconciling".
  [[nodiscard]] std::string_view name() const;

  void apply(const ConsumerGroupChange& change);

 private:
  void remove(Members::iterator at);
  void add(const ConsumerMember& member);
  void count(const Assignment& partitions, int by);

  ConsumerGroupHeader header_;
  Members members_;
  std::map<std::string, std::string, std::less<>> instances_;  // instance id -> member id
  // How many have each partition, by its number; never more than one, but for damaged records.
  std::map<kafka_wire::Uuid, std::vector<std::int32_t>> takers_;
  std::size_t bytes_ = 0;
};

}  // namespace millrace::broker
