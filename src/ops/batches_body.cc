#include "ops/batches_body.h"

#include "codec/record_batch.h"

namespace millrace::ops {
namespace {

constexpr std::size_t kPrefixBytes = 12;
constexpr std::int32_t kPartitionMax = 1'000'000;

}  // namespace

void append_body_batch(std::string& body, const BodyBatch& batch) {
  append_little(body, static_cast<std::uint32_t>(batch.partition));
  append_little(body, batch.append_time.value);
  body += batch.bytes;
}

Result<std::vector<BodyBatch>> parse_batches_body(std::string_view body) {
  std::vector<BodyBatch> batches;
  while (!body.empty()) {
    if (body.size() < kPrefixBytes) return invalid_error("the body ends inside a batch's prefix");
    BodyBatch batch;
    const auto partition = load_little<std::uint32_t>(body.data());
    if (partition > kPartitionMax) return invalid_error("partition number out of range");
    batch.partition = static_cast<std::int32_t>(partition);
    batch.append_time = WallTime(load_little<std::int64_t>(body.data() + 4));
    body.remove_prefix(kPrefixBytes);
    auto header = codec::parse_batch_header(body);
    if (!header.is_ok()) {
      auto status = std::move(header).take_status();
      if (status.code() == StatusCode::unsupported) return status;
      return invalid_error(std::string(status.message()));
    }
    batch.bytes = body.substr(0, static_cast<std::size_t>(header->batch_bytes));
    body.remove_prefix(batch.bytes.size());
    batches.push_back(batch);
  }
  return batches;
}

}  // namespace millrace::ops
