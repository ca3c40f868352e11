#include "broker/security_store.h"

#include <algorithm>

#include "codec/record_batch.h"

namespace millrace::broker {
namespace {

constexpr std::size_t kFetchBytes = 1 << 20;

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

Status take_batch(const log::FetchedBatch& batch, std::map<Acl, bool>& acls,
                  SecurityStore::Loaded& loaded) {
  codec::BatchReader reader;
  MR_RETURN_IF_ERROR(reader.open(batch.bytes.view()));
  while (const RecordView* record = reader.next()) {
    MR_RETURN_IF_ERROR(take(record->key.value_or(std::string_view()), record->value, acls, loaded)
                           .with_context("offset " + std::to_string(record->offset.value)));
  }
  return reader.status();
}

}  // namespace

Result<SecurityStore::Loaded> SecurityStore::load() {
  const std::string name(kSecurityTopic);
  Loaded loaded;
  if (log_.topic(name).status().code() == StatusCode::not_found) return loaded;
  std::map<Acl, bool> acls;
  MR_ASSIGN_OR_RETURN(const log::PartitionOffsets offsets, log_.offsets({name, 0}));
  for (Offset next = offsets.start; next < offsets.high_watermark;) {
    MR_ASSIGN_OR_RETURN(const auto fetched,
                        log_.fetch({name, 0}, next, kFetchBytes, log::Visibility::durable));
    if (fetched.batches.empty()) break;
    for (const auto& batch : fetched.batches) {
      MR_RETURN_IF_ERROR(take_batch(batch, acls, loaded).with_context(name));
      next = batch.next_offset;
    }
  }
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
