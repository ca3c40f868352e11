#include "kafka_wire/header.h"

#include <utility>

#include "base/check.h"
#include "kafka_wire/message_reader.h"
#include "kafka_wire/message_writer.h"

namespace millrace::kafka_wire {
namespace {

bool has_flexible_response_header(const ApiInfo& api, std::int16_t version) {
  return api.key != ApiKey::api_versions && version >= api.first_flexible;
}

FrameMark begin_frame(WireBytes& out) {
  const FrameMark mark{out.own_byte_count(), out.foreign_byte_count()};
  out.extend(kFrameSizeBytes);
  return mark;
}

}  // namespace

Result<RequestFrame> parse_request(std::string_view frame) {
  RequestFrame request;
  RequestHeader& header = request.header;
  // Everything up to the version is the same in all headers.
  MessageReader fixed_part(frame, 0, false);
  header.api_key = fixed_part.fixed<std::int16_t>();
  header.api_version = fixed_part.fixed<std::int16_t>();
  header.correlation_id = fixed_part.fixed<std::int32_t>();
  if (fixed_part.has_failed()) {
    return fixed_part.finish({"request", "header", 0, 0, kNeverFlexible});
  }

  request.api = find_api(header.api_key);
  if (request.api == nullptr || header.api_version < request.api->min_advertised ||
      header.api_version > request.api->max_known) {
    return request;
  }
  // The client id keeps its old form in all headers, so that any broker can read it (KIP-511).
  MessageReader in(frame, header.api_version, false);
  (void)in.raw(fixed_part.position());
  const std::int32_t client_id_bytes = in.string_byte_count(true);
  if (client_id_bytes >= 0) {
    header.client_id.emplace(in.raw(static_cast<std::size_t>(client_id_bytes)));
  }
  if (in.has_failed()) in.add_to_path("client_id");
  if (header.api_version >= request.api->first_flexible) in.skip_tagged_fields();
  const std::string_view body = in.rest();
  if (in.has_failed()) {
    return in.finish({request.api->name, "request header", 0, 0, kNeverFlexible});
  }
  request.has_known_version = header.api_version >= request.api->min_known;
  if (request.has_known_version) request.body = body;
  return request;
}

Result<ResponseFrame> parse_response(ApiKey key, std::int16_t version, std::string_view frame) {
  const ApiInfo* const api = find_api(static_cast<std::int16_t>(key));
  MR_CHECK(api != nullptr && version >= api->min_known && version <= api->max_known);
  MessageReader in(frame, version, false);
  ResponseFrame response;
  response.correlation_id = in.fixed<std::int32_t>();
  if (has_flexible_response_header(*api, version)) in.skip_tagged_fields();
  response.body = in.rest();
  if (in.has_failed()) return in.finish({api->name, "response header", 0, 0, kNeverFlexible});
  return response;
}

FrameMark begin_request(const RequestHeader& header, WireBytes& out) {
  const ApiInfo* const api = find_api(header.api_key);
  MR_CHECK(api != nullptr);
  const FrameMark mark = begin_frame(out);
  MessageWriter writer(out, header.api_version, false);
  writer.fixed(header.api_key);
  writer.fixed(header.api_version);
  writer.fixed(header.correlation_id);
  header.client_id ? writer.string(*header.client_id) : writer.null_string();
  if (header.api_version >= api->first_flexible) writer.unsigned_varint(0);
  return mark;
}

FrameMark begin_response(ApiKey key, std::int16_t version, std::int32_t correlation_id,
                         WireBytes& out) {
  const ApiInfo* const api = find_api(static_cast<std::int16_t>(key));
  MR_CHECK(api != nullptr);
  const FrameMark mark = begin_frame(out);
  MessageWriter writer(out, version, false);
  writer.fixed(correlation_id);
  if (has_flexible_response_header(*api, version)) writer.unsigned_varint(0);
  return mark;
}

void end_frame(const FrameMark& mark, WireBytes& out) {
  const std::size_t byte_count = out.own_byte_count() - mark.own_byte_count - kFrameSizeBytes +
                                 out.foreign_byte_count() - mark.foreign_byte_count;
  MR_CHECK(byte_count <= static_cast<std::size_t>(INT32_MAX));
  out.store_u32(mark.own_byte_count, static_cast<std::uint32_t>(byte_count));
}

}  // namespace millrace::kafka_wire
