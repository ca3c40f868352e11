#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "broker/security_record.h"
#include "log/log.h"

namespace millrace::broker {

// Passwords' keys and access control entries. Not to be read by clients.
inline constexpr std::string_view kSecurityTopic = "millrace.broker.security";

// What is durable of users and access control entries: a record each in kSecurityTopic. Not
// thread-safe.
class SecurityStore {
 public:
  struct Loaded {
    std::map<ScramUserKey, ScramCredential> users;
    std::vector<Acl> acls;
    std::string login_secret;        // empty: none yet
    std::vector<std::string> notes;  // what could not be read, a sentence each
  };
  // A value of nullopt removes.
  using Change = std::pair<SecurityKey, std::optional<std::string>>;

  explicit SecurityStore(log::Log& log) : log_(log) {}

  // Reads the topic, if there is one. `corrupt` when an access control entry may
  // have been lost, since it may have been one that denies; a user that cannot be read is noted and
  // left out.
  Result<Loaded> load();
  // All or nothing; the records are not waited for. The first time of all, the topic is made, which
  // blocks.
  Result<log::CommitSequence> save(const std::vector<Change>& changes, WallTime now);

 private:
  log::Log& log_;
};

}  // namespace millrace::broker
