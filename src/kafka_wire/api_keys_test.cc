#include "kafka_wire/api_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "kafka_wire/api_versions.h"
#include "kafka_wire/error_codes.h"

namespace millrace::kafka_wire {
namespace {

std::map<int, VersionRange> ranges(ApiFeature enabled) {
  std::map<int, VersionRange> found;
  for (const auto& api : advertised_apis(enabled)) {
    found[api.api_key] = {api.min_version, api.max_version};
  }
  return found;
}

// The table that was agreed on: what Kafka 4 clients and librdkafka 2.0.2 both accept.
TEST(ApiKeys, AdvertiseTheAgreedRangesWithoutAnyFeature) {
  const std::map<int, VersionRange> expected = {
      {0, {0, 11}}, {1, {4, 12}}, {2, {1, 8}},  {3, {0, 12}}, {8, {2, 9}},  {9, {1, 9}},
      {10, {0, 6}}, {11, {0, 9}}, {12, {0, 4}}, {13, {0, 5}}, {14, {0, 5}}, {15, {0, 6}},
      {16, {0, 5}}, {18, {0, 4}}, {19, {2, 7}}, {20, {1, 6}}, {21, {0, 2}}, {22, {0, 4}},
      {23, {2, 4}}, {24, {0, 3}}, {25, {0, 3}}, {26, {0, 4}}, {27, {1, 1}}, {28, {0, 4}},
      {32, {1, 4}}, {33, {0, 2}}, {35, {1, 4}}, {37, {0, 3}}, {42, {0, 2}}, {44, {0, 1}},
      {47, {0, 0}}, {48, {0, 1}}, {49, {0, 1}}, {60, {0, 2}}, {61, {0, 0}}, {65, {0, 0}},
      {66, {0, 2}}};
  EXPECT_EQ(expected.size(), 37u);
  EXPECT_EQ(ranges(ApiFeature::none), expected);
}

TEST(ApiKeys, AdvertiseMoreWithFeatures) {
  const auto with_ids = ranges(ApiFeature::topic_ids);
  EXPECT_EQ(with_ids.at(0).max, 11) << "Produce 13 includes 12, which needs transactions_v2";
  EXPECT_EQ(with_ids.at(1).max, 17);
  const auto with_v2 = ranges(ApiFeature::topic_ids | ApiFeature::transactions_v2);
  EXPECT_EQ(with_v2.at(0).max, 13);
  EXPECT_EQ(with_v2.at(22).max, 5) << "InitProducerId 6 is two-phase commit";
  EXPECT_EQ(with_v2.at(26).max, 5);
  EXPECT_EQ(with_v2.at(24).max, 3) << "AddPartitionsToTxn 4 is spoken between brokers";
  EXPECT_EQ(ranges(ApiFeature::several_brokers).at(24).max, 5);
  EXPECT_FALSE(with_v2.contains(68));
  EXPECT_EQ(ranges(ApiFeature::consumer_groups).at(68), (VersionRange{0, 1}));
  EXPECT_TRUE(ranges(ApiFeature::sasl).contains(17));
  EXPECT_EQ(ranges(kAllFeatures).size(), all_apis().size());
}

// librdkafka 2.0.2 switches features off unless these very versions are in the ranges.
TEST(ApiKeys, KeepTheOldVersionsThatOldClientsLookFor) {
  const auto advertised = ranges(ApiFeature::none);
  const std::vector<std::pair<int, int>> looked_for = {{0, 0},  {0, 3},  {0, 7},  {1, 4},  {1, 10},
                                                       {2, 1},  {8, 2},  {9, 1},  {10, 0}, {11, 0},
                                                       {12, 0}, {13, 0}, {14, 0}, {22, 0}};
  for (const auto& [key, version] : looked_for) {
    EXPECT_TRUE(advertised.at(key).contains(static_cast<std::int16_t>(version)))
        << key << " v" << version;
  }
}

TEST(ApiKeys, AreFoundByNumber) {
  for (const ApiInfo& api : all_apis()) {
    EXPECT_EQ(find_api(static_cast<std::int16_t>(api.key)), &api);
    EXPECT_LE(api.min_advertised, api.min_known);
    EXPECT_LE(api.min_known, api.max_known);
  }
  for (const int key : {-1, 4, 7, 34, 76, 32767}) {
    EXPECT_EQ(find_api(static_cast<std::int16_t>(key)), nullptr) << key;
  }
}

TEST(ApiVersionsRequest, HasSoftwareOfLettersDigitsDotsAndDashes) {
  const auto is_valid = [](std::string name, std::string version) {
    return ApiVersionsRequest{std::move(name), std::move(version)}.has_valid_software();
  };
  EXPECT_TRUE(is_valid("librdkafka", "2.0.2"));
  EXPECT_TRUE(is_valid("a", "1"));
  EXPECT_TRUE(is_valid("apache-kafka-java", "4.1.0-rc.1"));
  EXPECT_FALSE(is_valid("", "1"));
  EXPECT_FALSE(is_valid("a", ""));
  EXPECT_FALSE(is_valid("-a", "1"));
  EXPECT_FALSE(is_valid("a", "1."));
  EXPECT_FALSE(is_valid("a b", "1"));
}

TEST(ErrorCodes, HaveNamesAndSayWhetherToRetry) {
  EXPECT_EQ(to_string(ErrorCode::none), "NONE");
  EXPECT_EQ(to_string(ErrorCode{-1}), "UNKNOWN_SERVER_ERROR");
  EXPECT_EQ(to_string(ErrorCode{1}), "OFFSET_OUT_OF_RANGE");
  EXPECT_EQ(to_string(ErrorCode{35}), "UNSUPPORTED_VERSION");
  EXPECT_EQ(to_string(ErrorCode{90}), "PRODUCER_FENCED");
  EXPECT_EQ(to_string(kLastErrorCode), "SHARE_SESSION_LIMIT_REACHED");
  EXPECT_EQ(to_string(ErrorCode{999}), "UNKNOWN");
  EXPECT_EQ(to_string(ErrorCode{-2}), "UNKNOWN");
  EXPECT_TRUE(is_retriable(ErrorCode::not_leader_or_follower));
  EXPECT_TRUE(is_retriable(ErrorCode::concurrent_transactions));
  EXPECT_TRUE(is_retriable(ErrorCode::unstable_offset_commit));
  EXPECT_FALSE(is_retriable(ErrorCode::none));
  EXPECT_FALSE(is_retriable(ErrorCode::producer_fenced));
  EXPECT_FALSE(is_retriable(ErrorCode{999}));
}

}  // namespace
}  // namespace millrace::kafka_wire
