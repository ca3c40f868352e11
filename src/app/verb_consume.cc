#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "app/api_client.h"
#include "app/command_line.h"
#include "app/verbs.h"
#include "base/time_text.h"
#include "base/utf8.h"
#include "codec/json.h"
#include "codec/record_batch.h"
#include "expr/expr.h"
#include "ops/batches_body.h"

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFollowWaitMs = 20'000;
constexpr int kFollowTurnMs = 20;

void set_bytes(Json& json, const std::string& name, const std::optional<std::string_view>& bytes) {
  if (!bytes) {
    json[name] = nullptr;
  } else if (is_valid_utf8(*bytes)) {
    json[name] = std::string(*bytes);
  } else {
    json[name + "_base64"] = codec::base64_encode(*bytes);
  }
}

Json record_json(const std::string& topic, std::int32_t partition, const RecordView& record) {
  Json json{{"topic", topic},
            {"partition", partition},
            {"offset", record.offset.value},
            {"timestamp", format_wall_time(record.timestamp)}};
  set_bytes(json, "key", record.key);
  set_bytes(json, "value", record.value);
  Json headers = Json::object();
  for (const auto& header : record.headers) {
    set_bytes(headers, std::string(header.key), header.value);
  }
  json["headers"] = headers;
  return json;
}

// `--filter`: a CEL expression over key, value (parsed where it is JSON), partition, offset and timestamp.
class Filter {
 public:
  static Result<Filter> make(const std::string& text) {
    Filter filter;
    if (text.empty()) return filter;
    expr::Environment environment;
    environment.layout = filter.layout_.get();
    environment.variable_names = {"key", "value", "partition", "offset", "timestamp"};
    MR_ASSIGN_OR_RETURN(auto program, expr::Program::compile(text, environment));
    filter.program_.emplace(std::move(program));
    return filter;
  }

  bool accepts(std::int32_t partition, const RecordView& record) {
    if (!program_) return true;
    arena_->reset();
    const auto text = [&](const std::optional<std::string_view>& bytes) {
      return bytes ? Value::string(*bytes) : Value::null();
    };
    Value value = text(record.value);
    if (record.value) {
      const auto parsed = codec::parse_json(*record.value, *arena_);
      if (parsed.is_ok()) value = *parsed;
    }
    const std::vector<Value> variables{text(record.key), value, Value::int64(partition),
                                       Value::int64(record.offset.value),
                                       Value::timestamp_micros(record.timestamp.value * 1000)};
    const auto result = program_->evaluate({{}, {}, variables}, *arena_);
    return result.kind() == ValueKind::boolean && result.as_boolean();
  }

 private:
  std::unique_ptr<RowLayout> layout_ = std::make_unique<RowLayout>();
  std::optional<expr::Program> program_;
  std::unique_ptr<Arena> arena_ = std::make_unique<Arena>();
};

struct Position {
  std::int32_t partition;
  std::int64_t offset;
};

class Consumer {
 public:
  Consumer(const ConsumeOptions& options, Filter filter)
      : options_(options), client_(options.server), filter_(std::move(filter)) {}

  Status run();

 private:
  Result<std::vector<Position>> positions();
  // Prints what is there from the position on; false at the end of the partition.
  Result<bool> read(Position& position, int wait_ms);
  [[nodiscard]] bool is_done() const {
    return options_.records_max > 0 && printed_ >= options_.records_max;
  }

  const ConsumeOptions& options_;
  ApiClient client_;
  Filter filter_;
  codec::BatchReader reader_;
  std::uint64_t printed_ = 0;
};

Result<std::vector<Position>> Consumer::positions() {
  MR_ASSIGN_OR_RETURN(const auto topics, client_.get("/api/v1/topics"));
  std::vector<Position> found;
  bool is_known = false;
  for (const auto& topic : topics.value("topics", Json::array())) {
    if (topic.value("topic", "") != options_.topic) continue;
    is_known = true;
    for (const auto& known : topic.value("offsets", Json::array())) {
      const auto partition = known.value("partition", 0);
      if (options_.partition >= 0 && options_.partition != partition) continue;
      const auto start = known.value("start", std::int64_t{0});
      found.push_back({partition, options_.offset >= 0 ? options_.offset : start});
    }
  }
  if (!is_known) return not_found_error("topic " + options_.topic + " does not exist");
  if (found.empty()) {
    return not_found_error("topic " + options_.topic + " has no partition " +
                           std::to_string(options_.partition));
  }
  return found;
}

Result<bool> Consumer::read(Position& position, int wait_ms) {
  const auto target = "/api/v1/topics/" + options_.topic +
                      "/batches?partition=" + std::to_string(position.partition) +
                      "&offset=" + std::to_string(position.offset) +
                      "&wait_ms=" + std::to_string(wait_ms);
  MR_ASSIGN_OR_RETURN(const auto response, client_.request("GET", target, {}, {}));
  MR_ASSIGN_OR_RETURN(const auto batches, ops::parse_batches_body(response.body));
  for (const auto& batch : batches) {
    MR_RETURN_IF_ERROR(reader_.open(batch.bytes));
    while (const RecordView* record = reader_.next()) {
      if (record->offset.value < position.offset) continue;
      if (is_done()) return false;
      position.offset = record->offset.value + 1;
      if (!filter_.accepts(batch.partition, *record)) continue;
      ++printed_;
      const auto line = record_json(options_.topic, batch.partition, *record);
      std::printf("%s\n", line.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    }
    MR_RETURN_IF_ERROR(reader_.status());
    position.offset = reader_.header().next_offset().value;
  }
  std::fflush(stdout);
  return !batches.empty();
}

Status Consumer::run() {
  MR_ASSIGN_OR_RETURN(auto positions, positions());
  for (auto& position : positions) {
    while (!is_done()) {
      MR_ASSIGN_OR_RETURN(const bool has_more, read(position, 0));
      if (!has_more) break;
    }
  }
  // Following several partitions by turns: each one gets a short wait.
  const int wait_ms = positions.size() == 1 ? kFollowWaitMs : kFollowTurnMs;
  while (options_.is_following && !is_done()) {
    for (auto& position : positions) {
      MR_ASSIGN_OR_RETURN(const bool has_more, read(position, wait_ms));
      (void)has_more;
    }
  }
  return ok_status();
}

}  // namespace

int run_consume(const ConsumeOptions& options) {
  auto filter = Filter::make(options.filter);
  if (!filter.is_ok()) return report_failure(std::move(filter).take_status().with_context("--filter"));
  const auto status = Consumer(options, std::move(filter).value()).run();
  return status.is_ok() ? static_cast<int>(kExitOk) : report_failure(status);
}

}  // namespace millrace::app
