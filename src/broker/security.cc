#include "broker/security.h"

#include <mutex>
#include <utility>

#include "broker/errors.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;

namespace {

constexpr std::size_t kLoginSecretBytes = 32;

}  // namespace

Security::Security(SecurityOptions options, Ports ports)
    : options_(std::move(options)),
      ports_(std::move(ports)),
      store_(ports_.log),
      authorizer_(options_.uses_acls ? std::make_unique<AclAuthorizer>(options_.super_users)
                                     : nullptr),
      authenticator_(options_.authentication, {.users = users_,
                                               .clock = ports_.clock,
                                               .logger = ports_.logger,
                                               .random = ports_.random}) {}

Status Security::start() {
  MR_ASSIGN_OR_RETURN(auto loaded, store_.load());
  for (const auto& note : loaded.notes) ports_.logger.warn(note);
  for (const auto& [key, credential] : loaded.users) users_.set(key, credential);
  if (authorizer_ != nullptr) {
    for (const Acl& acl : loaded.acls) authorizer_->add(acl);
  }
  if (options_.authentication.mechanisms.empty()) return ok_status();
  MR_RETURN_IF_ERROR(load_secret(std::move(loaded.login_secret)));
  for (const auto& user : options_.users) {
    users_.add_fixed(user.name, user.password, options_.user_iterations);
  }
  options_.users.clear();
  return ok_status();
}

Status Security::load_secret(std::string stored) {
  if (stored.empty()) {
    MR_ASSIGN_OR_RETURN(stored, ports_.random(kLoginSecretBytes));
    MR_RETURN_IF_ERROR(
        store_.save({{LoginSecretKey(), encode_login_secret(stored)}}, ports_.clock.wall_now())
            .status());
  }
  users_.set_secret(std::move(stored));
  return ok_status();
}

void Security::store(const std::vector<SecurityStore::Change>& changes,
                     const std::function<void()>& apply, std::function<void(ErrorCode)> done) {
  if (!changes.empty()) {
    const auto sequence = store_.save(changes, ports_.clock.wall_now());
    if (!sequence.is_ok()) return done(error_code_of(sequence.status(), ErrorContext::topics));
    apply();
    newest_ = *sequence;
  }
  // What is there already may not be durable yet.
  ports_.durable.after(newest_, [done = std::move(done)](const Status& status) {
    done(error_code_of(status, ErrorContext::topics));
  });
}

}  // namespace millrace::broker
