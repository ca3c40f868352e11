#pragma once

// Internal to the files that include Beast.
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <string_view>

namespace millrace::http {

// Puts the front of `bytes` into `parser`, which must not be done, and returns how many it used;
// call again until `error` is need_more or the parser is done.
//
// While a chunked body is being read, fewer than the five bytes of the shortest end "0\r\n\r\n" are
// held back. They can never complete a message, and Beast before Boost 1.86 aborts when the last
// chunk comes as "0\r\n" and then byte by byte (its pull request 2861): a client must not be able
// to choose that.
template <bool is_request>
std::size_t feed_parser(boost::beast::http::basic_parser<is_request>& parser,
                        std::string_view bytes, boost::system::error_code& error) {
  constexpr std::size_t kLastChunkBytesMin = 5;
  const bool is_within_chunked_body = parser.is_header_done() && parser.chunked();
  if (bytes.empty() || (is_within_chunked_body && bytes.size() < kLastChunkBytesMin)) {
    error = boost::beast::http::error::need_more;
    return 0;
  }
  return parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
}

}  // namespace millrace::http
