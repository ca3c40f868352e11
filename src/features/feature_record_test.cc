#include "features/feature_record.h"

#include <gtest/gtest.h>

namespace millrace::features {
namespace {

RecordView record_of(std::optional<std::string_view> key, std::optional<std::string_view> value) {
  RecordView record;
  record.key = key;
  record.value = value;
  return record;
}

TEST(FeatureDecoder, reads_the_id_the_event_time_and_the_revision) {
  FeatureDecoder decoder("window_end");
  constexpr std::string_view kJson =
      R"({"ticker":"KO","window_end":"1970-01-01T00:01:00.5Z","revision":3,"n":7})";
  const auto feature = decoder.decode(record_of("KO", kJson));
  ASSERT_TRUE(feature.is_ok()) << feature.status().to_string();
  EXPECT_EQ(feature->record_id, "KO");
  EXPECT_EQ(feature->event_time, EventTime(60'500'000));
  EXPECT_EQ(feature->revision, 3);
  EXPECT_EQ(feature->json, kJson);
  ASSERT_EQ(feature->members.size(), 4u);
  EXPECT_EQ(feature->members[3].key.as_string(), "n");
}

TEST(FeatureDecoder, a_record_without_a_revision_is_revision_0) {
  FeatureDecoder decoder("at");
  const auto feature = decoder.decode(record_of("a", R"({"at":"1969-12-31T23:59:59.9999999Z"})"));
  ASSERT_TRUE(feature.is_ok()) << feature.status().to_string();
  EXPECT_EQ(feature->revision, 0);
  EXPECT_EQ(feature->event_time, EventTime(-1));
}

TEST(FeatureDecoder, says_what_is_wrong_with_a_foreign_record) {
  FeatureDecoder decoder("window_end");
  const auto message = [&](std::optional<std::string_view> key,
                           std::optional<std::string_view> value) {
    const auto feature = decoder.decode(record_of(key, value));
    EXPECT_EQ(feature.status().code(), StatusCode::invalid);
    return feature.is_ok() ? std::string() : std::string(feature.status().message());
  };
  constexpr std::string_view kGood = R"({"window_end":"2012-06-21T13:30:00Z"})";
  const std::string too_long(kRecordIdBytesMax + 1, 'x');
  EXPECT_NE(message(std::nullopt, kGood).find("key"), std::string::npos);
  EXPECT_NE(message("\xff", kGood).find("key"), std::string::npos);
  EXPECT_NE(message(too_long, kGood).find("8192"), std::string::npos);
  EXPECT_NE(message("a", std::nullopt).find("JSON object"), std::string::npos);
  EXPECT_NE(message("a", "[1]").find("JSON object"), std::string::npos);
  EXPECT_NE(message("a", "{").size(), 0u);
  EXPECT_NE(message("a", R"({"revision":1})").find("no member window_end"), std::string::npos);
  EXPECT_NE(message("a", R"({"window_end":5})").find("RFC 3339"), std::string::npos);
  EXPECT_NE(message("a", R"({"window_end":"noon"})").find("RFC 3339"), std::string::npos);
  EXPECT_NE(message("a", R"({"window_end":"2012-06-21T13:30:00Z","revision":"1"})").find("whole"),
            std::string::npos);
}

TEST(IsNewer, event_time_decides_before_the_revision_and_equal_ones_are_not) {
  const FeatureRecord known{"a", EventTime(100), 5, "{}"};
  EXPECT_TRUE(is_newer(EventTime(101), 1, known));
  EXPECT_FALSE(is_newer(EventTime(99), 9, known));
  EXPECT_TRUE(is_newer(EventTime(100), 6, known));
  EXPECT_FALSE(is_newer(EventTime(100), 5, known));
  EXPECT_FALSE(is_newer(EventTime(100), 4, known));
}

}  // namespace
}  // namespace millrace::features
