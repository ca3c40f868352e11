// A server with one trivial handler, for wrk and the like: http_server_bench [PORT] [THREADS].
#include <cstdio>
#include <cstdlib>

#include "http/router.h"
#include "http/server.h"

int main(int argc, char** argv) {
  millrace::http::Router router;
  router.add("GET /hello", [](const millrace::http::Request&, millrace::http::Responder respond) {
    respond({.content_type = "text/plain", .body = "hello, world"});
  });
  router.add("POST /bytes",
             [](const millrace::http::Request& request, millrace::http::Responder respond) {
               respond({.content_type = "text/plain", .body = std::to_string(request.body.size())});
             });
  millrace::http::ServerOptions options;
  options.port = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0);
  options.thread_count = argc > 2 ? std::atoi(argv[2]) : 1;
  auto server = millrace::http::Server::start(options, router.handler());
  if (!server.is_ok()) {
    std::fprintf(stderr, "%s\n", server.status().to_string().c_str());
    return 1;
  }
  std::printf("port %d, press return to stop\n", (*server)->port());
  std::fflush(stdout);
  (void)std::getchar();
  return 0;
}
