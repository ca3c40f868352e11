#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "http/server.h"

namespace millrace::http {

// Chooses the handler by method and path. Routes are added before the server starts; afterwards a
// Router is immutable and may be used from any number of threads. It must outlive the server.
class Router {
 public:
  // "GET /api/v1/topics/{topic}/batches": a segment in braces matches any non-empty segment, whose
  // decoded text becomes request.parameter("topic"). A literal segment wins over a parameter,
  // whatever the order of adding. Behind a "?" stand the names of the query parameters the route
  // takes, "?partition&offset"; none without it, any with "?*". A malformed or repeated pattern is
  // a bug and stops the program.
  void add(std::string_view pattern, Handler handler);

  // 404 for an unknown path, 405 with Allow for a known path without that method. HEAD falls back
  // to GET's handler (the server sends no body). 400 for a query parameter that the route does not
  // take, with the nearest one it does.
  void handle(Request& request, Responder respond) const;
  // The same as a Handler that refers to this router.
  [[nodiscard]] Handler handler() const;

 private:
  struct Segment {
    std::string text;  // the literal, or the parameter's name
    bool is_parameter = false;
  };
  struct Route {
    std::string method;
    std::vector<Segment> segments;
    std::vector<std::string> query;  // names, in the pattern's order
    bool takes_any_query = false;
    Handler handler;
  };

  [[nodiscard]] const Route* find(std::string_view method, const Request& request) const;
  [[nodiscard]] std::string allowed_methods(const Request& request) const;
  static void add_query_names(std::string_view names, Route& route);
  static Status check_query(const Route& route, const Query& query);
  static bool matches(const Route& route, const Request& request);

  std::vector<Route> routes_;  // at every segment literals before parameters
};

}  // namespace millrace::http
