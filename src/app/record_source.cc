#include "app/record_source.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string_view>
#include <vector>

#include "base/json_text.h"
#include "base/random.h"
#include "base/time_text.h"
#include "codec/compression.h"
#include "codec/json.h"

namespace millrace::app {
namespace {

constexpr std::size_t kUnpackedBytesMax = 1 << 30;
constexpr std::size_t kRowBytesMax = 1 << 20;  // of CSV; a record cannot be larger

// Splits a line. A quote opens a field only where the field begins (RFC 4180), so that 5" is five
// inches. `is_quoted`: the last field is open and goes on with the next line.
void split_csv(std::string_view line, std::vector<std::string>& fields, bool& is_quoted) {
  bool is_at_begin = !is_quoted;
  if (is_quoted) fields.back() += '\n';
  if (!is_quoted) fields.assign(1, {});
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (is_quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back() += '"';
      ++i;
    } else if (c == '"' && (is_quoted || is_at_begin)) {
      is_quoted = !is_quoted;
    } else if (c == ',' && !is_quoted) {
      fields.emplace_back();
      is_at_begin = true;
      continue;
    } else {
      fields.back() += c;
    }
    is_at_begin = false;
  }
}

bool is_whole_number(const std::string& text) {
  const auto digits = text.starts_with('-') ? text.substr(1) : text;
  constexpr std::size_t kDigitsMax = 18;
  return !digits.empty() && digits.size() <= kDigitsMax &&
         digits.find_first_not_of("0123456789") == std::string::npos &&
         (digits.size() == 1 || digits[0] != '0');
}

class LineSource final : public RecordSource {
 public:
  LineSource(std::unique_ptr<std::istream> owned, std::istream& in, bool is_csv)
      : owned_(std::move(owned)), in_(in), is_csv_(is_csv) {}

  Result<bool> next(std::string& value) override {
    while (read_line(line_)) {
      if (line_.empty()) continue;
      if (!is_csv_) {
        value = line_;
        return true;
      }
      constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
      if (line_number_ == 1 && line_.starts_with(kByteOrderMark)) {
        line_.erase(0, kByteOrderMark.size());
      }
      MR_RETURN_IF_ERROR(complete_row());
      if (header_.empty()) {
        MR_RETURN_IF_ERROR(take_header());
        continue;
      }
      to_json(value);
      return true;
    }
    if (in_.bad()) return io_error("the input cannot be read on");
    return false;
  }

 private:
  bool read_line(std::string& line) {
    if (!std::getline(in_, line)) return false;
    ++line_number_;
    if (line.ends_with('\r')) line.pop_back();
    return true;
  }

  // Takes further lines while a quoted field is open.
  Status complete_row() {
    const auto first_line = line_number_;
    std::string more;
    bool is_open = false;
    split_csv(line_, fields_, is_open);
    while (is_open) {
      if (line_.size() > kRowBytesMax || !read_line(more)) {
        return invalid_error("line " + std::to_string(first_line) +
                             ": a field that begins with a quote does not end with one");
      }
      split_csv(more, fields_, is_open);
      line_ += '\n';
      line_ += more;
    }
    return ok_status();
  }

  Status take_header() {
    header_ = fields_;
    auto sorted = header_;
    std::ranges::sort(sorted);
    const auto twice = std::ranges::adjacent_find(sorted);
    if (twice == sorted.end()) return ok_status();
    return invalid_error("the header names the member \"" + *twice + "\" twice");
  }

  // A row with more fields than there are names stays as it is: no object could hold all of it.
  void to_json(std::string& value) const {
    if (fields_.size() > header_.size()) {
      value = line_;
      return;
    }
    value = "{";
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      if (i > 0) value += ',';
      append_json_string(value, header_[i]);
      value += ':';
      if (is_whole_number(fields_[i])) {
        value += fields_[i];
      } else {
        append_json_string(value, fields_[i]);
      }
    }
    value += '}';
  }

  std::unique_ptr<std::istream> owned_;
  std::istream& in_;
  bool is_csv_;
  std::uint64_t line_number_ = 0;
  std::string line_;
  std::vector<std::string> fields_;  // of the row in line_
  std::vector<std::string> header_;
};

// Deterministic for a seed: the n-th event is the same whatever the rate.
class Generator final : public RecordSource {
 public:
  explicit Generator(const GeneratorOptions& options) : options_(options), random_(options.seed) {}

