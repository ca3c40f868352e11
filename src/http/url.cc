#include "http/url.h"

#include <charconv>

namespace millrace::http {
namespace {

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

Status parse_path(std::string_view path, std::vector<std::string>& segments) {
  MR_CHECK(!path.empty() && path.front() == '/');
  std::string_view rest = path.substr(1);
  while (!rest.empty()) {
    if (segments.size() == kPathSegmentsMax) {
      return invalid_error("a path may have " + std::to_string(kPathSegmentsMax) +
                           " segments at most");
    }
    const std::size_t slash = rest.find('/');
    MR_ASSIGN_OR_RETURN(std::string segment, percent_decode(rest.substr(0, slash)));
    segments.push_back(std::move(segment));
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
    // "/a/" is not "/a": the trailing slash shows as an empty last segment.
    if (rest.empty()) segments.emplace_back();
  }
  return ok_status();
}

Status parse_query(std::string_view text, Query& query) {
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    if (pair.empty()) continue;
    if (query.pairs().size() == kQueryParametersMax) {
      return invalid_error("a query may have " + std::to_string(kQueryParametersMax) +
                           " parameters at most");
    }
    const std::size_t equals = pair.find('=');
    MR_ASSIGN_OR_RETURN(std::string name, percent_decode(pair.substr(0, equals), Plus::space));
    std::string value;
    if (equals != std::string_view::npos) {
      MR_ASSIGN_OR_RETURN(value, percent_decode(pair.substr(equals + 1), Plus::space));
    }
    query.add(std::move(name), std::move(value));
  }
  return ok_status();
}

}  // namespace

std::string percent_encode(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(bytes.size());
  for (const char c : bytes) {
    if (is_unreserved(c)) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kHex[byte >> 4]);
    out.push_back(kHex[byte & 15]);
  }
  return out;
}

Result<std::string> percent_decode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::space) {
      out.push_back(' ');
    } else if (text[i] != '%') {
      out.push_back(text[i]);
    } else {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return invalid_error("% must be followed by two hex digits, as in %20; got \"" +
                             std::string(text.substr(i, 3)) + "\"");
      }
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    }
  }
  return out;
}

Status parse_target(Request& request) {
  std::string_view target = request.target;
  // A proxy's absolute form must be understood too; its authority says nothing new.
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!equal_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    const std::size_t path_at = target.find('/', scheme.size());
    target = path_at == std::string_view::npos ? "/" : target.substr(path_at);
    break;
  }
  if (!target.starts_with('/')) {
    return invalid_error("a request target must start with \"/\", got \"" + request.target + "\"");
  }
  target = target.substr(0, target.find('#'));
  const std::size_t question = target.find('?');
  request.path = target.substr(0, question);
  MR_RETURN_IF_ERROR(parse_path(request.path, request.segments));
  if (question == std::string_view::npos) return ok_status();
  return parse_query(target.substr(question + 1), request.query);
}

Result<Address> parse_address(std::string_view text) {
  const auto wrong = [&] {
    return invalid_error("an address must be HOST:PORT with a port from 1 to 65535, got \"" +
                         std::string(text) + "\"");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return wrong();
  std::string_view host = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong();  // an IPv6 literal needs brackets, or its last group reads as the port
  }
  std::uint16_t port = 0;
  const char* end = port_text.data() + port_text.size();
  const auto [stop, error] = std::from_chars(port_text.data(), end, port);
  if (host.empty() || error != std::errc() || stop != end || port == 0) return wrong();
  return Address{std::string(host), port};
}

std::string to_string(const Address& address) {
  const std::string port = std::to_string(address.port);
  if (address.host.find(':') != std::string::npos) return "[" + address.host + "]:" + port;
  return address.host + ":" + port;
}

}  // namespace millrace::http
