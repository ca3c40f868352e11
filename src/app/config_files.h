#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "pipeline/config.h"
#include "sys/file_system.h"

namespace millrace::app {

struct ConfigOptions {
  std::string file;                 // empty: ./project_config.json, if it is there
  std::string environment = "dev";  // FOLDER/config/ENVIRONMENT.json goes over the file
};

// The configuration of an installation, its paths as seen from the current folder. Without any file
// everything is as by default.
struct LoadedConfig {
  pipeline::Config config;
  std::vector<std::string> files;  // that were read
};

// `invalid` with every fault on a line of its own; `not_found` for a file that was asked for. The
// overlay of dev may be missing, that of another environment may not.
Result<LoadedConfig> load_config_files(sys::FileSystem& files, const ConfigOptions& options);

}  // namespace millrace::app
