#include "bench/service_process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace millrace::bench {
namespace {

std::int64_t monotonic_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Replaces this process; only returns when that fails.
void become(const std::string& binary, const std::string& folder, const std::string& pipeline,
            int output) {
  dup2(output, STDOUT_FILENO);
  const int silence = open("/dev/null", O_WRONLY);
  dup2(silence, STDERR_FILENO);
  const std::vector<std::string> words{binary,         "up",   "--data",      folder,
                                       "--kafka-port", "0",    "--http-port", "0",
                                       "--output",     "json", "--pipeline",  pipeline};
  std::vector<char*> arguments;
  for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  execv(binary.c_str(), arguments.data());
}

}  // namespace

Result<std::unique_ptr<ServiceProcess>> ServiceProcess::start(const std::string& binary,
                                                              const std::string& folder,
                                                              const std::string& pipeline) {
  if (access(binary.c_str(), X_OK) != 0) {
    return not_found_error(binary + " is not there; ./dev build makes it");
  }
  std::filesystem::remove_all(folder);
  std::unique_ptr<ServiceProcess> process(new ServiceProcess(binary, folder, pipeline));
  MR_RETURN_IF_ERROR(process->spawn());
  return process;
}

Status ServiceProcess::spawn() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return io_error("no pipe");
  const auto started = monotonic_ns();
  pid_ = fork();
  if (pid_ < 0) return io_error("no fork");
  if (pid_ == 0) {
    become(binary_, folder_, pipeline_, ends[1]);
    _exit(127);
  }
  close(ends[1]);
  auto status = wait_ready(ends[0]);
  start_ns_ = monotonic_ns() - started;
  close(ends[0]);
  return status;
}

Status ServiceProcess::kill_and_start() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  return spawn();
}

Status ServiceProcess::wait_ready(int output) {
  std::string line;
  char byte = 0;
  while (read(output, &byte, 1) == 1 && byte != '\n') line += byte;
  constexpr std::string_view kName = "\"http_port\":";
  const auto at = line.find(kName);
  if (at == std::string::npos) {
    return invalid_error("millrace up says: " + (line.empty() ? "nothing" : line));
  }
  std::from_chars(line.data() + at + kName.size(), line.data() + line.size(), http_port_);
  return ok_status();
}

ServiceProcess::~ServiceProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::int64_t ServiceProcess::memory_bytes(const std::string& field) const {
  std::ifstream in("/proc/" + std::to_string(pid_) + "/status");
  std::string line;
  while (std::getline(in, line)) {
    if (line.starts_with(field + ":")) return std::atoll(line.c_str() + field.size() + 1) * 1024;
  }
  return 0;
}

std::int64_t ServiceProcess::cpu_ns() const {
  std::ifstream in("/proc/" + std::to_string(pid_) + "/stat");
  std::ostringstream text;
  text << in.rdbuf();
  // Behind the name in parentheses: the state is field 3, user and system ticks are 14 and 15.
  std::istringstream fields(text.str().substr(text.str().rfind(')') + 2));
  std::string word;
  for (int i = 3; i < 14; ++i) fields >> word;
  std::int64_t user = 0;
  std::int64_t system = 0;
  fields >> user >> system;
  return (user + system) * (1'000'000'000 / sysconf(_SC_CLK_TCK));
}

}  // namespace millrace::bench
