#pragma once

#include "broker/dispatch_table.h"
#include "broker/security.h"
#include "broker/services.h"

namespace millrace::broker {

// Log-ins, users, access control entries. All outlive the table.
void add_security_apis(DispatchTable& table, const Services& services, Security& security);

// Puts a guard before every API that has a handler, each of which asks `authorizer` what Apache
// Kafka asks (docs/kafka.md has the table); an API that has none is not served any more. After all
// handlers have been added. Both outlive the table.
void add_authorization(DispatchTable& table, const Services& services,
                       const Authorizer& authorizer);
// Where everybody may do everything: says so where clients ask.
void add_all_operations(DispatchTable& table);

}  // namespace millrace::broker
