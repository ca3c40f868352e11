#include <algorithm>
#include <utility>

#include "broker/group_coordinator_internal.h"

namespace millrace::broker {

using kafka_wire::DeleteGroupsRequest;
using kafka_wire::DeleteGroupsResponse;
using kafka_wire::DescribeGroupsRequest;
using kafka_wire::DescribeGroupsResponse;
using kafka_wire::ErrorCode;
using kafka_wire::ListGroupsRequest;
using kafka_wire::ListGroupsResponse;

namespace {

constexpr std::int16_t kVersionNotFoundIsAnError = 6;
constexpr std::string_view kClassicType = "classic";

bool is_same_word(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

bool passes(const std::vector<std::string>& filter, std::string_view word) {
  return filter.empty() || std::any_of(filter.begin(), filter.end(), [&](const auto& wanted) {
           return is_same_word(wanted, word);
         });
}

}  // namespace

void GroupCoordinator::Impl::describe(const DescribeGroupsRequest& request, std::int16_t version,
                                      Answer<DescribeGroupsResponse> answer) {
  DescribeGroupsResponse response;
  run([&](GroupTurn& turn) {
    for (const auto& id : request.groups) {
      auto& shown = response.groups.emplace_back();
      shown.group_id = id;
      const ErrorCode error = check_group(id);
      const Entry* const entry = find_or_adopt(id, turn);
      if (error != ErrorCode::none && error != ErrorCode::group_authorization_failed) {
        shown.error_code = error;
      } else if (entry != nullptr && entry->group->classic() != nullptr) {
        shown = entry->group->classic()->describe();
      } else if (entry != nullptr) {
        shown.group_state = to_string(GroupState::dead);
        if (version >= kVersionNotFoundIsAnError) {
          shown.error_code = ErrorCode::group_id_not_found;
          shown.error_message = "group " + id + " is not a classic group";
        }
      } else if (!ports_.log.group_offsets(id).empty()) {
        shown.group_state = to_string(GroupState::empty);  // a pipeline's
      } else {
        shown.group_state = to_string(GroupState::dead);
        if (version >= kVersionNotFoundIsAnError) {
          shown.error_code = ErrorCode::group_id_not_found;
          shown.error_message = "group " + id + " does not exist";
        }
      }
    }
  });
  answer(std::move(response));
}

void GroupCoordinator::Impl::list(const ListGroupsRequest& request,
                                  Answer<ListGroupsResponse> answer) {
  const auto with_offsets = ports_.log.groups();
  ListGroupsResponse response;
  run([&](GroupTurn&) {
    if (!is_running_) {
      response.error_code = ErrorCode::coordinator_not_available;
      return;
    }
    const auto show = [&](const std::string& id, std::string_view state, std::string_view type,
                          std::string protocol_type) {
      if (!passes(request.states_filter, state) || !passes(request.types_filter, type)) return;
      response.groups.push_back(
          {id, std::move(protocol_type), std::string(state), std::string(type)});
    };
    for (const auto& [id, entry] : groups_) {
      show(id, entry.group->state_name(), entry.group->type(),
           entry.group->protocol_type().value_or(""));
    }
    for (const auto& id : with_offsets) {
      if (!groups_.contains(id)) show(id, to_string(GroupState::empty), kClassicType, "");
    }
  });
  answer(std::move(response));
}

void GroupCoordinator::Impl::delete_groups(const DeleteGroupsRequest& request,
                                           Answer<DeleteGroupsResponse> answer) {
  run([&](GroupTurn& turn) {
    DeleteGroupsResponse response;
    log::CommitSequence after = kAtOnce;
    for (const auto& id : request.groups_names) {
      auto& result = response.results.emplace_back();
      result.group_id = id;
      result.error_code = check_group(id);
      if (result.error_code != ErrorCode::none) continue;
      const Entry* const entry = find_or_adopt(id, turn);
      if (entry == nullptr) {
        result.error_code = ErrorCode::group_id_not_found;
      } else if (entry->group->member_count() > 0) {
        result.error_code = ErrorCode::non_empty_group;
      } else {
        const auto dropped = drop_group(groups_.find(id), turn);
        if (!dropped.is_ok()) result.error_code = ErrorCode::coordinator_not_available;
        if (dropped.is_ok()) after = std::max(after, *dropped);
      }
    }
    turn.answers.push_back(
        {after, [answer, response = std::move(response)](const Status& status) mutable {
           for (auto& result : response.results) {
             if (status.is_ok() || result.error_code != ErrorCode::none) continue;
             result.error_code = ErrorCode::coordinator_not_available;
           }
           answer(std::move(response));
         }});
  });
}

}  // namespace millrace::broker
