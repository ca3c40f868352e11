// make_seeds SOURCE_FOLDER CORPUS_FOLDER writes CORPUS_FOLDER/TARGET/seed-N: for every fuzz target
// inputs that are right, made by the code that writes them, so that fuzzing starts behind the first
// checks.

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "codec/compression.h"
#include "codec/record_batch.h"
#include "features/store_format.h"
#include "kafka_wire/all_messages.h"
#include "kafka_wire/header.h"
#include "lake/journal.h"
#include "log/segment_format.h"
#include "ops/batches_body.h"
#include "runtime/snapshot_fuzz_plan.h"
#include "runtime/snapshot_store.h"
#include "task/journal.h"
#include "task/source_task.h"

namespace millrace {
namespace {

constexpr std::array kCompressions{codec::Compression::none, codec::Compression::gzip,
                                   codec::Compression::snappy, codec::Compression::lz4,
                                   codec::Compression::zstd};
constexpr std::string_view kEvent =
    R"({"id":"a-1","k":"x","t":"2012-06-21T13:30:00.017Z","x":"12.3400","n":[1,-2.5e3,null,true]})";

class Corpus {
 public:
  Corpus(std::filesystem::path source, std::filesystem::path folder)
      : source_(std::move(source)), folder_(std::move(folder)) {}

