#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/log_line.h"
#include "base/status.h"
#include "kafka_client/kafka_log.h"
#include "pipeline/config.h"
#include "pipeline/pipeline.h"
#include "sys/file_system.h"

namespace millrace::app {

// What an instance needs to share a log with others.
struct SharedLogOptions {
  kafka_client::KafkaLogOptions kafka;  // without the process' name and the lines' way
  std::string process;                  // empty: load_process_name()
  std::string objects_folder;
};
// Nothing where the configuration has no log.kafka; `invalid` for a password that cannot be read.
// `files` and `clock` outlive the log: tokens are read and made when they are needed.
Result<std::optional<SharedLogOptions>> load_shared_log(sys::FileSystem& files, const Clock& clock,
                                                        const pipeline::Config& config);

// What the client says goes to `logger`, which outlives the log.
Result<std::unique_ptr<log::SharedLog>> open_shared_log(const SharedLogOptions& options,
                                                        const Clock& clock, const Logger& logger);

}  // namespace millrace::app
