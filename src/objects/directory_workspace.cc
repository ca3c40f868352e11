#include "objects/directory_workspace.h"

#include <charconv>

namespace millrace::objects {
namespace {

constexpr int kWorkspacesMax = 1000;

// How often the folder has been claimed before. A file that is not a number is damage: starting
// again at 0 could give out an upload id a second time.
Result<std::uint64_t> read_generation(sys::FileSystem& files, const std::string& path) {
  auto text = files.read_file(path);
  if (text.status().code() == StatusCode::not_found) return std::uint64_t{0};
  if (!text.is_ok()) return std::move(text).take_status();
  std::uint64_t generation = 0;
  const char* end = text->data() + text->size();
  const auto [stopped, error] = std::from_chars(text->data(), end, generation);
  if (error != std::errc() || stopped != end) {
    return corrupt_error(path + ": should hold a number; remove the folder if no process uses it");
  }
  return generation;
}

}  // namespace

Result<std::unique_ptr<DirectoryWorkspace>> DirectoryWorkspace::claim(sys::FileSystem& files,
                                                                      const std::string& parent) {
  for (int number = 0; number < kWorkspacesMax; ++number) {
    const std::string folder = parent + "/work-" + std::to_string(number);
    MR_RETURN_IF_ERROR(files.make_folders(folder));
    auto lock = files.lock_folder(folder);
    if (lock.status().code() == StatusCode::exists) continue;
    if (!lock.is_ok()) return std::move(lock).take_status();

    MR_ASSIGN_OR_RETURN(const auto names, files.list(folder));
    for (const auto& name : names) {
      if (name.ends_with(".tmp")) MR_RETURN_IF_ERROR(files.remove(folder + "/" + name));
    }
    const std::string path = folder + "/generation";
    MR_ASSIGN_OR_RETURN(const std::uint64_t before, read_generation(files, path));
    const std::string generation = std::to_string(before + 1);
    MR_RETURN_IF_ERROR(files.write_file_atomically(path, generation));
    MR_RETURN_IF_ERROR(files.sync_folder(parent));
    return std::unique_ptr<DirectoryWorkspace>(new DirectoryWorkspace(
        std::move(lock).value(), folder, std::to_string(number) + "-" + generation + "-"));
  }
  return overloaded_error(parent + ": all " + std::to_string(kWorkspacesMax) +
                          " work folders are in use");
}

}  // namespace millrace::objects
