#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

#include "broker/security.h"

// Access control entries by Kafka's own APIs (KIP-140, KIP-290).

namespace millrace::broker {

using kafka_wire::CreateAclsRequest;
using kafka_wire::CreateAclsResponse;
using kafka_wire::DeleteAclsRequest;
using kafka_wire::DeleteAclsResponse;
using kafka_wire::DescribeAclsRequest;
using kafka_wire::DescribeAclsResponse;
using kafka_wire::ErrorCode;

namespace {

constexpr const char* kDisabled =
    "there are no access control entries here: kafka.authorization is not acl";

Acl acl_of(const CreateAclsRequest::Creation& creation) {
  return {.resource_type = static_cast<ResourceType>(creation.resource_type),
          .resource_name = creation.resource_name,
          .pattern_type = static_cast<PatternType>(creation.resource_pattern_type),
          .principal = creation.principal,
          .host = creation.host,
          .operation = static_cast<AclOperation>(creation.operation),
          .permission = static_cast<AclPermission>(creation.permission_type)};
}

template <class Filter>
AclFilter filter_of(const Filter& filter) {
  return {.resource_type = static_cast<ResourceType>(filter.resource_type_filter),
          .resource_name = filter.resource_name_filter,
          .pattern_type = static_cast<PatternType>(filter.pattern_type_filter),
          .principal = filter.principal_filter,
          .host = filter.host_filter,
          .operation = static_cast<AclOperation>(filter.operation),
          .permission = static_cast<AclPermission>(filter.permission_type)};
}

DeleteAclsResponse::MatchingAcl matching_of(const Acl& acl) {
  return {.error_code = ErrorCode::none,
          .error_message = std::nullopt,
          .resource_type = static_cast<std::int8_t>(acl.resource_type),
          .resource_name = acl.resource_name,
          .pattern_type = static_cast<std::int8_t>(acl.pattern_type),
          .principal = acl.principal,
          .host = acl.host,
          .operation = static_cast<std::int8_t>(acl.operation),
          .permission_type = static_cast<std::int8_t>(acl.permission)};
}

}  // namespace

void Security::create_acls(const CreateAclsRequest& request,
                           const Answer<CreateAclsResponse>& answer) {
  const std::lock_guard lock(changing_);
  CreateAclsResponse response;
  std::vector<SecurityStore::Change> changes;
  std::vector<Acl> added;
  for (const auto& creation : request.creations) {
    auto& out = response.results.emplace_back();
    const Acl acl = acl_of(creation);
    if (authorizer_ == nullptr) {
      out.error_code = ErrorCode::security_disabled;
      out.error_message = kDisabled;
    } else if (const Status status = check_acl(acl); !status.is_ok()) {
      out.error_code = ErrorCode::invalid_request;
      out.error_message = std::string(status.message());
    } else if (!authorizer_->contains(acl)) {
      if (authorizer_->count() + added.size() >= options_.acls_max) {
        out.error_code = ErrorCode::policy_violation;
        out.error_message = "there are " + std::to_string(options_.acls_max) +
                            " access control entries already, as many as there may be";
        continue;
      }
      added.push_back(acl);
      changes.emplace_back(acl, encode_acl_value());
    }
  }
  const auto apply = [&] {
    for (const Acl& acl : added) authorizer_->add(acl);
  };
  store(changes, apply, [response = std::move(response), answer](ErrorCode error) mutable {
    for (auto& result : response.results) {
      if (result.error_code == ErrorCode::none) result.error_code = error;
    }
    answer(std::move(response));
  });
}

void Security::delete_acls(const DeleteAclsRequest& request,
                           const Answer<DeleteAclsResponse>& answer) {
  const std::lock_guard lock(changing_);
  DeleteAclsResponse response;
  std::set<Acl> gone;
  for (const auto& asked : request.filters) {
    auto& out = response.filter_results.emplace_back();
    const AclFilter filter = filter_of(asked);
    if (authorizer_ == nullptr) {
      out.error_code = ErrorCode::security_disabled;
      out.error_message = kDisabled;
    } else if (const Status status = check_filter(filter); !status.is_ok()) {
      out.error_code = ErrorCode::invalid_request;
      out.error_message = std::string(status.message());
    } else {
      for (const Acl& acl : authorizer_->matching(filter)) {
        out.matching_acls.push_back(matching_of(acl));
        gone.insert(acl);
      }
    }
  }
  std::vector<SecurityStore::Change> changes;
  for (const Acl& acl : gone) changes.emplace_back(acl, std::nullopt);
  const auto apply = [&] {
    for (const Acl& acl : gone) authorizer_->remove(acl);
  };
  store(changes, apply, [response = std::move(response), answer](ErrorCode error) mutable {
    for (auto& result : response.filter_results) {
      if (result.error_code == ErrorCode::none) result.error_code = error;
      for (auto& acl : result.matching_acls) acl.error_code = error;
    }
    answer(std::move(response));
  });
}

DescribeAclsResponse Security::describe_acls(const DescribeAclsRequest& request) const {
  DescribeAclsResponse response;
  const AclFilter filter = filter_of(request);
  if (authorizer_ == nullptr) {
    response.error_code = ErrorCode::security_disabled;
    response.error_message = kDisabled;
    return response;
  }
  if (const Status status = check_filter(filter); !status.is_ok()) {
    response.error_code = ErrorCode::invalid_request;
    response.error_message = std::string(status.message());
    return response;
  }
  // In the order of type, name and pattern, so that those of one resource follow each other.
  for (const Acl& acl : authorizer_->matching(filter)) {
    const bool is_same =
        !response.resources.empty() &&
        response.resources.back().resource_name == acl.resource_name &&
        response.resources.back().resource_type == static_cast<std::int8_t>(acl.resource_type) &&
        response.resources.back().pattern_type == static_cast<std::int8_t>(acl.pattern_type);
    if (!is_same) {
      auto& resource = response.resources.emplace_back();
      resource.resource_type = static_cast<std::int8_t>(acl.resource_type);
      resource.resource_name = acl.resource_name;
      resource.pattern_type = static_cast<std::int8_t>(acl.pattern_type);
    }
    response.resources.back().acls.push_back({acl.principal, acl.host,
                                              static_cast<std::int8_t>(acl.operation),
                                              static_cast<std::int8_t>(acl.permission)});
  }
  return response;
}

}  // namespace millrace::broker
