// Two configuration files, split by a zero byte, one over the other. They are a configuration or
// refused with a reason; what is in force can be listed.

#include "pipeline/config.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace pipeline = millrace::pipeline;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto border = std::min(input.find('\0'), input.size());
  const std::array<pipeline::ConfigFile, 2> files{
      {{"project_config.json", std::string(input.substr(0, border))},
       {"config/dev.json", std::string(input.substr(std::min(border + 1, input.size())))}}};
  const auto config = pipeline::load_config(files);
  if (!config.is_ok()) {
    MR_CHECK(!config.status().message().empty());
    return 0;
  }
  MR_CHECK(!pipeline::config_report(*config).empty());
  return 0;
}
