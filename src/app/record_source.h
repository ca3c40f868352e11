#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/arena.h"
#include "base/status.h"
#include "codec/json.h"

namespace millrace::app {

// Records to be produced, one after the other: lines of a file or generated ones.
class RecordSource {
 public:
  virtual ~RecordSource() = default;
  // The next value, or false at the end. The key is found by the caller.
  virtual Result<bool> next(std::string& value) = 0;
};

// "-" is standard input; *.gz is unpacked (up to 1 GiB). Lines of a CSV file become JSON objects of
// its header's names; whole numbers become numbers, everything else strings. Empty lines are
// skipped.
Result<std::unique_ptr<RecordSource>> open_lines(const std::string& path, bool is_csv);
// The same of a text.
std::unique_ptr<RecordSource> lines_of(std::string text, bool is_csv);

struct GeneratorOptions {
  std::string kind;  // "ticks" or "orders"
  std::uint64_t seed = 1;
  std::uint64_t count = 100'000;
  std::uint64_t tickers = 200;
  double bad_share = 0.0;        // break the schema or a rule
  double duplicate_share = 0.0;  // repeat an earlier event
  double late_share = 0.0;       // two hours behind
  std::int64_t start_ms = 0;     // event time of the first
  std::int64_t step_us = 1'000;  // between events
};
std::unique_ptr<RecordSource> make_generator(const GeneratorOptions& options);

// The text of a JSON object's string member, or nullopt when the line is no JSON object or has no
// such member.
class KeyReader {
 public:
  explicit KeyReader(std::string member) : member_(std::move(member)) {}
  std::optional<std::string> read(std::string_view line);

 private:
  std::string member_;
  Arena arena_;
  codec::JsonParser parser_;
};

}  // namespace millrace::app
