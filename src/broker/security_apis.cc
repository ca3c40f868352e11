#include "broker/security_apis.h"

namespace millrace::broker {

using kafka_wire::AlterUserScramCredentialsRequest;
using kafka_wire::AlterUserScramCredentialsResponse;
using kafka_wire::CreateAclsRequest;
using kafka_wire::CreateAclsResponse;
using kafka_wire::DeleteAclsRequest;
using kafka_wire::DeleteAclsResponse;
using kafka_wire::DescribeAclsRequest;
using kafka_wire::DescribeAclsResponse;
using kafka_wire::DescribeUserScramCredentialsRequest;
using kafka_wire::DescribeUserScramCredentialsResponse;
using kafka_wire::SaslAuthenticateRequest;
using kafka_wire::SaslAuthenticateResponse;
using kafka_wire::SaslHandshakeRequest;
using kafka_wire::SaslHandshakeResponse;

namespace {

void add_log_in(DispatchTable& table, Security& security) {
  table.add<SaslHandshakeRequest, SaslHandshakeResponse>(
      [&security](const Call& call, SaslHandshakeRequest& request,
                  const Responder<SaslHandshakeResponse>& respond) {
        security.authenticator().handshake(call, request, respond);
      });
  table.add<SaslAuthenticateRequest, SaslAuthenticateResponse>(
      [&security](const Call& call, SaslAuthenticateRequest& request,
                  const Responder<SaslAuthenticateResponse>& respond) {
        security.authenticator().authenticate(call, request, respond);
      });
  table.set_token_handler([&security](std::string_view token,
                                      const std::shared_ptr<Session>& session,
                                      std::shared_ptr<Exchange> exchange) {
    security.authenticator().take_token(token, session, std::move(exchange));
  });
}

void add_users(DispatchTable& table, const Services& services, Security& security) {
  table.add<DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse>(
      [&security](const Call&, DescribeUserScramCredentialsRequest& request,
                  const Responder<DescribeUserScramCredentialsResponse>& respond) {
        respond(security.describe_users(request));
      });
  table.add<AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse>(
      [&services, &security](const Call&, AlterUserScramCredentialsRequest& request,
                             const Responder<AlterUserScramCredentialsResponse>& respond) {
        services.blocking->run([&security, request = std::move(request), respond] {
          security.alter_users(request, respond);
        });
      });
}

void add_acls(DispatchTable& table, const Services& services, Security& security) {
  table.add<DescribeAclsRequest, DescribeAclsResponse>(
      [&security](const Call&, DescribeAclsRequest& request,
                  const Responder<DescribeAclsResponse>& respond) {
        respond(security.describe_acls(request));
      });
  table.add<CreateAclsRequest, CreateAclsResponse>(
      [&services, &security](const Call&, CreateAclsRequest& request,
                             const Responder<CreateAclsResponse>& respond) {
        services.blocking->run([&security, request = std::move(request), respond] {
          security.create_acls(request, respond);
        });
      });
  table.add<DeleteAclsRequest, DeleteAclsResponse>(
      [&services, &security](const Call&, DeleteAclsRequest& request,
                             const Responder<DeleteAclsResponse>& respond) {
        services.blocking->run([&security, request = std::move(request), respond] {
          security.delete_acls(request, respond);
        });
      });
}

}  // namespace

void add_security_apis(DispatchTable& table, const Services& services, Security& security) {
  add_log_in(table, security);
  add_users(table, services, security);
  add_acls(table, services, security);
}

}  // namespace millrace::broker
