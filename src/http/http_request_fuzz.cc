// Foreign bytes as a connection would feed them: in pieces (the first byte chooses their size), one
// request after the other. Whatever comes, the reader must say complete, failed or need_more, never
// use more than it was given, and never hold more than its bounds.
#include <algorithm>
#include <cstdint>

#include "http/request_reader.h"
#include "http/url.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  using millrace::http::RequestReader;
  constexpr RequestReader::Limits kLimits = {
      .header_bytes_max = 1024, .headers_max = 16, .body_bytes_max = 4096};
  if (bytes == 0) return 0;
  const std::size_t step = std::max<std::size_t>(1, data[0]);
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, bytes - 1);
  RequestReader reader(kLimits);
  std::size_t begin = 0;
  std::size_t end = 0;
  while (true) {
    if (end == input.size() && begin == end) break;
    const auto progress = reader.feed(input.substr(begin, end - begin));
    MR_CHECK(progress.bytes_used <= end - begin);
    begin += progress.bytes_used;
    if (progress.state == RequestReader::State::failed) {
      MR_CHECK(reader.error().http_status >= 400 && reader.error().http_status <= 431);
      break;
    }
    if (progress.state == RequestReader::State::complete) {
      const millrace::http::Request request = reader.take();
      MR_CHECK(request.body.size() <= kLimits.body_bytes_max);
      MR_CHECK(request.headers.size() <= kLimits.headers_max);
      MR_CHECK(request.path.starts_with('/'));
      for (const std::string& segment : request.segments) {
        auto again = millrace::http::percent_decode(millrace::http::percent_encode(segment));
        MR_CHECK(again.is_ok() && *again == segment);
      }
      reader.reset();
    }
    if (progress.state == RequestReader::State::need_more || begin == end) {
      if (end == input.size()) break;
      end = std::min(input.size(), end + step);
    }
  }
  return 0;
}
