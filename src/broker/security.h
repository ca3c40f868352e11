#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log_line.h"
#include "broker/acl_authorizer.h"
#include "broker/authenticator.h"
#include "broker/scram_users.h"
#include "broker/security_store.h"
#include "kafka_wire/acls.h"
#include "kafka_wire/sasl.h"
#include "log/durable_answers.h"

namespace millrace::broker {

struct SecurityOptions {
  struct User {
    std::string name;
    std::string password;
  };
  AuthenticatorOptions authentication;
  std::vector<User> users;  // who may log in whatever is stored; changed in the configuration only
  std::int32_t user_iterations = kScramIterationsMin;
  bool uses_acls = false;  // else everybody may do everything
  std::vector<std::string> super_users;
  std::size_t acls_max = 10'000;
  std::size_t scram_users_max = 10'000;  // credentials in the store
};

// Users, access control entries, and who looks at them: what is durable is one record each in
// kSecurityTopic (docs/formats/security.md). A change is in force at once and answered when it is
// durable.
//
// Threads: after start() every method from any thread. Those that change something may block.
class Security {
 public:
  template <typename Response>
  using Answer = std::function<void(Response)>;

  // All outlive this. `random`: see Authenticator.
  struct Ports {
    log::Log& log;
    log::DurableAnswers& durable;
    const Clock& clock;
    Logger logger;
    std::function<Result<std::string>(std::size_t count)> random;
  };
  Security(SecurityOptions options, Ports ports);

  // Reads what is stored. Blocks; once, before anybody asks. Errors as those of SecurityStore.
  Status start();
  void stop() { authenticator_.stop(); }

  [[nodiscard]] Authenticator& authenticator() { return authenticator_; }
  [[nodiscard]] const Authenticator& authenticator() const { return authenticator_; }
  // Null: everybody may do everything.
  [[nodiscard]] const AclAuthorizer* authorizer() const { return authorizer_.get(); }

  void alter_users(const kafka_wire::AlterUserScramCredentialsRequest& request,
                   const Answer<kafka_wire::AlterUserScramCredentialsResponse>& answer);
  [[nodiscard]] kafka_wire::DescribeUserScramCredentialsResponse describe_users(
      const kafka_wire::DescribeUserScramCredentialsRequest& request) const;

  void create_acls(const kafka_wire::CreateAclsRequest& request,
                   const Answer<kafka_wire::CreateAclsResponse>& answer);
  void delete_acls(const kafka_wire::DeleteAclsRequest& request,
                   const Answer<kafka_wire::DeleteAclsResponse>& answer);
  [[nodiscard]] kafka_wire::DescribeAclsResponse describe_acls(
      const kafka_wire::DescribeAclsRequest& request) const;

 private:
  Status load_secret(std::string stored);
  // `apply` when they are on their way to the disk, then `done` with NONE once they are durable; or
  // `done` alone with why they are not.
  void store(const std::vector<SecurityStore::Change>& changes, const std::function<void()>& apply,
             std::function<void(kafka_wire::ErrorCode)> done);

  SecurityOptions options_;
  Ports ports_;
  SecurityStore store_;
  ScramUsers users_;
  std::unique_ptr<AclAuthorizer> authorizer_;
  Authenticator authenticator_;
  Mutex changing_;  // one change at a time, from looking to storing
  log::CommitSequence newest_{0};
};

}  // namespace millrace::broker