  Result<bool> next(std::string& value) override {
    if (produced_ == options_.count) return false;
    ++produced_;
    if (!recent_.empty() && is_share(options_.duplicate_share)) {
      value = recent_[random_.below(recent_.size())];
      return true;
    }
    constexpr std::int64_t kLateByUs = 7'200'000'000;
    auto time_us =
        options_.start_ms * 1000 + static_cast<std::int64_t>(produced_) * options_.step_us;
    if (is_share(options_.late_share)) time_us -= kLateByUs;
    const bool is_bad = is_share(options_.bad_share);
    value = options_.kind == "orders" ? order(time_us, is_bad) : tick(time_us, is_bad);
    constexpr std::size_t kRecentMax = 1000;
    if (is_bad) return true;
    if (recent_.size() < kRecentMax) {
      recent_.push_back(value);
    } else {
      recent_[random_.below(kRecentMax)] = value;
    }
    return true;
  }

 private:
  bool is_share(double share) {
    constexpr std::uint64_t kParts = 1'000'000;
    return random_.below(kParts) < static_cast<std::uint64_t>(share * kParts);
  }
  static std::string money(std::uint64_t cents) {
    auto text = std::to_string(cents / 100) + ".";
    if (cents % 100 < 10) text += '0';
    return text + std::to_string(cents % 100);
  }
  std::string tick(std::int64_t time_us, bool is_bad) {
    const auto n = random_.below(options_.tickers);
    std::string ticker = "T";
    ticker += static_cast<char>('A' + n / 26 % 26);
    ticker += static_cast<char>('A' + n % 26);
    if (n >= 676) ticker += std::to_string(n / 676);
    const auto price = is_bad ? std::string("0.00") : money(10'000 + random_.below(20'000));
    return R"({"event_id":"g)" + std::to_string(options_.seed) + "-" + std::to_string(produced_) +
           R"(","timestamp":")" + format_event_time(EventTime(time_us)) + R"(","ticker":")" +
           ticker + R"(","price":")" + price + R"(","volume":)" +
           std::to_string(1 + random_.below(900)) + R"(,"source":"generated"})";
  }
  std::string order(std::int64_t time_us, bool is_bad) {
    constexpr const char* kRegions[] = {"US", "EU", "UK", "CA", "AU"};
    const auto amount = is_bad ? std::string("0.00") : money(100 + random_.below(80'000));
    return R"({"order_id":"g)" + std::to_string(options_.seed) + "-" + std::to_string(produced_) +
           R"(","customer_id":"CUST-)" + kRegions[random_.below(5)] + "-" +
           std::to_string(random_.below(10'000)) + R"(","amount":")" + amount +
           R"(","currency":"USD","status":"confirmed","timestamp":")" +
           format_event_time(EventTime(time_us)) + R"(","items_count":)" +
           std::to_string(1 + random_.below(9)) + "}";
  }

  GeneratorOptions options_;
  Random random_;
  std::uint64_t produced_ = 0;
  std::vector<std::string> recent_;
};

}  // namespace

Result<std::unique_ptr<RecordSource>> open_lines(const std::string& path, bool is_csv) {
  if (path == "-") {
    return std::unique_ptr<RecordSource>(std::make_unique<LineSource>(nullptr, std::cin, is_csv));
  }
  auto file = std::make_unique<std::ifstream>(path, std::ios::binary);
  if (!*file) return not_found_error("file " + path + " cannot be opened");
  std::unique_ptr<std::istream> in = std::move(file);
  if (path.ends_with(".gz")) {
    std::ostringstream packed;
    packed << in->rdbuf();
    std::string plain;
    auto status =
        codec::decompress(codec::Compression::gzip, packed.view(), kUnpackedBytesMax, plain);
    if (!status.is_ok()) return std::move(status).with_context(path);
    return lines_of(std::move(plain), is_csv);
  }
  auto& stream = *in;
  return std::unique_ptr<RecordSource>(std::make_unique<LineSource>(std::move(in), stream, is_csv));
}

std::unique_ptr<RecordSource> lines_of(std::string text, bool is_csv) {
  auto in = std::make_unique<std::istringstream>(std::move(text));
  auto& stream = *in;
  return std::make_unique<LineSource>(std::move(in), stream, is_csv);
}

std::unique_ptr<RecordSource> make_generator(const GeneratorOptions& options) {
  return std::make_unique<Generator>(options);
}

std::optional<std::string> KeyReader::read(std::string_view line) {
  arena_.reset();
  const auto document = parser_.parse(line, arena_);
  if (!document.is_ok() || document->kind() != ValueKind::map) return std::nullopt;
  for (const auto& entry : document->as_map()) {
    if (entry.key.as_string() != member_) continue;
    if (entry.value.kind() == ValueKind::string) return std::string(entry.value.as_string());
  }
  return std::nullopt;
}

}  // namespace millrace::app
