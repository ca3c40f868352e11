#include "broker/authorize_internal.h"
#include "kafka_wire/metadata.h"

namespace millrace::broker {

using kafka_wire::DescribeTopicPartitionsRequest;
using kafka_wire::DescribeTopicPartitionsResponse;
using kafka_wire::ErrorCode;
using kafka_wire::kOperationsNotAsked;
using kafka_wire::MetadataRequest;
using kafka_wire::MetadataResponse;
using enum AclOperation;

namespace {

constexpr ErrorCode kRefused = ErrorCode::topic_authorization_failed;

// What is refused is told without a word about whether it exists. Ids are no secret, names are.
class MetadataCheck {
 public:
  MetadataCheck(const Services& services, const Access& access, const Call& call,
                const MetadataRequest& request)
      : services_(services),
        access_(access),
        creates_((call.api_version < 4 || request.allow_auto_topic_creation) &&
                 services.defaults.auto_create),
        may_create_all_(creates_ && access.on_cluster(create)) {}

  [[nodiscard]] bool is_refused(const MetadataRequest::Topic& asked) {
    const bool is_by_id = !asked.name || asked.name->empty();
    const auto name = is_by_id ? services_.topic_ids->name_of(asked.topic_id) : asked.name;
    if (!name) return false;  // the handler says that there is none
    const bool may_describe = access_.on_topic(describe, *name);
    const bool would_create = may_describe && !is_by_id && creates_ && !may_create_all_ &&
                              !services_.log->topic(*name).is_ok();
    if (may_describe && (!would_create || access_.on_topic(create, *name))) return false;
    auto& out = refused.emplace_back();
    out.error_code = kRefused;
    if (is_by_id) {
      out.topic_id = asked.topic_id;
    } else {
      out.name = name;
    }
    return true;
  }

  std::vector<MetadataResponse::Topic> refused;

 private:
  const Services& services_;
  const Access& access_;
  bool creates_;
  bool may_create_all_;
};

void amend(const Access& access, bool lists_all, MetadataResponse& response) {
  if (lists_all) {
    std::erase_if(response.topics, [&](const auto& topic) {
      return !access.on_topic(describe, topic.name.value_or(""));
    });
  }
  for (auto& topic : response.topics) {
    if (topic.topic_authorized_operations == kOperationsNotAsked) continue;
    topic.topic_authorized_operations =
        access.operations(ResourceType::topic, topic.name.value_or(""));
  }
  if (response.cluster_authorized_operations == kOperationsNotAsked) return;
  response.cluster_authorized_operations =
      access.on_cluster(describe) ? access.operations(ResourceType::cluster, kClusterName) : 0;
}

void guard_pages(const Authorization& to) {
  guard<DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse>(
      to, [&services = to.services](const Access& access, const Call&,
                                    DescribeTopicPartitionsRequest& request,
                                    Responder<DescribeTopicPartitionsResponse>& respond) {
        const bool lists_all = request.topics.empty();
        if (lists_all) {
          for (const auto& topic : services.log->topics()) request.topics.push_back({topic.name});
        }
        auto refused = take_refused(request.topics, [&](const auto& topic) {
          return access.on_topic(describe, topic.name);
        });
        if (lists_all) refused.clear();
        const auto add_refused = [refused = std::move(refused),
                                  access](DescribeTopicPartitionsResponse& response) {
          for (auto& topic : response.topics) {
            topic.topic_authorized_operations =
                access.operations(ResourceType::topic, topic.name.value_or(""));
          }
          for (const auto& topic : refused) {
            auto& out = response.topics.emplace_back();
            out.name = topic.name;
            out.error_code = kRefused;
          }
        };
        if (!request.topics.empty()) {
          respond.set_amendment(add_refused);
          return true;
        }
        // An empty list would ask for all.
        DescribeTopicPartitionsResponse response;
        add_refused(response);
        respond(response);
        return false;
      });
}

}  // namespace

void guard_metadata(const Authorization& to) {
  guard<MetadataRequest, MetadataResponse>(to, [&services = to.services](
                                                   const Access& access, const Call& call,
                                                   MetadataRequest& request,
                                                   Responder<MetadataResponse>& respond) {
    const bool lists_all = !request.topics || (call.api_version == 0 && request.topics->empty());
    MetadataCheck check(services, access, call, request);
    if (!lists_all) {
      std::erase_if(*request.topics, [&](const auto& asked) { return check.is_refused(asked); });
    }
    // In version 0 an empty list asks for all.
    const bool are_all_refused = !lists_all && request.topics->empty();
    respond.set_amendment([refused = std::move(check.refused), access, lists_all,
                           are_all_refused](MetadataResponse& response) {
      if (are_all_refused) response.topics.clear();
      amend(access, lists_all, response);
      response.topics.insert(response.topics.end(), refused.begin(), refused.end());
    });
    return true;
  });
  guard_pages(to);
}

}  // namespace millrace::broker
