#include "broker/scram_users.h"

#include <mutex>
#include <shared_mutex>
#include <utility>

namespace millrace::broker {

void ScramUsers::set_secret(std::string secret) {
  secret_ = std::move(secret);
}

// Looks like what Kafka's own tools choose: 26 digits of base 36.
std::string ScramUsers::salt_of(ScramHash hash, const std::string& user) const {
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
  constexpr std::size_t kDigitCount = 26;
  const auto kind = static_cast<char>('0' + static_cast<int>(hash));
  std::string out = hmac(ScramHash::sha_512, secret_, std::string("salt") + kind + user);
  out.resize(kDigitCount);
  for (char& c : out) c = kDigits[static_cast<unsigned char>(c) % kDigits.size()];
  return out;
}

void ScramUsers::add_fixed(const std::string& user, const std::string& password,
                           std::int32_t iterations) {
  for (const ScramHash hash : kScramHashes) {
    const auto salt = salt_of(hash, user);
    const auto salted = salted_password(hash, password, salt, iterations);
    const std::lock_guard lock(mutex_);
    fixed_[{user, hash}] = credential_of(hash, salted, salt, iterations);
  }
}

void ScramUsers::set(const ScramUserKey& key, const ScramCredential& credential) {
  const std::lock_guard lock(mutex_);
  stored_[key] = credential;
}

void ScramUsers::remove(const ScramUserKey& key) {
  const std::lock_guard lock(mutex_);
  stored_.erase(key);
}

bool ScramUsers::is_fixed(const std::string& user) const {
  const std::shared_lock lock(mutex_);
  return fixed_.contains({user, ScramHash::sha_256});
}

bool ScramUsers::contains(const ScramUserKey& key) const {
  const std::shared_lock lock(mutex_);
  return stored_.contains(key);
}

std::map<ScramUserKey, std::int32_t> ScramUsers::iterations() const {
  const std::shared_lock lock(mutex_);
  std::map<ScramUserKey, std::int32_t> out;
  for (const auto* some : {&fixed_, &stored_}) {
    for (const auto& [key, credential] : *some) out.try_emplace(key, credential.iterations);
  }
  return out;
}

FoundCredential ScramUsers::find(ScramHash hash, const std::string& user) const {
  // Made in any case, so that it takes the same time.
  const auto made = [&](const char* what) { return hmac(hash, secret_, what + user); };
  FoundCredential found{.credential = {.iterations = kScramIterationsMin,
                                       .salt = salt_of(hash, user),
                                       .stored_key = made("stored"),
                                       .server_key = made("server")},
                        .is_known = false};
  const std::shared_lock lock(mutex_);
  for (const auto* some : {&fixed_, &stored_}) {
    const auto known = some->find({user, hash});
    if (known == some->end()) continue;
    return {known->second, true};
  }
  return found;
}

bool ScramUsers::is_password_of(const std::string& user, std::string_view password) const {
  // Both are looked up, whatever the first one gives.
  const FoundCredential with_256 = find(ScramHash::sha_256, user);
  const FoundCredential with_512 = find(ScramHash::sha_512, user);
  const bool uses_512 = !with_256.is_known && with_512.is_known;
  const ScramHash hash = uses_512 ? ScramHash::sha_512 : ScramHash::sha_256;
  const FoundCredential& found = uses_512 ? with_512 : with_256;
  return is_password(hash, found.credential, password) && found.is_known;
}

}  // namespace millrace::broker
