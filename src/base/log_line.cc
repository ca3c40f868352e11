#include "base/log_line.h"

#include "base/check.h"
#include "base/time_text.h"
#include "base/utf8.h"

namespace millrace {
namespace {

constexpr char32_t kReplacementCharacter = 0xfffd;

void append_escaped(std::string& out, char32_t code_point) {
  switch (code_point) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  if (code_point < 0x20 || code_point == 0x7f) {
    constexpr std::string_view kHexDigits = "0123456789abcdef";
    out += "\\u00";
    out.push_back(kHexDigits[code_point >> 4]);
    out.push_back(kHexDigits[code_point & 15]);
    return;
  }
  append_code_point(out, code_point);
}

void append_value(std::string& out, const LogField& field) {
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    append_json_text(out, *text);
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

void append_json_text(std::string& out, std::string_view text) {
  const bool is_cut = text.size() > Logger::kTextBytesMax;
  const std::size_t end = is_cut ? text.size() - Logger::kTextBytesMax : 0;  // bytes not written
  out.push_back('"');
  while (text.size() > end) {
    if (const auto code_point = take_code_point(text)) {
      append_escaped(out, *code_point);
    } else {
      append_code_point(out, kReplacementCharacter);
      text.remove_prefix(1);
    }
  }
  if (is_cut) out += "...";
  out.push_back('"');
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
  append_json_text(line, name_);
  line += R"(,"message":)";
  append_json_text(line, message);
  for (const auto& field : fields) {
    line.push_back(',');
    append_json_text(line, field.name);
    line.push_back(':');
    append_value(line, field);
  }
  line += "}\n";
  (*sink_)(line);
}

}  // namespace millrace
