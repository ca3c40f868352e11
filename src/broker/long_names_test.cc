// The longest strings that the protocol has, in every request: what is made of them on the way to
// an answer, such as a sentence about them, must be sent, too.

#include <algorithm>

#include "broker/client_for_tests.h"
#include "kafka_wire/message_reader.h"

namespace millrace::broker {
namespace {

const std::string kLongest(kafka_wire::kStringBytesMax, 'x');

// A message with the longest strings, one element per array and the same number everywhere.
struct LongFiller {
  std::int16_t version;
  int number;

  template <class T>
  void fill(T& value) const {
    if constexpr (std::is_same_v<T, bool>) {
      value = number != 0;
    } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
      value = static_cast<T>(number);
    } else if constexpr (std::is_same_v<T, std::string>) {
      value = kLongest;
    } else if constexpr (std::is_same_v<T, kafka_wire::Blob>) {
      value.bytes = "x";
    } else if constexpr (IsVector<T>::value) {
      value.resize(1);
      for (auto& element : value) fill(element);
    } else if constexpr (IsOptional<T>::value) {
      fill(value.emplace());
    } else if constexpr (kafka_wire::Described<T>) {
      fill_fields(value);
    }
  }
  template <class T>
  void fill_fields(T& object) const;
};

template <class T>
struct LongFillVisitor {
  using Object = T;
  const LongFiller& filler;
  T& object;

  template <class Field>
  void field(const char*, Field T::* member, kafka_wire::Versions versions = kafka_wire::kAlways,
             kafka_wire::Versions = kafka_wire::kAlways) {
    if (versions.contains(filler.version)) filler.fill(object.*member);
  }
  template <class Field>
  void tagged(int, const char* name, Field T::* member,
              kafka_wire::Versions versions = kafka_wire::kAlways) {
    field(name, member, versions);
  }
};
template <class T>
void LongFiller::fill_fields(T& object) const {
  LongFillVisitor<T> visitor{*this, object};
  T::visit(visitor);
}

class LongNamesTest : public BrokerTest {
 protected:
  template <class Request>
  void send_all(const kafka_wire::ApiVersionsResponse::Api& api) {
    const auto first = std::max(api.min_version, Request::kInfo.min_version);
    for (std::int16_t version = first; version <= api.max_version; ++version) {
      for (const int number : {0, 1, 2}) {
        Request request;
        LongFiller{version, number}.fill(request);
        auto client = connect();
        client.send(request, version);
        client.send(kafka_wire::ApiVersionsRequest(), 0);
        (void)client.receive_frame();  // of either, or the connection is closed
        expect_alive(Request::kInfo.name);
      }
    }
  }
  void expect_alive(std::string_view after) {
    auto client = connect();
    const auto alive =
        client.call<kafka_wire::ApiVersionsResponse>(kafka_wire::ApiVersionsRequest(), 0);
    EXPECT_FALSE(alive.api_keys.empty()) << after;
  }
  void send_everything() {
    for (const auto& api : broker_->table().advertised()) {
      kafka_wire::for_each_message(kafka_wire::AllMessages(), [&](auto type) {
        using Message = typename decltype(type)::Type;
        if (Message::kInfo.kind == "request" && Message::kInfo.api_key == api.api_key) {
          send_all<Message>(api);
        }
      });
    }
  }
};

TEST_F(LongNamesTest, every_request_with_the_longest_names_is_survived) {
  send_everything();
}

TEST_F(LongNamesTest, every_request_with_the_longest_names_is_survived_by_guards) {
  options_.security.uses_acls = true;
  restart();
  send_everything();
}

TEST_F(LongNamesTest, members_of_a_group_that_is_there_may_have_any_name) {
  create_topic("t");
  kafka_wire::ConsumerGroupHeartbeatRequest beat;
  beat.group_id = "g";
  beat.member_id = "m";
  beat.instance_id = "i";
  beat.rebalance_timeout_ms = 60'000;
  beat.topic_partitions.emplace();
  beat.subscribed_topic_names = {"t"};
  auto client = connect();
  using Response = kafka_wire::ConsumerGroupHeartbeatResponse;
  EXPECT_EQ(client.call<Response>(beat, 1).error_code, kafka_wire::ErrorCode::none);
  const auto error = [&](const std::optional<std::string>& instance_id,
                         const std::string& member_id, std::int32_t epoch) {
    beat.instance_id = instance_id;
    beat.member_id = member_id;
    beat.member_epoch = epoch;
    const auto answer = client.call<Response>(beat, 1);
    EXPECT_FALSE(answer.error_message.value_or("").empty());
    return answer.error_code;
  };
  EXPECT_EQ(error(std::nullopt, kLongest, 1), kafka_wire::ErrorCode::unknown_member_id);
  EXPECT_EQ(error(std::nullopt, kLongest, -1), kafka_wire::ErrorCode::unknown_member_id);
  EXPECT_EQ(error(kLongest, "n", 1), kafka_wire::ErrorCode::unknown_member_id);
  beat.server_assignor = kLongest;
  EXPECT_EQ(error(std::nullopt, "n", 0), kafka_wire::ErrorCode::unsupported_assignor);
}

}  // namespace
}  // namespace millrace::broker
