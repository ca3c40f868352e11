// A pipeline file, a zero byte, and the file that it names as its schema and its tables. It builds
// or every fault has a message and stands within the text.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "pipeline/pipeline.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace pipeline = millrace::pipeline;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto border = std::min(input.find('\0'), input.size());
  pipeline::BuildOptions options;
  options.file_name = "p.yaml";
  options.text = input.substr(0, border);
  for (const auto& name : pipeline::files_named(options.text)) {
    options.files[name] = input.substr(std::min(border + 1, input.size()));
  }
  const auto outcome = pipeline::build_pipeline(options);
  MR_CHECK((outcome.pipeline == nullptr) == !outcome.errors.empty());
  const auto lines = 2 + std::count(options.text.begin(), options.text.end(), '\n');
  for (const auto& error : outcome.errors) {
    MR_CHECK(!error.message.empty());
    MR_CHECK(error.file != "p.yaml" || error.line <= lines);
  }
  return 0;
}
