#include "base/log_line.h"

#include "base/check.h"
#include "base/json_text.h"
#include "base/time_text.h"

namespace millrace {
namespace {

// A cut text's first kTextBytesMax bytes, and what is left of the code point that lies across.
std::string_view cut(std::string_view text) {
  std::size_t end = Logger::kTextBytesMax;
  const auto goes_on = [&] { return (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80; };
  for (int i = 0; i < 3 && end < text.size() && goes_on(); ++i) ++end;
  return text.substr(0, end);
}

// As a JSON string, by the rules of the header.
void append_text(std::string& out, std::string_view text) {
  if (text.size() <= Logger::kTextBytesMax) return append_json_string_lossy(out, text);
  append_json_string_lossy(out, cut(text));
  out.insert(out.size() - 1, "...");
}

void append_value(std::string& out, const LogField& field) {
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    append_text(out, *text);
  } else if (const auto* yes = std::get_if<bool>(&field.value)) {
    out += *yes ? "true" : "false";
  } else if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
    out += std::to_string(*number);
  } else {
    out += std::to_string(std::get<std::uint64_t>(field.value));
  }
}

}  // namespace

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warn:
      return "warn";
    case LogLevel::error:
      return "error";
  }
  return "unknown";
}

std::optional<LogLevel> parse_log_level(std::string_view text) {
  for (const auto level : {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error}) {
    if (text == to_string(level)) return level;
  }
  return std::nullopt;
}

Logger::Logger(std::string name, LogLevel level_min, const Clock& clock, Sink sink)
    : name_(std::move(name)),
      level_min_(level_min),
      clock_(&clock),
      sink_(std::make_shared<const Sink>(std::move(sink))) {
  MR_CHECK(*sink_ != nullptr);
}

Logger Logger::with_name(std::string name) const {
  Logger other = *this;
  other.name_ = std::move(name);
  return other;
}

void Logger::log(LogLevel level, std::string_view message,
                 std::initializer_list<LogField> fields) const {
  if (!is_enabled(level)) return;
  std::string line;
  line.reserve(256);
  line += R"({"timestamp":")";
  append_wall_time(line, clock_->wall_now());
  line += R"(","level":")";
  line += to_string(level);
  line += R"(","logger":)";
  append_text(line, name_);
  line += R"(,"message":)";
  append_text(line, message);
  for (const auto& field : fields) {
    line.push_back(',');
    append_text(line, field.name);
    line.push_back(':');
    append_value(line, field);
  }
  line += "}\n";
  (*sink_)(line);
}

}  // namespace millrace
