#include "app/installation.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/bytes.h"

namespace millrace::app {
namespace {

constexpr std::size_t kSecretBytes = 8;
constexpr std::size_t kHostNameBytesMax = 60;
const char* const kSharedSecret = "installation/secret";

Result<std::uint64_t> read_secret(const std::string& where, const std::string& bytes) {
  if (bytes.size() == kSecretBytes) return load_little<std::uint64_t>(bytes.data());
  return corrupt_error(where + " has " + std::to_string(bytes.size()) + " bytes instead of " +
                       std::to_string(kSecretBytes));
}

// Only what may stand in a transactional id and in a topic's name.
std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "millrace";
  std::string out(name.data());
  out.resize(std::min(out.size(), kHostNameBytesMax));
  for (char& c : out) {
    const bool is_fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
    if (!is_fine) c = '-';
  }
  return out.empty() ? "millrace" : out;
}

}  // namespace

Result<std::string> random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  const int fd = ::open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return io_error("/dev/urandom cannot be opened");
  const auto got = ::read(fd, bytes.data(), count);
  ::close(fd);
  if (got != static_cast<ssize_t>(count)) return io_error("/dev/urandom gave too little");
  return bytes;
}

Result<std::uint64_t> load_secret(sys::FileSystem& files, const std::string& folder) {
  const auto path = folder + "/secret";
  MR_ASSIGN_OR_RETURN(const bool exists, files.exists(path));
  if (!exists) {
    MR_ASSIGN_OR_RETURN(const auto bytes, random_bytes(kSecretBytes));
    MR_RETURN_IF_ERROR(files.write_file_atomically(path, bytes));
  }
  MR_ASSIGN_OR_RETURN(const auto bytes, files.read_file(path));
  return read_secret(path, bytes);
}

Result<std::uint64_t> load_shared_secret(objects::ObjectStore& objects) {
  auto known = objects.get(kSharedSecret);
  if (known.status().code() == StatusCode::not_found) {
    MR_ASSIGN_OR_RETURN(const auto bytes, random_bytes(kSecretBytes));
    auto made = objects.put(kSharedSecret, bytes, true);
    if (!made.is_ok() && made.code() != StatusCode::exists) return made;
    known = objects.get(kSharedSecret);
  }
  if (!known.is_ok()) return std::move(known).take_status();
  return read_secret(std::string("object ") + kSharedSecret, *known);
}

Result<std::string> load_process_name(sys::FileSystem& files, const std::string& folder) {
  const auto path = folder + "/process";
  MR_ASSIGN_OR_RETURN(const bool exists, files.exists(path));
  if (!exists) {
    MR_ASSIGN_OR_RETURN(const auto bytes, random_bytes(4));
    std::array<char, 16> suffix{};
    std::snprintf(suffix.data(), suffix.size(), "-%08x", load_little<std::uint32_t>(bytes.data()));
    MR_RETURN_IF_ERROR(files.write_file_atomically(path, host_name() + suffix.data()));
  }
  return files.read_file(path);
}

}  // namespace millrace::app
