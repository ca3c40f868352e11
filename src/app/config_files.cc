#include "app/config_files.h"

#include <filesystem>

namespace millrace::app {
namespace {

constexpr std::string_view kDefaultFile = "project_config.json";
constexpr std::string_view kDefaultEnvironment = "dev";

// Paths in a configuration are meant from the folder it is in.
std::string from_folder(const std::filesystem::path& folder, const std::string& path) {
  if (folder.empty() || std::filesystem::path(path).is_absolute()) return path;
  return (folder / path).lexically_normal().string();
}

}  // namespace

Result<LoadedConfig> load_config_files(sys::FileSystem& files, const ConfigOptions& options) {
  LoadedConfig loaded;
  const std::string name = options.file.empty() ? std::string(kDefaultFile) : options.file;
  MR_ASSIGN_OR_RETURN(const bool is_there, files.exists(name));
  if (!is_there) {
    if (!options.file.empty()) return not_found_error("configuration " + name + " does not exist");
    if (options.environment != kDefaultEnvironment) {
      return not_found_error("--env " + options.environment + " needs " + name +
                             ", which does not exist");
    }
    MR_ASSIGN_OR_RETURN(loaded.config, pipeline::load_config({}));
    return loaded;
  }
  std::vector<pipeline::ConfigFile> texts;
  MR_ASSIGN_OR_RETURN(auto text, files.read_file(name));
  texts.push_back({name, std::move(text)});
  const auto folder = std::filesystem::path(name).parent_path();
  const auto overlay = (folder / "config" / (options.environment + ".json")).string();
  MR_ASSIGN_OR_RETURN(const bool has_overlay, files.exists(overlay));
  if (has_overlay) {
    MR_ASSIGN_OR_RETURN(auto over, files.read_file(overlay));
    texts.push_back({overlay, std::move(over)});
  } else if (options.environment != kDefaultEnvironment) {
    return not_found_error("--env " + options.environment + " needs " + overlay +
                           ", which does not exist");
  }
  MR_ASSIGN_OR_RETURN(loaded.config, pipeline::load_config(texts));
  for (const auto& file : texts) loaded.files.push_back(file.name);
  loaded.config.data_folder = from_folder(folder, loaded.config.data_folder);
  for (auto& path : loaded.config.pipelines) path = from_folder(folder, path);
  auto& config = loaded.config;
  for (auto* path : {&config.tls_certificate_file, &config.tls_key_file, &config.tls_client_ca_file,
                     &config.sasl_users_file, &config.objects_folder, &config.log_ca_file,
                     &config.log_certificate_file, &config.log_key_file, &config.log_password_file,
                     &config.log_token_file, &config.log_aws_credentials_file}) {
    if (!path->empty()) *path = from_folder(folder, *path);
  }
  return loaded;
}

}  // namespace millrace::app
