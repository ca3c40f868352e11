#pragma once

#include "broker/dispatch_table.h"
#include "broker/group_coordinator.h"
#include "broker/services.h"
#include "broker/transaction_coordinator.h"

// The APIs that a coordinator answers: request in, answer out. The coordinators outlive the table.

namespace millrace::broker {

void add_transaction_apis(DispatchTable& table, const Services& services,
                          TransactionCoordinator& coordinator);
void add_group_apis(DispatchTable& table, GroupCoordinator& groups);

}  // namespace millrace::broker
