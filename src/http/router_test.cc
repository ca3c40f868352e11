#include "http/router.h"

#include <gtest/gtest.h>

#include <optional>

#include "http/url.h"

namespace millrace::http {
namespace {

class CapturedExchange final : public Responder::Exchange {
 public:
  void respond(Response response) override {
    ASSERT_FALSE(answer.has_value());
    answer = std::move(response);
  }
  std::optional<Response> answer;
};

Response ask(const Router& router, std::string method, std::string target) {
  Request request;
  request.method = std::move(method);
  request.target = std::move(target);
  EXPECT_TRUE(parse_target(request).is_ok());
  auto exchange = std::make_shared<CapturedExchange>();
  router.handle(request, Responder(exchange));
  EXPECT_TRUE(exchange->answer.has_value());
  return exchange->answer.value_or(Response{});
}

Handler says(std::string text) {
  return [text](const Request& request, Responder respond) {
    Response response;
    response.body = text;
    for (const auto& [name, value] : request.parameters) response.body += " " + name + "=" + value;
    respond(std::move(response));
  };
}

Router example() {
  Router router;
  router.add("GET /?*", says("root"));
  router.add("GET /topics/{topic}", says("topic"));
  router.add("GET /topics/special", says("special"));
  router.add("GET /topics/{topic}/batches?offset&max_bytes", says("fetch"));
  router.add("POST /topics/{name}/batches", says("append"));
  router.add("GET /{any}/special/{last}", says("any"));
  router.add("DELETE /topics/{topic}", says("delete"));
  return router;
}

TEST(Router, a_query_parameter_that_the_route_does_not_take_is_400_with_the_nearest_one) {
  const Router router = example();
  const auto refused = [&router](const std::string& method, const std::string& target) {
    const auto answer = ask(router, method, target);
    EXPECT_EQ(answer.status, 400) << target;
    return answer.body;
  };
  EXPECT_NE(refused("GET", "/topics/t/batches?offset=1&max_byte=2")
                .find("unknown query parameter 'max_byte'; did you mean 'max_bytes'?"),
            std::string::npos);
  EXPECT_NE(refused("HEAD", "/topics/t/batches?colour").find("there are offset, max_bytes"),
            std::string::npos);
  EXPECT_NE(refused("POST", "/topics/t/batches?offset=1").find("none is known here"),
            std::string::npos);
  EXPECT_NE(refused("GET", "/topics/t/batches?%ff%22=1").find("'%FF%22'"), std::string::npos);
  EXPECT_EQ(ask(router, "GET", "/topics/t/batches?max_bytes=2&offset=1").status, 200);
  EXPECT_EQ(ask(router, "GET", "/?v=7&x").body, "root");
}

TEST(Router, parameters_carry_the_decoded_segment) {
  const Router router = example();
  EXPECT_EQ(ask(router, "GET", "/topics/a%2Fb%20c").body, "topic topic=a/b c");
  EXPECT_EQ(ask(router, "GET", "/topics/t/batches?offset=1").body, "fetch topic=t");
  EXPECT_EQ(ask(router, "POST", "/topics/t/batches").body, "append name=t");
  EXPECT_EQ(ask(router, "GET", "/").body, "root");
}

TEST(Router, a_literal_wins_over_a_parameter_in_any_order_of_adding) {
  const Router router = example();
  EXPECT_EQ(ask(router, "GET", "/topics/special").body, "special");
  EXPECT_EQ(ask(router, "GET", "/topics/special/batches").body, "fetch topic=special");
  EXPECT_EQ(ask(router, "GET", "/x/special/batches").body, "any any=x last=batches");
}

TEST(Router, unknown_paths_are_404_and_unknown_methods_405_with_the_allowed_ones) {
  const Router router = example();
  const Response missing = ask(router, "GET", "/topic/x");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.body,
            R"({"error":{"code":"not_found","message":"there is nothing at /topic/x"}})");
  EXPECT_EQ(ask(router, "GET", "/topics/t/").status, 404);
  EXPECT_EQ(ask(router, "GET", "/topics//batches").status, 404) << "an empty parameter";

  const Response wrong = ask(router, "PUT", "/topics/t");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers.find("Allow"), "DELETE, GET, HEAD");
  EXPECT_EQ(wrong.body, R"({"error":{"code":"unsupported","message":)"
                        R"("/topics/t allows DELETE, GET, HEAD, not PUT"}})");
}

TEST(Router, head_is_answered_by_the_handler_of_get) {
  const Router router = example();
  EXPECT_EQ(ask(router, "HEAD", "/topics/t").body, "topic topic=t");
  EXPECT_EQ(ask(router, "HEAD", "/nothing/there").status, 404);
}

TEST(RouterDeathTest, repeated_and_malformed_patterns_stop_the_program) {
  Router router = example();
  EXPECT_DEATH(router.add("GET /topics/{other}", says("")), "check failed");
  EXPECT_DEATH(router.add("GET topics", says("")), "check failed");
  EXPECT_DEATH(router.add("GET /a{b}", says("")), "check failed");
}

}  // namespace
}  // namespace millrace::http
