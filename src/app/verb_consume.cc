#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "app/api_client.h"
#include "app/command_line.h"
#include "app/printing.h"
#include "app/topic_reader.h"
#include "app/verbs.h"
#include "codec/json.h"
#include "expr/expr.h"
#include "ops/record_json.h"

namespace millrace::app {
namespace {

constexpr int kFollowWaitMs = 20'000;
constexpr int kFollowTurnMs = 20;

// `--filter`: a CEL expression over key, value (parsed where it is JSON), partition, offset and
// timestamp.
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
    if (result.kind() == ValueKind::boolean) return result.as_boolean();
    if (undecided_++ == 0) {
      std::string gave;
      codec::append_json(gave, result, false);
      first_undecided_ = "partition " + std::to_string(partition) + " offset " +
                         std::to_string(record.offset.value) + " gives " + gave;
    }
    return false;
  }

  // Says on stderr how many records it was neither true nor false for; a wrong type in the
  // expression would else look like a topic without a match.
  void report() const {
    if (undecided_ == 0) return;
    std::fprintf(stderr, "millrace: --filter is neither true nor false for %llu records: %s\n",
                 static_cast<unsigned long long>(undecided_), first_undecided_.c_str());
  }

 private:
  std::unique_ptr<RowLayout> layout_ = std::make_unique<RowLayout>();
  std::optional<expr::Program> program_;
  std::unique_ptr<Arena> arena_ = std::make_unique<Arena>();
  std::uint64_t undecided_ = 0;
  std::string first_undecided_;
};

class Consumer {
 public:
  Consumer(const ConsumeOptions& options, Filter filter)
      : options_(options), client_(options.server), filter_(std::move(filter)) {}

  Status run();
  void report() const { filter_.report(); }

 private:
  Status find_readers();
  // Prints what is there from the reader's position on; false at the end of the partition.
  Result<bool> read(PartitionReader& reader, int wait_ms);
  [[nodiscard]] bool is_done() const {
    return options_.records_max > 0 && printed_ >= options_.records_max;
  }

  const ConsumeOptions& options_;
  ApiClient client_;
  Filter filter_;
  std::vector<PartitionReader> readers_;
  std::uint64_t printed_ = 0;
};

Status Consumer::find_readers() {
  MR_ASSIGN_OR_RETURN(const auto partitions, find_partitions(client_, options_.topic));
  for (const auto& range : partitions) {
    if (options_.partition >= 0 && options_.partition != range.partition) continue;
    readers_.emplace_back(client_, options_.topic, range.partition,
                          options_.offset >= 0 ? options_.offset : range.start);
  }
  if (!readers_.empty()) return ok_status();
  return not_found_error("topic " + options_.topic + " has no partition " +
                         std::to_string(options_.partition));
}

Result<bool> Consumer::read(PartitionReader& reader, int wait_ms) {
  auto has_more = reader.read(wait_ms, [&](const RecordView& record) {
    if (is_done()) return false;
    if (!filter_.accepts(reader.partition(), record)) return true;
    ++printed_;
    print_json(ops::record_json(options_.topic, reader.partition(), record));
    return true;
  });
  std::fflush(stdout);
  return has_more;
}

Status Consumer::run() {
  MR_RETURN_IF_ERROR(find_readers());
  for (auto& reader : readers_) {
    while (!is_done()) {
      MR_ASSIGN_OR_RETURN(const bool has_more, read(reader, 0));
      if (!has_more) break;
    }
  }
  // Following several partitions by turns: each one gets a short wait.
  const int wait_ms = readers_.size() == 1 ? kFollowWaitMs : kFollowTurnMs;
  while (options_.is_following && !is_done()) {
    for (auto& reader : readers_) {
      MR_ASSIGN_OR_RETURN(const bool has_more, read(reader, wait_ms));
      (void)has_more;
    }
  }
  return ok_status();
}

}  // namespace

int run_consume(const ConsumeOptions& options) {
  auto filter = Filter::make(options.filter);
  if (!filter.is_ok())
    return report_failure(std::move(filter).take_status().with_context("--filter"));
  Consumer consumer(options, std::move(filter).value());
  const auto status = consumer.run();
  consumer.report();
  return status.is_ok() ? static_cast<int>(kExitOk) : report_failure(status);
}

}  // namespace millrace::app
