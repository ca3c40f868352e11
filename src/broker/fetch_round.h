#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "broker/services.h"
#include "kafka_wire/fetch.h"

namespace millrace::broker {

// What one look at the log gives for a Fetch request.
struct FetchRound {
  kafka_wire::FetchResponse response;
  std::vector<SharedBytes> owners;  // of the records in the response
  std::size_t record_bytes = 0;
  // Waiting longer would add nothing: a partition failed, or there is more than could be taken.
  bool is_complete = false;
};

// `names`: per topic of the request; empty where its id is none of ours. `record_bytes_max`: of
// all records; the first batch is returned whatever its length (KIP-74).
FetchRound read_fetch_round(const Services& services, const kafka_wire::FetchRequest& request,
                            const std::vector<std::string>& names, std::size_t record_bytes_max);

// Up to where a reader of this isolation level may read.
[[nodiscard]] Offset readable_end(const log::PartitionOffsets& offsets, bool is_read_committed);
[[nodiscard]] bool is_read_committed(const kafka_wire::FetchRequest& request);

}  // namespace millrace::broker