  void add(const std::string& target, std::string_view bytes) {
    const auto folder = folder_ / target;
    std::filesystem::create_directories(folder);
    std::ofstream out(folder / ("seed-" + std::to_string(++counts_[target])), std::ios::binary);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    MR_CHECK(out.good());
  }
  [[nodiscard]] std::string file(const std::string& name) const {
    std::ifstream in(source_ / name, std::ios::binary);
    MR_CHECK(in.good());
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  std::filesystem::path source_;
  std::filesystem::path folder_;
  std::map<std::string, int> counts_;
};

std::string batch_of(codec::Compression compression) {
  codec::RecordBatchBuilder builder(compression);
  const std::array<codec::HeaderToAppend, 2> headers{{{"h", "1"}, {"", std::nullopt}}};
  builder.append(WallTime(1'340'285'400'017), "x", kEvent, headers);
  builder.append(WallTime(1'340'285'400'000), std::nullopt, std::nullopt, {});
  builder.append(WallTime(1'340'285'400'018), "", std::string(300, 'v'), {});
  std::string bytes;
  builder.finish(bytes);
  return bytes;
}

void add_batches(Corpus& corpus) {
  std::string segment;
  std::string body;
  for (const auto compression : kCompressions) {
    const auto batch = batch_of(compression);
    corpus.add("record_batch_fuzz", batch);
    ops::append_body_batch(body, {1, WallTime(0), batch});
    log::append_frame_header(WallTime(7), batch, segment);
    segment += batch;
    if (compression == codec::Compression::none) continue;
    std::string packed(1, static_cast<char>(static_cast<int>(compression) - 1));
    MR_CHECK(codec::compress(compression, batch, packed).is_ok());
    corpus.add("compression_fuzz", packed);
  }
  corpus.add("batches_body_fuzz", body);
  corpus.add("segment_fuzz", "\xff" + segment);
  std::string index;
  log::append_index_entry({Offset(0), 64, WallTime(7)}, index);
  corpus.add("segment_fuzz", "\xf0" + segment + index);
  corpus.add("api_fuzz", "POST /api/v1/topics/t/batches HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                             std::to_string(body.size()) + "\r\n\r\n" + body);
}

void add_texts(Corpus& corpus) {
  for (const auto* target : {"json_fuzz", "row_decoder_fuzz"}) corpus.add(target, kEvent);
  const std::string zero(1, '\0');
  for (const std::string name : {"tick", "order"}) {
    const auto schema = corpus.file("schemas/" + name + ".schema.json");
    corpus.add("json_schema_fuzz", schema + zero + std::string(kEvent));
    const auto pipeline = corpus.file("pipelines/" + name + "s.yaml");
    corpus.add("pipeline_file_fuzz", pipeline + zero + schema);
  }
  corpus.add("pipeline_file_fuzz", runtime::kFuzzPipeline + zero + runtime::kFuzzSchema);
  corpus.add("config_fuzz",
             corpus.file("project_config.json") + zero + corpus.file("config/dev.json"));
  corpus.add("table_fuzz", std::string(1, '\0') + "k,v\na,\"1,\"\"2\"\nb,\r\n");
  corpus.add("table_fuzz", std::string("\1") + R"([{"k":"a","v":1.5},{"k":"b","v":null}])");
  corpus.add("record_source_fuzz", "\1k,n\na,1\n\"b\"\"\",x,y\n");
  corpus.add("record_source_fuzz", std::string(1, '\0') + std::string(kEvent) + "\r\n\n{");
  corpus.add("expr_fuzz", "\1d > 0 && s.size() < 9 ? round(d * i, 2) : table[s].c");
  for (const auto* target : {"GET /api/v1/topics", "GET /metrics", "GET /api/v1/groups",
                             "GET /api/v1/topics/t/batches?partition=0&offset=0&max_bytes=9",
                             "POST /api/v1/producers", "GET /nothing", "DELETE /readyz"}) {
    const auto request = std::string(target) + " HTTP/1.1\r\nHost: x\r\n\r\n";
    corpus.add("api_fuzz", request + request);
    corpus.add("http_request_fuzz", "\xff" + request);
  }
  corpus.add("api_fuzz",
             "POST /api/v1/topics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
             "d\r\n{\"topic\":\"u\"}\r\n0\r\n\r\n");
}

void add_journals(Corpus& corpus) {
  const std::vector<task::JournalEvent> events{
      task::PositionEntry{7, "owner"},
      task::WatermarkEntry{EventTime(1'340'285'400'017'000)},
      task::TableVersionEntry{"sectors", {1, 2}},
      task::PipelineEntry{"p", 3, {4, 5}, 4},
      task::SnapshotEntry{"snapshots/p/source/0000/1", Offset(9), 8, {6, 7}, 100},
      task::SnapshotRetiredEntry{"snapshots/p/source/0000/0"}};
  for (const auto& event : events) {
    std::string bytes;
    task::encode_journal_entry({5, Offset(9), WallTime(1'340'285'400'017), event}, bytes);
    corpus.add("journal_fuzz", bytes);
  }
  const std::vector<lake::LakeEvent> deliveries{
      lake::BeginEntry{"out", 3, Offset(0)}, lake::WriterEntry{1, {}},
      lake::FreezeEntry{1, Offset(0), Offset(9), 1, {{"lake/x/1.parquet", 9}}},
      lake::UploadsEntry{1, {{0, "upload"}}}, lake::DoneEntry{1, {1234}, 0}};
  for (const auto& delivery : deliveries) {
    std::string bytes;
    lake::encode_lake_entry({2, WallTime(7), delivery}, bytes);
    corpus.add("lake_entry_fuzz", bytes);
  }
}

void add_states(Corpus& corpus) {
  const auto plan = runtime::snapshot_fuzz_plan();
  const auto task = task::make_source_task(plan->source, 0, {});
  std::vector<task::OutputTopic> topics;
  for (int i = 0; i < 16; ++i) topics.push_back({"t" + std::to_string(i), 1, {}});
  task::Outputs outputs(topics);
  for (int round = 0; round < 2; ++round) {
    std::string state;
    task->snapshot(state);
    corpus.add("snapshot_fuzz", "\1" + state);
    runtime::SnapshotIdentity identity;
    identity.pipeline = "p";
    identity.stage = "source";
    const auto object = runtime::encode_snapshot(identity, {}, state);
    constexpr std::size_t kCrcBytes = 4;  // the target makes it right again
    corpus.add("snapshot_fuzz", std::string(1, '\0') + object.substr(0, object.size() - kCrcBytes));
    codec::RecordBatchBuilder builder;
    builder.append(WallTime(1'340'285'400'017), "x", kEvent, {});
    std::string batch;
    builder.finish(batch);
    MR_CHECK(task->apply(batch, WallTime(1'340'285'400'017), outputs).is_ok());
  }
  std::string state;
  task::make_merge_task(plan->merges[0], 0)->snapshot(state);
  corpus.add("snapshot_fuzz", "\2" + state);
  corpus.add("feature_fuzz", std::string(1, '\0') + R"({"t":"2012-06-21T13:30:00Z","revision":1})");
  corpus.add("feature_fuzz", "\1" + features::encode_record(EventTime(7), 1, kEvent));
  corpus.add("feature_fuzz", "\2" + features::encode_position({1, 2, "t", {{}, {}}, {"a", "b"}}));
}

// What a client says from its first word on, of every API that has something to say without an
// answer to the one before.
// Log-ins, as user u with password p, with a request behind; entries and users with content.
void add_log_ins(const std::function<void(const kafka_wire::WireBytes&)>& add) {
  using kafka_wire::append_request;
  const std::string plain("\0u\0p", 4);
  const auto token = [](std::string bytes) {
    kafka_wire::SaslAuthenticateRequest request;
    request.auth_bytes.bytes = std::move(bytes);
    return request;
  };
  kafka_wire::WireBytes with_plain;
  append_request(kafka_wire::SaslHandshakeRequest{"PLAIN"}, 1, 1, "c", with_plain);
  append_request(token(plain), 2, 2, "c", with_plain);
  append_request(kafka_wire::MetadataRequest(), 12, 3, "c", with_plain);
  add(with_plain);
  kafka_wire::WireBytes raw;
  append_request(kafka_wire::SaslHandshakeRequest{"PLAIN"}, 0, 1, "c", raw);
  raw.append(std::string("\0\0\0\4", 4) + plain);
  append_request(kafka_wire::MetadataRequest(), 12, 3, "c", raw);
  add(raw);
  for (const auto* mechanism : {"SCRAM-SHA-256", "SCRAM-SHA-512"}) {
    kafka_wire::WireBytes scram;
    append_request(kafka_wire::SaslHandshakeRequest{mechanism}, 1, 1, "c", scram);
    append_request(token("n,,n=u,r=nonce"), 2, 2, "c", scram);
    append_request(token("c=biws,r=noncecnJycnJycnJycnJycnJycnJycnJy,p=AAAA"), 2, 3, "c", scram);
    add(scram);
  }
  kafka_wire::WireBytes acls;
  kafka_wire::CreateAclsRequest create;
  create.creations.push_back({2, "t", 3, "User:u", "*", 3, 3});
  create.creations.push_back({3, "g", 4, "User:*", "127.0.0.1", 2, 2});
  append_request(create, 2, 1, "c", acls);
  kafka_wire::DescribeAclsRequest describe;
  describe.resource_type_filter = 1;
  describe.pattern_type_filter = 2;
  describe.resource_name_filter = "t";
  describe.operation = 1;
  describe.permission_type = 1;
  append_request(describe, 2, 2, "c", acls);
  kafka_wire::DeleteAclsRequest remove;
  remove.filters.push_back({2, "t", 3, std::nullopt, std::nullopt, 1, 1});
  append_request(remove, 2, 3, "c", acls);
  add(acls);
  kafka_wire::WireBytes users;
  kafka_wire::AlterUserScramCredentialsRequest alter;
  alter.upsertions.push_back(
      {"v", kafka_wire::ScramMechanism::sha_256, 4096, {"salt"}, {std::string(32, 'p')}});
  alter.deletions.push_back({"v", kafka_wire::ScramMechanism::sha_512});
  append_request(alter, 0, 1, "c", users);
  append_request(kafka_wire::DescribeUserScramCredentialsRequest(), 0, 2, "c", users);
  add(users);
}

void add_connections(Corpus& corpus) {
  std::string batch;
  codec::RecordBatchBuilder builder;
  builder.append(WallTime(1'340'285'400'017), "x", kEvent, {});
  builder.finish(batch);
  kafka_wire::ProduceRequest produce;
  produce.acks = -1;
  produce.timeout_ms = 1'000;
  produce.topic_data.push_back({"t", {}, {{0, kafka_wire::Records(batch)}}});
  kafka_wire::FetchRequest fetch;
  fetch.topics.emplace_back().topic = "t";
  fetch.topics.back().partitions.emplace_back().partition_max_bytes = 1 << 20;
  kafka_wire::MetadataRequest metadata;
  metadata.topics.emplace().push_back({{}, "t"});
  kafka_wire::WireBytes out;
  kafka_wire::append_request(kafka_wire::ApiVersionsRequest{"a", "1"}, 3, 1, "c", out);
  kafka_wire::append_request(metadata, 12, 2, "c", out);
  kafka_wire::append_request(produce, 9, 3, "c", out);
  kafka_wire::append_request(fetch, 12, 4, "c", out);
  const auto add = [&](const kafka_wire::WireBytes& bytes) {
    // The top two bits: anybody, before the log-in, a stranger, a super user.
    for (const char who : {'\x3f', '\x7f', '\xbf', '\xff'}) {
      corpus.add("connection_fuzz", who + bytes.joined());
    }
  };
  add(out);
  add_log_ins(add);
  kafka_wire::for_each_message(kafka_wire::AllMessages(), [&]<class M>(kafka_wire::MessageType<M>) {
    if constexpr (M::kInfo.kind == "request" && M::kInfo.api_key >= 0) {
      kafka_wire::WireBytes frame;
      kafka_wire::append_request(M(), M::kInfo.min_version, 1, "c", frame);
      add(frame);
    }
  });
}

}  // namespace
}  // namespace millrace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: make_seeds SOURCE_FOLDER CORPUS_FOLDER\n");
    return 2;
  }
  millrace::Corpus corpus(arguments[1], arguments[2]);
  millrace::add_batches(corpus);
  millrace::add_texts(corpus);
  millrace::add_journals(corpus);
  millrace::add_states(corpus);
  millrace::add_connections(corpus);
  return 0;
}
