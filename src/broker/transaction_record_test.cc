#include "broker/transaction_record.h"

#include <gtest/gtest.h>

#include "log/log_test_support.h"

namespace millrace::broker {
namespace {

// Made by hand from docs/formats/transaction_record.md.
constexpr std::string_view kOngoing =
    "01c03e0ec03e0cc0a9070180a0abfef9628aa0abfef96201066f726465727388"
    "776655443322110200060101670102696e02d804016d";
constexpr std::string_view kAborted = "01c03e100101c0a9070380a0abfef9628aa0abfef9620000";
constexpr std::string_view kKey = "01027478";

TransactionRecord ongoing() {
  TransactionRecord record;
  record.producer = {ProducerId(4000), ProducerEpoch(7)};
  record.previous = {ProducerId(4000), ProducerEpoch(6)};
  record.timeout_ms = 60'000;
  record.state = TransactionState::ongoing;
  record.started = WallTime(1'700'000'000'000);
  record.changed = WallTime(1'700'000'000'005);
  record.topics["orders"] = {.incarnation = 0x1122334455667788, .partitions = {0, 3}};
  record.groups["g"][{"in", 1}] = {Offset(300), "m"};
  return record;
}

TransactionRecord aborted() {
  TransactionRecord record = ongoing();
  record.producer.epoch = ProducerEpoch(8);
  record.previous = {kNoProducerId, kNoProducerEpoch};
  record.state = TransactionState::complete_abort;
  record.topics.clear();
  record.groups.clear();
  return record;
}

TEST(TransactionRecord, it_has_these_bytes) {
  EXPECT_EQ(encode_transaction_record(ongoing()), log::from_hex(kOngoing));
  EXPECT_EQ(encode_transaction_record(aborted()), log::from_hex(kAborted));
  EXPECT_EQ(encode_transaction_key("tx"), log::from_hex(kKey));
}

TEST(TransactionRecord, the_bytes_read_back) {
  for (const auto& [hex, expected] :
       {std::pair{kOngoing, ongoing()}, std::pair{kAborted, aborted()}}) {
    const auto found = decode_transaction_record(log::from_hex(hex));
    ASSERT_TRUE(found.is_ok()) << found.status().to_string();
    EXPECT_EQ(encode_transaction_record(found.value()), log::from_hex(hex));
    EXPECT_EQ(found.value().producer.id, expected.producer.id);
    EXPECT_EQ(found.value().producer.epoch, expected.producer.epoch);
    EXPECT_EQ(found.value().state, expected.state);
    EXPECT_EQ(found.value().topics, expected.topics);
    EXPECT_EQ(found.value().groups, expected.groups);
  }
  EXPECT_EQ(decode_transaction_key(log::from_hex(kKey)).value(), "tx");
}

TEST(TransactionRecord, what_cannot_be_is_refused) {
  const std::string golden = log::from_hex(kOngoing);
  for (std::size_t at = 0; at < golden.size(); ++at) {
    EXPECT_FALSE(decode_transaction_record(golden.substr(0, at)).is_ok()) << at;
  }
  EXPECT_EQ(decode_transaction_record(golden + "x").status().code(), StatusCode::corrupt);
  std::string newer = golden;
  newer[0] = 2;
  EXPECT_EQ(decode_transaction_record(newer).status().code(), StatusCode::unsupported);
  auto impossible = ongoing();
  impossible.state = TransactionState::complete_commit;  // with partitions left
  EXPECT_EQ(decode_transaction_record(encode_transaction_record(impossible)).status().code(),
            StatusCode::corrupt);
  impossible = ongoing();
  impossible.timeout_ms = 0;
  EXPECT_FALSE(decode_transaction_record(encode_transaction_record(impossible)).is_ok());
  impossible = ongoing();
  impossible.producer.epoch = ProducerEpoch(INT16_MAX);  // no epoch left to end it with
  EXPECT_FALSE(decode_transaction_record(encode_transaction_record(impossible)).is_ok());
  EXPECT_FALSE(decode_transaction_key(log::from_hex("0100")).is_ok());
}

}  // namespace
}  // namespace millrace::broker
