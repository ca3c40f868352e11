#include "http/url.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace millrace::http {
namespace {

Request parsed(std::string target) {
  Request request;
  request.target = std::move(target);
  const Status status = parse_target(request);
  EXPECT_TRUE(status.is_ok()) << status.to_string();
  return request;
}

Status parse_status(std::string target) {
  Request request;
  request.target = std::move(target);
  return parse_target(request);
}

TEST(PercentEncoding, only_unreserved_characters_stay) {
  EXPECT_EQ(percent_encode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encode("a b/c?&=+%"), "a%20b%2Fc%3F%26%3D%2B%25");
  EXPECT_EQ(percent_encode("\xc3\xa4"), "%C3%A4");
  EXPECT_EQ(percent_encode(std::string_view("\0", 1)), "%00");
}

TEST(PercentEncoding, any_bytes_survive_the_round_trip) {
  const std::uint64_t seed = 7;
  Random random(seed);
  for (int i = 0; i < 500; ++i) {
    std::string bytes;
    const auto count = random.next() % 40;
    for (std::uint64_t j = 0; j < count; ++j) bytes.push_back(static_cast<char>(random.next()));
    auto decoded = percent_decode(percent_encode(bytes));
    ASSERT_TRUE(decoded.is_ok()) << "seed " << seed;
    EXPECT_EQ(*decoded, bytes) << "seed " << seed;
  }
}

TEST(PercentEncoding, decoding_takes_both_cases_and_refuses_half_escapes) {
  EXPECT_EQ(*percent_decode("%2f%2F"), "//");
  EXPECT_EQ(*percent_decode("a+b"), "a+b");
  EXPECT_EQ(*percent_decode("a+b", Plus::space), "a b");
  for (const char* wrong : {"%", "%4", "a%", "%zz", "%4g", "%%20"}) {
    EXPECT_EQ(percent_decode(wrong).status().code(), StatusCode::invalid) << wrong;
  }
  EXPECT_EQ(percent_decode("x%4g").status().message(),
            "% must be followed by two hex digits, as in %20; got \"%4g\"");
}

TEST(ParseTarget, splits_before_it_decodes) {
  const Request request =
      parsed("/api/v1/topics/a%2Fb%20c/batches?partition=3&wait_ms=&flag&q=a%26b+c");
  EXPECT_EQ(request.path, "/api/v1/topics/a%2Fb%20c/batches");
  EXPECT_EQ(request.segments,
            (std::vector<std::string>{"api", "v1", "topics", "a/b c", "batches"}));
  EXPECT_EQ(request.query.find("partition"), "3");
  EXPECT_EQ(request.query.find("wait_ms"), "");
  EXPECT_EQ(request.query.find("flag"), "");
  EXPECT_EQ(request.query.find("q"), "a&b c");
  EXPECT_EQ(request.query.find("none"), std::nullopt);
}

TEST(ParseTarget, slashes_are_significant) {
  EXPECT_TRUE(parsed("/").segments.empty());
  EXPECT_EQ(parsed("/a").segments, (std::vector<std::string>{"a"}));
  EXPECT_EQ(parsed("/a/").segments, (std::vector<std::string>{"a", ""}));
  EXPECT_EQ(parsed("//a").segments, (std::vector<std::string>{"", "a"}));
  EXPECT_EQ(parsed("/?a=1").query.find("a"), "1");
}

TEST(ParseTarget, understands_the_absolute_form) {
  EXPECT_EQ(parsed("http://127.0.0.1:8080/a/b?c=d").path, "/a/b");
  EXPECT_EQ(parsed("HTTP://host").path, "/");
}

TEST(ParseTarget, refuses_what_is_no_path_and_what_is_too_much) {
  for (const char* wrong : {"", "*", "a/b", "host:80", "?a=b", "/%", "/a?b=%4"}) {
    EXPECT_EQ(parse_status(wrong).code(), StatusCode::invalid) << wrong;
  }
  std::string path;
  for (std::size_t i = 0; i < kPathSegmentsMax; ++i) path += "/a";
  EXPECT_TRUE(parse_status(path).is_ok());
  EXPECT_EQ(parse_status(path + "/a").code(), StatusCode::invalid);
  std::string query = "/?";
  for (std::size_t i = 0; i < kQueryParametersMax; ++i) query += "a&";
  EXPECT_TRUE(parse_status(query).is_ok());
  EXPECT_EQ(parse_status(query + "a").code(), StatusCode::invalid);
}

TEST(Address, is_read_and_written_in_one_form) {
  for (const char* text : {"127.0.0.1:8080", "localhost:1", "[::1]:65535"}) {
    auto address = parse_address(text);
    ASSERT_TRUE(address.is_ok()) << text;
    EXPECT_EQ(to_string(*address), text);
  }
  for (const char* wrong :
       {"", "host", "host:", ":80", "host:0", "host:65536", "host:8x", "::1:80"}) {
    EXPECT_EQ(parse_address(wrong).status().code(), StatusCode::invalid) << wrong;
  }
}

}  // namespace
}  // namespace millrace::http
