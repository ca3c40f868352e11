#include "broker/security_store.h"

#include <algorithm>

#include "codec/record_batch.h"
#include "log/partition_scan.h"

namespace millrace::broker {
namespace {

// Later records of a key replace earlier ones.
Status take(std::string_view key_bytes, const std::optional<std::string_view>& value,
            std::map<Acl, bool>& acls, SecurityStore::Loaded& loaded) {
  MR_ASSIGN_OR_RETURN(const SecurityKey key, decode_security_key(key_bytes));
  if (const auto* acl = std::get_if<Acl>(&key)) {
    if (value) MR_RETURN_IF_ERROR(decode_acl_value(*value));
    acls[*acl] = value.has_value();
  } else if (const auto* user = std::get_if<ScramUserKey>(&key)) {
    loaded.users.erase(*user);
    if (!value) return ok_status();
    auto credential = decode_credential(user->hash, *value);
    if (credential.is_ok()) {
      loaded.users.emplace(*user, std::move(credential).value());
    } else {
      loaded.notes.push_back(std::string(kSecurityTopic) + ": user " + user->user + ": " +
                             credential.status().to_string());
    }
  } else if (value) {
    MR_ASSIGN_OR_RETURN(loaded.login_secret, decode_login_secret(*value));
  }
  return ok_status();
}

}  // namespace

Result<SecurityStore::Loaded> SecurityStore::load() {
  const std::string name(kSecurityTopic);
  Loaded loaded;
  if (log_.topic(name).status().code() == StatusCode::not_found) return loaded;
  std::map<Acl, bool> acls;
  const auto take_record = [&](const RecordView& record) {
    return take(record.key.value_or(std::string_view()), record.value, acls, loaded)
        .with_context("offset " + std::to_string(record.offset.value));
  };
  MR_RETURN_IF_ERROR(log::scan_partition(log_, {name, 0}, Offset(0), take_record).status());
  for (const auto& [acl, is_there] : acls) {
    if (is_there) loaded.acls.push_back(acl);
  }
  return loaded;
}

Result<log::CommitSequence> SecurityStore::save(const std::vector<Change>& changes, WallTime now) {
  if (log_.topic(std::string(kSecurityTopic)).status().code() == StatusCode::not_found) {
    log::TopicConfig config;
    config.is_compacted = true;
    config.is_internal = true;
    MR_RETURN_IF_ERROR(log_.create_topic(std::string(kSecurityTopic), config).status());
  }
  codec::RecordBatchBuilder builder;
  for (const auto& [key, value] : changes) {
    builder.append(now, encode_security_key(key), value, {});
  }
  log::Commit commit;
  auto& batch = commit.appends.emplace_back();
  batch.topic = kSecurityTopic;
  builder.finish(batch.bytes);
  auto appended = log_.commit(std::move(commit));
  if (!appended.is_ok()) return std::move(appended).take_status();
  return appended->sequence;
}

}  // namespace millrace::broker
