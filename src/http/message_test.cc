#include "http/message.h"

#include <gtest/gtest.h>

#include "http/error_response.h"
#include "http/response_head.h"

namespace millrace::http {
namespace {

TEST(Headers, names_compare_without_case_and_the_first_wins) {
  Headers headers = {{"Content-Type", "text/plain"}, {"X-A", "1"}, {"x-a", "2"}, {"Empty", ""}};
  EXPECT_EQ(headers.find("content-type"), "text/plain");
  EXPECT_EQ(headers.find("X-a"), "1");
  EXPECT_EQ(headers.find("EMPTY"), "");
  EXPECT_EQ(headers.find("X-B"), std::nullopt);
  EXPECT_EQ(headers.size(), 4U);
  EXPECT_EQ(headers.name(2), "x-a");
  EXPECT_EQ(headers.value(2), "2");
}

TEST(Query, numbers_have_a_range_and_a_fallback) {
  Query query;
  query.add("offset", "42");
  query.add("min", "-9223372036854775808");
  query.add("text", "4x");
  query.add("empty", "");
  EXPECT_EQ(*query.number_or("offset", 0, 0, 100), 42);
  EXPECT_EQ(*query.number_or("absent", 7, 0, 100), 7);
  EXPECT_EQ(*query.number_or("min", 0, INT64_MIN, 0), INT64_MIN);
  EXPECT_EQ(query.number_or("text", 0, 0, 9).status().message(),
            "query parameter text=4x must be a whole number from 0 to 9");
  EXPECT_FALSE(query.number_or("empty", 0, 0, 9).is_ok());
  EXPECT_FALSE(query.number_or("offset", 0, 0, 41).is_ok());
  EXPECT_FALSE(query.number_or("offset", 0, 43, 99).is_ok());
}

TEST(ErrorResponse, has_the_shape_and_the_status_of_the_api_page) {
  const Response response = error_response(
      not_found_error("topic ticks does not exist; there are: input_topic, output_topic"));
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(response.body, R"({"error":{"code":"not_found","message":"topic ticks does not exist; )"
                           R"(there are: input_topic, output_topic"}})");
  EXPECT_EQ(http_status(StatusCode::invalid), 400);
  EXPECT_EQ(http_status(StatusCode::exists), 409);
  EXPECT_EQ(http_status(StatusCode::out_of_range), 416);
  EXPECT_EQ(http_status(StatusCode::overloaded), 429);
  EXPECT_EQ(http_status(StatusCode::io), 500);
  EXPECT_EQ(http_status(StatusCode::corrupt), 500);
  EXPECT_EQ(http_status(StatusCode::unsupported), 501);
  EXPECT_EQ(http_status(StatusCode::cancelled), 503);
  EXPECT_EQ(error_response(invalid_error("too large"), 413).status, 413);
}

TEST(ErrorResponse, foreign_bytes_become_valid_json) {
  EXPECT_EQ(error_response(invalid_error("no topic 'a\xff\"'")).body,
            "{\"error\":{\"code\":\"invalid\",\"message\":\"no topic 'a\xef\xbf\xbd\\\"'\"}}");
}

TEST(ResponseHead, is_what_the_protocol_wants) {
  Response response;
  response.body = "12345";
  response.headers.add("Millrace-Start", "0");
  EXPECT_EQ(response_head(response, {.keep_alive = true}),
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n"
            "Millrace-Start: 0\r\n\r\n");
  response.status = 204;
  EXPECT_EQ(response_head(response, {.keep_alive = false}),
            "HTTP/1.1 204 No Content\r\nConnection: close\r\nMillrace-Start: 0\r\n\r\n");
  response.status = 299;
  response.content_type.clear();
  EXPECT_EQ(response_head(response, {.keep_alive = true, .is_http_1_0 = true}),
            "HTTP/1.1 299 \r\nContent-Length: 5\r\nConnection: keep-alive\r\n"
            "Millrace-Start: 0\r\n\r\n");
}

TEST(ResponseHead, a_value_cannot_start_a_field_of_its_own) {
  Response response;
  response.content_type = "text/plain\r\nX-Evil: 1";
  response.headers.add("Location", "/a\r\n\r\nHTTP/1.1 200 OK");
  response.headers.add("Content-Length", "99");
  response.headers.add("connection", "upgrade");
  EXPECT_EQ(response_head(response, {.keep_alive = true}),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain  X-Evil: 1\r\nContent-Length: 0\r\n"
            "Location: /a    HTTP/1.1 200 OK\r\n\r\n");
}

}  // namespace
}  // namespace millrace::http
