#include "kafka_wire/wire_bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "kafka_wire/fetch.h"
#include "kafka_wire/header.h"

namespace millrace::kafka_wire {
namespace {

using testing::ElementsAre;

std::vector<std::string_view> pieces(const WireBytes& bytes) {
  std::vector<std::string_view> found;
  bytes.for_each_piece([&found](std::string_view piece) { found.push_back(piece); });
  return found;
}

TEST(WireBytes, GiveOwnAndForeignBytesInOrder) {
  const std::string a(1000, 'a');
  const std::string b(2000, 'b');
  WireBytes bytes;
  bytes.append("one");
  bytes.append_foreign(a);
  bytes.append_foreign(b);
  bytes.append("two");
  EXPECT_THAT(pieces(bytes), ElementsAre("one", a, b, "two"));
  EXPECT_EQ(pieces(bytes)[1].data(), a.data()) << "not copied";
  EXPECT_EQ(bytes.byte_count(), 3006u);
  EXPECT_EQ(bytes.joined(), "one" + a + b + "two");
  bytes.clear();
  EXPECT_EQ(bytes.byte_count(), 0u);
  EXPECT_THAT(pieces(bytes), ElementsAre());
}

TEST(WireBytes, CopyForeignBytesThatAreShort) {
  const std::string a(WireBytes::kCopiedBytesMax, 'a');
  WireBytes bytes;
  bytes.append("1");
  bytes.append_foreign(a);
  bytes.append_foreign("");
  EXPECT_THAT(pieces(bytes), ElementsAre("1" + a));
}

TEST(WireBytes, TakeBytesInFrontOfWrittenOnes) {
  const std::string a(1000, 'a');
  WireBytes bytes;
  bytes.append("x");
  bytes.append_foreign(a);
  bytes.append("tail");
  bytes.insert(1, "in ");
  EXPECT_EQ(bytes.joined(), "x" + a + "in tail");
}

TEST(Records, AreOnePieceOrSeveral) {
  Records records;
  EXPECT_TRUE(records.is_null());
  EXPECT_FALSE(Records::none().is_null());
  records.append("ab");
  records.append("");
  records.append("c");
  EXPECT_EQ(records.byte_count(), 3u);
  EXPECT_EQ(records.joined(), "abc");
  EXPECT_EQ(records, Records("abc"));
  EXPECT_NE(records, Records("abd"));
  records.set_null();
  EXPECT_NE(records, Records::none());
  EXPECT_EQ(records, Records());
}

TEST(WireBytes, CarryAFetchResponseWhoseBatchesAreNotCopied) {
  const std::string first(4000, '1');
  const std::string second(3000, '2');
  FetchResponse response;
  response.responses.resize(1);
  response.responses[0].topic = "t";
  response.responses[0].partitions.resize(2);
  response.responses[0].partitions[0].records.append(first);
  response.responses[0].partitions[0].records.append(second);
  response.responses[0].partitions[1].records = Records::none();
  for (const auto version : std::initializer_list<std::int16_t>{4, 12}) {
    WireBytes out;
    append_response(response, version, 5, out);
    const auto sent = pieces(out);
    ASSERT_EQ(sent.size(), 4u);
    EXPECT_EQ(sent[1].data(), first.data());
    EXPECT_EQ(sent[2].data(), second.data());

    const std::string whole = out.joined();
    EXPECT_EQ(load_big<std::uint32_t>(whole.data()), whole.size() - kFrameSizeBytes);
    const auto frame =
        parse_response(ApiKey::fetch, version, std::string_view(whole).substr(kFrameSizeBytes));
    ASSERT_TRUE(frame.is_ok());
    FetchResponse read;
    ASSERT_TRUE(decode(frame->body, version, read).is_ok());
    EXPECT_EQ(read, response);
  }
}

}  // namespace
}  // namespace millrace::kafka_wire
