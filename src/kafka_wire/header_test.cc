#include "kafka_wire/header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <tuple>

#include "kafka_wire/api_versions.h"
#include "kafka_wire/error_codes.h"
#include "kafka_wire/group_membership.h"
#include "kafka_wire/metadata.h"
#include "kafka_wire/produce.h"

namespace millrace::kafka_wire {
namespace {

using std::string_literals::operator""s;
using testing::HasSubstr;

// testdata/headers.hex has these four headers from another implementation.
const auto kMetadata8 = "\x00\x03\x00\x08\x04\x2c\x1d\x81\x00\x08"s + "client-7";
const auto kMetadata8NoClient = "\x00\x03\x00\x08\x04\x2c\x1d\x81\xff\xff"s;
const auto kMetadata9 = "\x00\x03\x00\x09\x04\x2c\x1d\x81\x00\x08"s + "client-7" + "\0"s;
const auto kMetadata9NoClient = "\x00\x03\x00\x09\x04\x2c\x1d\x81\xff\xff\x00"s;

TEST(RequestHeader, IsReadInBothVersions) {
  for (const auto& [bytes, version, client_id] :
       {std::tuple{kMetadata8, 8, std::optional("client-7"s)},
        std::tuple{kMetadata8NoClient, 8, std::optional<std::string>()},
        std::tuple{kMetadata9, 9, std::optional("client-7"s)},
        std::tuple{kMetadata9NoClient, 9, std::optional<std::string>()}}) {
    const std::string frame_bytes = bytes + "body";
    const auto request = parse_request(frame_bytes);
    ASSERT_TRUE(request.is_ok());
    const RequestFrame& frame = request.value();
    EXPECT_EQ(frame.header.api_version, version);
    EXPECT_EQ(frame.header.correlation_id, 70'000'001);
    EXPECT_EQ(frame.header.client_id, client_id);
    EXPECT_TRUE(frame.has_known_version);
    EXPECT_EQ(frame.api->name, "Metadata");
    EXPECT_EQ(frame.body, "body");

    WireBytes out;
    end_frame(begin_request(frame.header, out), out);
    EXPECT_EQ(out.joined().substr(kFrameSizeBytes), bytes);
  }
}

TEST(RequestHeader, IsRefusedWhenCutAnywhere) {
  for (const auto& bytes : {kMetadata8, kMetadata8NoClient, kMetadata9, kMetadata9NoClient}) {
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      const auto request = parse_request(std::string_view(bytes).substr(0, length));
      ASSERT_FALSE(request.is_ok()) << length;
      EXPECT_EQ(request.status().code(), StatusCode::invalid);
    }
  }
  EXPECT_EQ(parse_request(kMetadata8.substr(0, 12)).status().message(),
            "Metadata v8 request header, client_id at byte 10: 8 bytes needed, 2 left");
}

TEST(RequestHeader, MayHaveTaggedFieldsThatNobodyKnows) {
  const auto bytes = "\x00\x03\x00\x09\x00\x00\x00\x01\xff\xff\x01\x09\x02zz"s + "body";
  const auto request = parse_request(bytes);
  ASSERT_TRUE(request.is_ok());
  EXPECT_EQ(request->body, "body");
}

TEST(RequestHeader, OfAnUnknownApiOrVersionKeepsItsCorrelationId) {
  const auto unknown_api = parse_request("\x03\xe8\x00\x00\x00\x00\x00\x07garbage"s);
  ASSERT_TRUE(unknown_api.is_ok());
  EXPECT_EQ(unknown_api->api, nullptr);
  EXPECT_FALSE(unknown_api->has_known_version);
  EXPECT_EQ(unknown_api->header.correlation_id, 7);

  // What a client from the future opens with (KIP-511).
  const auto future = parse_request("\x00\x12\x00\x63\x00\x00\x00\x08\xff"s);
  ASSERT_TRUE(future.is_ok());
  EXPECT_EQ(future->api->key, ApiKey::api_versions);
  EXPECT_FALSE(future->has_known_version);
  EXPECT_EQ(future->header.correlation_id, 8);
}

TEST(RequestHeader, OfAnOldProduceIsReadThoughItsBodyIsNot) {
  const auto old = parse_request("\x00\x00\x00\x02\x00\x00\x00\x09\x00\x02me"s + "body");
  ASSERT_TRUE(old.is_ok());
  EXPECT_FALSE(old->has_known_version);
  EXPECT_EQ(old->header.client_id, "me");
  EXPECT_EQ(old->body, "");
}

TEST(ResponseHeader, HasTaggedFieldsWhenTheBodyIsFlexible) {
  HeartbeatResponse response;
  response.error_code = ErrorCode::rebalance_in_progress;
  WireBytes out;
  append_response(response, 3, 9, out);
  append_response(response, 4, 9, out);
  EXPECT_EQ(out.joined(),
            "\0\0\0\x0a\0\0\0\x09\0\0\0\0\0\x1b"s
            "\0\0\0\x0c\0\0\0\x09\0\0\0\0\0\0\x1b\0"s);
}

TEST(ResponseHeader, OfApiVersionsNeverHasTaggedFields) {
  ApiVersionsResponse response;
  for (const auto version : std::initializer_list<std::int16_t>{0, 3, 4}) {
    WireBytes out;
    append_response(response, version, 9, out);
    const std::string whole = out.joined();
    EXPECT_EQ(whole.substr(8), encoded(response, version)) << "nothing behind the correlation id";
    const auto frame = parse_response(ApiKey::api_versions, version, whole.substr(4));
    ASSERT_TRUE(frame.is_ok());
    EXPECT_EQ(frame->correlation_id, 9);
  }
}

TEST(ResponseHeader, IsRefusedWhenCut) {
  EXPECT_THAT(parse_response(ApiKey::heartbeat, 4, "\0\0\0"s).status().to_string(),
              HasSubstr("Heartbeat v4 response header at byte 0: 4 bytes needed, 3 left"));
  EXPECT_FALSE(parse_response(ApiKey::heartbeat, 4, "\0\0\0\1"s).is_ok()) << "no tagged fields";
  EXPECT_TRUE(parse_response(ApiKey::heartbeat, 3, "\0\0\0\1"s).is_ok());
}

TEST(Frames, CarryARequestThereAndBack) {
  MetadataRequest request;
  request.topics.emplace();
  request.topics->resize(1);
  request.topics->front().name = "ticks";
  WireBytes out;
  append_request(request, 12, 77, "me", out);
  const std::string whole = out.joined();
  EXPECT_EQ(load_big<std::uint32_t>(whole.data()), whole.size() - kFrameSizeBytes);
  const std::string_view bytes = std::string_view(whole).substr(kFrameSizeBytes);
  const auto frame = parse_request(bytes);
  ASSERT_TRUE(frame.is_ok());
  EXPECT_EQ(frame->header, (RequestHeader{3, 12, 77, "me"}));
  MetadataRequest read;
  ASSERT_TRUE(decode(frame->body, 12, read).is_ok());
  EXPECT_EQ(read, request);
}

}  // namespace
}  // namespace millrace::kafka_wire
