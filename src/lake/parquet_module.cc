#include "lake/parquet_module.h"

#include <dlfcn.h>

#include <string>

namespace millrace::lake {
namespace {

// The loader counts references and is quick when the module is there already; it is never unloaded.
Result<const ParquetModule*> load_module() {
  void* const library = dlopen(kParquetModuleFile, RTLD_NOW | RTLD_LOCAL);
  const void* const symbol = library != nullptr ? dlsym(library, kParquetModuleSymbol) : nullptr;
  if (symbol == nullptr) {
    const char* const why = dlerror();  // NOLINT(concurrency-mt-unsafe): glibc keeps it per thread
    return unsupported_error(std::string("Parquet files cannot be written or read: ") +
                             (why != nullptr ? why : kParquetModuleSymbol) +
                             "; lib/ of the release belongs beside the program");
  }
  return static_cast<const ParquetModule*>(symbol);
}

}  // namespace

Result<std::unique_ptr<FileEncoder>> make_parquet_encoder(const WriterConfig& config,
                                                          const TopicPartition& source) {
  MR_ASSIGN_OR_RETURN(const auto* module, load_module());
  return module->make_encoder(config, source);
}

Result<std::uint64_t> count_parquet_rows(std::string_view bytes) {
  MR_ASSIGN_OR_RETURN(const auto* module, load_module());
  return module->count_rows(bytes);
}

}  // namespace millrace::lake
