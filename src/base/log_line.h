#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/time.h"

namespace millrace {

enum class LogLevel : std::uint8_t { debug, info, warn, error };

std::string_view to_string(LogLevel level);
std::optional<LogLevel> parse_log_level(std::string_view text);  // "debug", "info", "warn", "error"

// One name and value behind the message. The views must live until the log call returns.
struct LogField {
  LogField(std::string_view field_name, std::string_view text) : name(field_name), value(text) {}
  LogField(std::string_view field_name, const char* text)
      : name(field_name), value(std::string_view(text)) {}
  LogField(std::string_view field_name, bool yes) : name(field_name), value(yes) {}
  template <std::signed_integral Int>
  LogField(std::string_view field_name, Int number)
      : name(field_name), value(static_cast<std::int64_t>(number)) {}
  template <std::unsigned_integral Int>
  LogField(std::string_view field_name, Int number)
      : name(field_name), value(static_cast<std::uint64_t>(number)) {}

  std::string_view name;
  std::variant<std::string_view, bool, std::int64_t, std::uint64_t> value;
};

// Writes one JSON object per line:
//   {"timestamp":"2012-06-21T13:30:00.017Z","level":"info","logger":"wal","message":"...",FIELDS}
// Handed through constructors; there is no global one. Texts are cut at 2 KiB, malformed UTF-8
// becomes U+FFFD. Thread-safe if the sink and the clock are; copies share the sink.
class Logger {
 public:
  // Gets a whole line with its '\n', so that one write(2) keeps lines of several threads apart.
  using Sink = std::function<void(std::string_view line)>;

  static constexpr std::size_t kTextBytesMax = 2048;

  // Drops what is below `level_min`. `clock` must outlive the logger.
  Logger(std::string name, LogLevel level_min, const Clock& clock, Sink sink);

  // The same sink, clock and level under another name.
  [[nodiscard]] Logger with_name(std::string name) const;

  [[nodiscard]] bool is_enabled(LogLevel level) const { return level >= level_min_; }
  void log(LogLevel level, std::string_view message,
           std::initializer_list<LogField> fields = {}) const;

  void debug(std::string_view message, std::initializer_list<LogField> fields = {}) const {
    log(LogLevel::debug, message, fields);
  }
  void info(std::string_view message, std::initializer_list<LogField> fields = {}) const {
    log(LogLevel::info, message, fields);
  }
  void warn(std::string_view message, std::initializer_list<LogField> fields = {}) const {
    log(LogLevel::warn, message, fields);
  }
  void error(std::string_view message, std::initializer_list<LogField> fields = {}) const {
    log(LogLevel::error, message, fields);
  }

 private:
  std::string name_;
  LogLevel level_min_;
  const Clock* clock_;
  std::shared_ptr<const Sink> sink_;
};

}  // namespace millrace
