// Nanoseconds per message and per partition: a broker's hot path is decoding Produce and Fetch
// requests and encoding their responses.

#include <benchmark/benchmark.h>

#include <string>

#include "kafka_wire/api_versions.h"
#include "kafka_wire/fetch.h"
#include "kafka_wire/header.h"
#include "kafka_wire/metadata.h"
#include "kafka_wire/produce.h"

namespace millrace::kafka_wire {
namespace {

constexpr std::size_t kBatchBytes = 16 << 10;
constexpr int kPartitionsPerTopic = 16;

const std::string& batch() {
  static const std::string bytes(kBatchBytes, 'b');
  return bytes;
}

ProduceRequest produce_request(int partitions) {
  ProduceRequest request;
  request.acks = -1;
  for (int i = 0; i < partitions; ++i) {
    if (i % kPartitionsPerTopic == 0) {
      request.topic_data.emplace_back().name = "topic-" + std::to_string(i);
    }
    auto& partition = request.topic_data.back().partition_data.emplace_back();
    partition.index = i;
    partition.records.assign(batch());
  }
  return request;
}

FetchRequest fetch_request(int partitions) {
  FetchRequest request;
  for (int i = 0; i < partitions; ++i) {
    if (i % kPartitionsPerTopic == 0) {
      request.topics.emplace_back().topic = "topic-" + std::to_string(i);
    }
    auto& partition = request.topics.back().partitions.emplace_back();
    partition.partition = i;
    partition.fetch_offset = i * 1000;
  }
  return request;
}

FetchResponse fetch_response(int partitions) {
  FetchResponse response;
  for (int i = 0; i < partitions; ++i) {
    if (i % kPartitionsPerTopic == 0) {
      response.responses.emplace_back().topic = "topic-" + std::to_string(i);
    }
    auto& partition = response.responses.back().partitions.emplace_back();
    partition.partition_index = i;
    partition.aborted_transactions.emplace();
    partition.records.append(batch());
    partition.records.append(batch());
  }
  return response;
}

void count_partitions(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

template <class M>
void decode_repeatedly(benchmark::State& state, const M& message, std::int16_t version) {
  const std::string bytes = encoded(message, version);
  M read;
  for (auto _ : state) {
    if (!decode(bytes, version, read).is_ok()) state.SkipWithError("not decoded");
    benchmark::DoNotOptimize(read);
  }
  count_partitions(state);
}

template <class M>
void encode_repeatedly(benchmark::State& state, const M& message, std::int16_t version) {
  WireBytes out;
  for (auto _ : state) {
    out.clear();
    append_response(message, version, 1, out);
    benchmark::DoNotOptimize(out.byte_count());
  }
  count_partitions(state);
}

void decode_produce_request(benchmark::State& state) {
  decode_repeatedly(state, produce_request(static_cast<int>(state.range(0))), 9);
}
BENCHMARK(decode_produce_request)->Arg(1)->Arg(64)->Arg(1024);

void decode_fetch_request(benchmark::State& state) {
  decode_repeatedly(state, fetch_request(static_cast<int>(state.range(0))), 12);
}
BENCHMARK(decode_fetch_request)->Arg(1)->Arg(64)->Arg(1024);

void decode_fetch_response(benchmark::State& state) {
  decode_repeatedly(state, fetch_response(static_cast<int>(state.range(0))), 12);
}
BENCHMARK(decode_fetch_response)->Arg(1)->Arg(64)->Arg(1024);

void encode_fetch_response(benchmark::State& state) {
  encode_repeatedly(state, fetch_response(static_cast<int>(state.range(0))), 12);
}
BENCHMARK(encode_fetch_response)->Arg(1)->Arg(64)->Arg(1024);

void encode_produce_response(benchmark::State& state) {
  ProduceResponse response;
  response.responses.resize(1);
  response.responses[0].partition_responses.resize(static_cast<std::size_t>(state.range(0)));
  encode_repeatedly(state, response, 9);
}
BENCHMARK(encode_produce_response)->Arg(1)->Arg(64)->Arg(1024);

void encode_metadata_response(benchmark::State& state) {
  MetadataResponse response;
  response.brokers.resize(1);
  response.topics.resize(1);
  response.topics[0].name = "topic";
  response.topics[0].partitions.resize(static_cast<std::size_t>(state.range(0)));
  for (auto& partition : response.topics[0].partitions) {
    partition.replica_nodes = {1};
    partition.isr_nodes = {1};
  }
  encode_repeatedly(state, response, 12);
}
BENCHMARK(encode_metadata_response)->Arg(1)->Arg(64)->Arg(1024);

void parse_request_header(benchmark::State& state) {
  WireBytes out;
  append_request(fetch_request(1), 12, 1, "consumer-group-client", out);
  const std::string bytes = out.joined().substr(kFrameSizeBytes);
  for (auto _ : state) {
    auto frame = parse_request(bytes);
    benchmark::DoNotOptimize(frame);
  }
}
BENCHMARK(parse_request_header);

}  // namespace
}  // namespace millrace::kafka_wire
