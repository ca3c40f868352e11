#include "http/router.h"

#include <algorithm>

#include "base/nearest_name.h"
#include "http/error_response.h"
#include "http/url.h"

namespace millrace::http {

void Router::add_query_names(std::string_view names, Route& route) {
  route.takes_any_query = names == "*";
  while (!names.empty() && !route.takes_any_query) {
    const auto name = names.substr(0, names.find('&'));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    MR_CHECK(!name.empty() && name.find_first_of("*?={}") == std::string_view::npos);
    route.query.emplace_back(name);
  }
}

void Router::add(std::string_view pattern, Handler handler) {
  const std::size_t space = pattern.find(' ');
  MR_CHECK(space != std::string_view::npos && space > 0);
  MR_CHECK(pattern.substr(space + 1).starts_with('/'));
  MR_CHECK(handler != nullptr);
  Route route{std::string(pattern.substr(0, space)), {}, {}, false, std::move(handler)};
  std::string_view rest = pattern.substr(space + 2);
  if (const auto mark = rest.find('?'); mark != std::string_view::npos) {
    add_query_names(rest.substr(mark + 1), route);
    rest = rest.substr(0, mark);
  }
  while (!rest.empty()) {
    std::string_view text = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(rest.size(), text.size() + 1));
    const bool is_parameter = text.starts_with('{') && text.ends_with('}');
    if (is_parameter) text = text.substr(1, text.size() - 2);
    MR_CHECK(!text.empty() && text.find_first_of("{}") == std::string_view::npos);
    route.segments.push_back({std::string(text), is_parameter});
  }
  // Literals before parameters; parameters' names do not count, so two routes that match the same
  // requests compare equal.
  const auto before = [](const Route& a, const Route& b) {
    const auto key = [](const Route& r, std::size_t i) {
      return std::pair(r.segments[i].is_parameter,
                       r.segments[i].is_parameter ? std::string_view() : r.segments[i].text);
    };
    if (a.segments.size() != b.segments.size()) return a.segments.size() < b.segments.size();
    for (std::size_t i = 0; i < a.segments.size(); ++i) {
      if (key(a, i) != key(b, i)) return key(a, i) < key(b, i);
    }
    return a.method < b.method;
  };
  const auto place = std::lower_bound(routes_.begin(), routes_.end(), route, before);
  MR_CHECK(place == routes_.end() || before(route, *place));
  routes_.insert(place, std::move(route));
}

bool Router::matches(const Route& route, const Request& request) {
  if (route.segments.size() != request.segments.size()) return false;
  for (std::size_t i = 0; i < route.segments.size(); ++i) {
    const std::string& given = request.segments[i];
    const bool fits =
        route.segments[i].is_parameter ? !given.empty() : given == route.segments[i].text;
    if (!fits) return false;
  }
  return true;
}

const Router::Route* Router::find(std::string_view method, const Request& request) const {
  for (const Route& route : routes_) {
    if (route.method == method && matches(route, request)) return &route;
  }
  return nullptr;
}

std::string Router::allowed_methods(const Request& request) const {
  std::vector<std::string_view> methods;
  for (const Route& route : routes_) {
    if (!matches(route, request)) continue;
    methods.push_back(route.method);
    if (route.method == "GET") methods.push_back("HEAD");
  }
  std::sort(methods.begin(), methods.end());
  methods.erase(std::unique(methods.begin(), methods.end()), methods.end());
  std::string list;
  for (const std::string_view method : methods) {
    if (!list.empty()) list.append(", ");
    list.append(method);
  }
  return list;
}

Status Router::check_query(const Route& route, const Query& query) {
  constexpr std::size_t kShownBytesMax = 64;
  if (route.takes_any_query) return ok_status();
  for (const auto& [name, value] : query.pairs()) {
    if (std::find(route.query.begin(), route.query.end(), name) != route.query.end()) continue;
    NearestName nearest(name);
    std::string known;
    for (const auto& taken : route.query) {
      nearest.offer(taken);
      known += (known.empty() ? "" : ", ") + taken;
    }
    const auto right = known.empty()            ? std::string("; none is known here")
                       : nearest.best().empty() ? "; there are " + known
                                                : nearest.suggestion();
    const auto shown = percent_encode(std::string_view(name).substr(0, kShownBytesMax));
    return invalid_error("unknown query parameter '" + shown + "'" + right);
  }
  return ok_status();
}

void Router::handle(Request& request, Responder respond) const {
  const Route* route = find(request.method, request);
  if (!route && request.method == "HEAD") route = find("GET", request);
  if (route) {
    if (auto status = check_query(*route, request.query); !status.is_ok()) {
      return respond(error_response(status));
    }
    for (std::size_t i = 0; i < route->segments.size(); ++i) {
      if (!route->segments[i].is_parameter) continue;
      request.parameters.emplace_back(route->segments[i].text, request.segments[i]);
    }
    route->handler(request, std::move(respond));
    return;
  }
  const std::string allowed = allowed_methods(request);
  if (allowed.empty()) {
    respond(error_response(not_found_error("there is nothing at " + request.path)));
    return;
  }
  Response response = error_response(
      unsupported_error(request.path + " allows " + allowed + ", not " + request.method), 405);
  response.headers.add("Allow", allowed);
  respond(std::move(response));
}

Handler Router::handler() const {
  return [this](Request& request, Responder respond) { handle(request, std::move(respond)); };
}

}  // namespace millrace::http
