// Bytes of one connection, through the parser and the routes to an empty log. Every request is
// answered once, with a status that fits, and errors are JSON.

#include "ops/api.h"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/request_reader.h"
#include "log/embedded_log.h"
#include "objects/directory_store.h"
#include "sys/fuzz_folder.h"
#include "sys/real_clock.h"

namespace millrace::ops {
namespace {

class Answer final : public http::Responder::Exchange {
 public:
  void respond(http::Response response) override {
    const std::lock_guard lock(mutex_);
    MR_CHECK(!has_come_);
    has_come_ = true;
    response_ = std::move(response);
    come_.notify_all();
  }
  const http::Response& wait() {
    std::unique_lock lock(mutex_);
    MR_CHECK(come_.wait_for(lock, std::chrono::seconds(70), [&] { return has_come_; }));
    return response_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable come_;
  bool has_come_ = false;
  http::Response response_;
};

// One for the life of the program: topics that requests create stay.
class Server {
 public:
  Server() {
    const std::string& folder = folder_.path();
    MR_CHECK(files_.make_folders(folder + "/log").is_ok());
    log::EmbeddedLogOptions options;
    options.folder = folder + "/log";
    options.wal_file_bytes = 4 << 20;
    options.sync_each_commit = false;
    auto log = log::EmbeddedLog::open(options, files_, clock_);
    MR_CHECK(log.is_ok());
    log_ = std::move(log).value();
    log::TopicConfig config;
    config.partition_count = 2;
    MR_CHECK(log_->create_topic("t", config).is_ok());
    auto objects = objects::open_directory_store(files_, folder + "/objects");
    MR_CHECK(objects.is_ok());
    objects_ = std::move(objects).value();
    runtime::RuntimeOptions fuzzed;
    fuzzed.owner = "fuzz";
    runtime_ = std::make_unique<runtime::Runtime>(*log_, *objects_, clock_, std::move(fuzzed));
    ApiContext context;
    context.log = log_.get();
    context.embedded = log_.get();
    context.runtime = runtime_.get();
    context.clock = &clock_;
    context.version = "0";
    context.data_folder = folder;
    api_ = std::make_unique<Api>(std::move(context));
    api_->set_ready(true);
  }

  void ask(http::Request request) {
    // A long poll waits for data as long as it was told to, a new topic costs files for good.
    if (request.query.find("wait_ms")) return;
    if (request.method == "POST" && request.body.find("partitions") != std::string::npos) return;
    const auto answer = std::make_shared<Answer>();
    handler_(request, http::Responder(answer));
    const auto& response = answer->wait();
    MR_CHECK(response.status >= 200 && response.status < 600 && response.status != 500);
    if (response.status >= 400) MR_CHECK(!response.body.empty());
  }

 private:
  sys::FuzzFolder folder_;
  sys::PosixFileSystem files_;
  sys::RealClock clock_;
  std::unique_ptr<log::EmbeddedLog> log_;
  std::unique_ptr<objects::ObjectStore> objects_;
  std::unique_ptr<runtime::Runtime> runtime_;
  std::unique_ptr<Api> api_;
  http::Handler handler_ = [this](http::Request& request, const http::Responder& respond) {
    api_->handler()(request, respond);
  };
};

void run(std::string_view input) {
  static Server server;
  http::RequestReader reader(
      {.header_bytes_max = 4096, .headers_max = 16, .body_bytes_max = 65'536});
  for (int requests = 0; requests < 8 && !input.empty();) {
    const auto progress = reader.feed(input);
    input.remove_prefix(progress.bytes_used);
    if (progress.state == http::RequestReader::State::header_done) continue;
    if (progress.state != http::RequestReader::State::complete) return;
    server.ask(reader.take());
    reader.reset();
    ++requests;
  }
}

}  // namespace
}  // namespace millrace::ops

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  millrace::ops::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
