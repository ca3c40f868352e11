#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "broker/security.h"

// SCRAM credentials by Kafka's own APIs (KIP-554).

namespace millrace::broker {

using kafka_wire::AlterUserScramCredentialsRequest;
using kafka_wire::AlterUserScramCredentialsResponse;
using kafka_wire::DescribeUserScramCredentialsRequest;
using kafka_wire::DescribeUserScramCredentialsResponse;
using kafka_wire::ErrorCode;
using kafka_wire::ScramMechanism;

namespace {

constexpr std::size_t kUserNameBytesMax = 1024;
constexpr std::size_t kSaltBytesMax = 1024;

std::optional<ScramHash> hash_of(ScramMechanism mechanism) {
  if (mechanism == ScramMechanism::sha_256) return ScramHash::sha_256;
  if (mechanism == ScramMechanism::sha_512) return ScramHash::sha_512;
  return std::nullopt;
}

struct Fault {
  ErrorCode code = ErrorCode::none;
  std::string message;
};

std::optional<Fault> fault_of_name(const std::string& user) {
  if (!user.empty() && user.size() <= kUserNameBytesMax) return std::nullopt;
  return Fault{ErrorCode::unacceptable_credential,
               "a user's name has 1 to " + std::to_string(kUserNameBytesMax) + " bytes"};
}

std::optional<Fault> fault_of_mechanism(ScramMechanism mechanism) {
  if (hash_of(mechanism)) return std::nullopt;
  return Fault{ErrorCode::unsupported_sasl_mechanism,
               "mechanisms are 1 (SCRAM-SHA-256) and 2 (SCRAM-SHA-512)"};
}

std::optional<Fault> fault_of_upsertion(
    const AlterUserScramCredentialsRequest::Upsertion& upsertion) {
  if (upsertion.iterations < kScramIterationsMin || upsertion.iterations > kScramIterationsMax) {
    return Fault{ErrorCode::unacceptable_credential,
                 "iterations must be from " + std::to_string(kScramIterationsMin) + " to " +
                     std::to_string(kScramIterationsMax)};
  }
  const auto hash = hash_of(upsertion.mechanism).value();
  if (upsertion.salt.bytes.empty() || upsertion.salt.bytes.size() > kSaltBytesMax ||
      upsertion.salted_password.bytes.size() != hash_bytes(hash)) {
    return Fault{ErrorCode::unacceptable_credential,
                 "the salt must not be empty, and the salted password must be as long as the hash"};
  }
  return std::nullopt;
}

// One user's part of an alteration: all of it or nothing.
struct UserChange {
  std::optional<Fault> fault;
  std::set<ScramMechanism> seen;
  std::vector<SecurityStore::Change> records;
  std::vector<std::pair<ScramUserKey, std::optional<ScramCredential>>> credentials;

  // False when there is a fault already or now.
  bool check(const std::string& user, ScramMechanism mechanism, bool is_fixed) {
    if (!fault) fault = fault_of_name(user);
    if (!fault) fault = fault_of_mechanism(mechanism);
    if (!fault && is_fixed) {
      fault = {ErrorCode::unacceptable_credential,
               "user " + user + " is one of kafka.sasl.users_file, and is changed there"};
    }
    if (!fault && !seen.insert(mechanism).second) {
      fault = {ErrorCode::duplicate_resource,
               "a user's credential cannot be altered twice in one request"};
    }
    return !fault;
  }
};

}  // namespace

void Security::alter_users(const AlterUserScramCredentialsRequest& request,
                           const Answer<AlterUserScramCredentialsResponse>& answer) {
  const std::lock_guard lock(changing_);
  std::map<std::string, UserChange> users;
  std::size_t room =
      options_.scram_users_max - std::min(options_.scram_users_max, users_.iterations().size());
  for (const auto& deletion : request.deletions) {
    auto& change = users[deletion.name];
    if (!change.check(deletion.name, deletion.mechanism, users_.is_fixed(deletion.name))) continue;
    const ScramUserKey key{deletion.name, hash_of(deletion.mechanism).value()};
    if (!users_.contains(key)) {
      change.fault = {ErrorCode::resource_not_found, "there is no such credential to delete"};
      continue;
    }
    change.records.emplace_back(key, std::nullopt);
    change.credentials.emplace_back(key, std::nullopt);
  }
  for (const auto& upsertion : request.upsertions) {
    auto& change = users[upsertion.name];
    if (!change.check(upsertion.name, upsertion.mechanism, users_.is_fixed(upsertion.name))) {
      continue;
    }
    change.fault = fault_of_upsertion(upsertion);
    if (change.fault) continue;
    const ScramUserKey key{upsertion.name, hash_of(upsertion.mechanism).value()};
    if (!users_.contains(key) && room-- == 0) {
      change.fault = {ErrorCode::policy_violation, "there are too many users"};
      room = 0;
      continue;
    }
    auto credential = credential_of(key.hash, upsertion.salted_password.bytes, upsertion.salt.bytes,
                                    upsertion.iterations);
    change.records.emplace_back(key, encode_credential(credential));
    change.credentials.emplace_back(key, std::move(credential));
  }
  AlterUserScramCredentialsResponse response;
  std::vector<SecurityStore::Change> records;
  std::vector<std::pair<ScramUserKey, std::optional<ScramCredential>>> credentials;
  for (auto& [user, change] : users) {
    auto& out = response.results.emplace_back();
    out.user = user;
    if (change.fault) {
      out.error_code = change.fault->code;
      out.error_message = change.fault->message;
      continue;
    }
    std::move(change.records.begin(), change.records.end(), std::back_inserter(records));
    std::move(change.credentials.begin(), change.credentials.end(),
              std::back_inserter(credentials));
  }
  const auto apply = [&] {
    for (const auto& [key, credential] : credentials) {
      credential ? users_.set(key, *credential) : users_.remove(key);
    }
  };
  store(records, apply, [response = std::move(response), answer](ErrorCode error) mutable {
    for (auto& result : response.results) {
      if (result.error_code == ErrorCode::none) result.error_code = error;
    }
    answer(std::move(response));
  });
}

DescribeUserScramCredentialsResponse Security::describe_users(
    const DescribeUserScramCredentialsRequest& request) const {
  DescribeUserScramCredentialsResponse response;
  std::map<std::string, std::vector<DescribeUserScramCredentialsResponse::Credential>> known;
  for (const auto& [key, iterations] : users_.iterations()) {
    known[key.user].push_back({static_cast<ScramMechanism>(key.hash), iterations});
  }
  const auto add = [&](const std::string& user) {
    auto& out = response.results.emplace_back();
    out.user = user;
    const auto found = known.find(user);
    if (found != known.end()) {
      out.credential_infos = found->second;
    } else {
      out.error_code = ErrorCode::resource_not_found;
      out.error_message = "there is no such user";
    }
  };
  if (!request.users || request.users->empty()) {
    for (const auto& [user, credentials] : known) add(user);
    return response;
  }
  std::map<std::string, int> asked;
  for (const auto& user : *request.users) ++asked[user.name];
  for (const auto& [user, count] : asked) {
    add(user);
    if (count == 1) continue;
    response.results.back() = {};
    response.results.back().user = user;
    response.results.back().error_code = ErrorCode::duplicate_resource;
    response.results.back().error_message = "the request names this user more than once";
  }
  return response;
}

}  // namespace millrace::broker
