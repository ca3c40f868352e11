#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/thread.h"
#include "broker/security_record.h"

namespace millrace::broker {

// Who may log in, by SCRAM or by their password itself. Those of the configuration are fixed, the
// others come from the store. Thread-safe.
class ScramUsers {
 public:
  // Before anybody logs in. `secret`: what credentials of those who do not exist are made from;
  // the same over restarts, or they could be told by their change.
  void set_secret(std::string secret);
  // Slow: both hashes of the password. `iterations`: at least 1.
  void add_fixed(const std::string& user, const std::string& password, std::int32_t iterations);
  void set(const ScramUserKey& key, const ScramCredential& credential);
  void remove(const ScramUserKey& key);

  [[nodiscard]] bool is_fixed(const std::string& user) const;
  [[nodiscard]] bool contains(const ScramUserKey& key) const;
  [[nodiscard]] std::map<ScramUserKey, std::int32_t> iterations() const;  // of all

  [[nodiscard]] FoundCredential find(ScramHash hash, const std::string& user) const;
  // As slow for a user who does not exist as for a wrong password.
  [[nodiscard]] bool is_password_of(const std::string& user, std::string_view password) const;

 private:
  [[nodiscard]] std::string salt_of(ScramHash hash, const std::string& user) const;

  std::string secret_;
  mutable SharedMutex mutex_;
  std::map<ScramUserKey, ScramCredential> stored_;
  std::map<ScramUserKey, ScramCredential> fixed_;
};

}  // namespace millrace::broker
