#include "pipeline/spec.h"

#include <array>
#include <charconv>
#include <limits>

namespace millrace::pipeline {
namespace {

struct Unit {
  std::string_view suffix;
  std::int64_t factor;
};

std::optional<std::int64_t> parse_with_unit(std::string_view text, std::span<const Unit> units) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  auto suffix = text.substr(static_cast<std::size_t>(end - text.data()));
  while (suffix.starts_with(' ')) suffix.remove_prefix(1);
  for (const auto& unit : units) {
    if (suffix != unit.suffix) continue;
    if (number > std::numeric_limits<std::int64_t>::max() / unit.factor) return std::nullopt;
    return number * unit.factor;
  }
  return std::nullopt;
}

// Walks the accepted document; every getter names a member of `value_`.
class Reader {
 public:
  Reader(const Value& value, std::string path, const ReportFault& report)
      : value_(value), path_(std::move(path)), report_(report) {}

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] Value get(std::string_view name) const {
    if (value_.kind() != ValueKind::map) return {};
    for (const auto& entry : value_.as_map()) {
      if (entry.key.as_string() == name) return entry.value;
    }
    return {};
  }
  [[nodiscard]] bool has(std::string_view name) const { return !get(name).is_absent(); }
  [[nodiscard]] Reader child(std::string_view name) const {
    return {get(name), path_ + "/" + std::string(name), report_};
  }
  // Calls `visit(reader, name)` for each member of an object or element of a list.
  template <typename Visit>
  void each(Visit&& visit) const {
    if (value_.kind() == ValueKind::map) {
      for (const auto& entry : value_.as_map()) {
        const std::string name(entry.key.as_string());
        visit(Reader(entry.value, path_ + "/" + name, report_), name);
      }
    } else if (value_.kind() == ValueKind::list) {
      std::size_t i = 0;
      for (const auto& element : value_.as_list()) {
        const auto name = std::to_string(i++);
        visit(Reader(element, path_ + "/" + name, report_), name);
      }
    }
  }
  [[nodiscard]] std::string text() const {
    switch (value_.kind()) {
      case ValueKind::string:
        return std::string(value_.as_string());
      case ValueKind::int64:
        return std::to_string(value_.as_int64());
      case ValueKind::decimal:
        return value_.as_decimal().to_string();
      case ValueKind::boolean:
        return value_.as_boolean() ? "true" : "false";
      default:
        return {};
    }
  }
  [[nodiscard]] std::string text(std::string_view name, std::string fallback = {}) const {
    return has(name) ? child(name).text() : std::move(fallback);
  }
  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t fallback) const {
    const auto value = get(name);
    return value.kind() == ValueKind::int64 ? value.as_int64() : fallback;
  }
  [[nodiscard]] std::int64_t duration_us(std::string_view name, std::int64_t fallback) const {
    if (!has(name)) return fallback;
    return child(name).duration_us();
  }
  [[nodiscard]] std::int64_t duration_us() const {
    const auto parsed = parse_duration_us(text());
    if (!parsed) fault(text() + " is not a duration; write 250ms, 30s, 5m, 24h or 1d");
    if (parsed && *parsed > kDurationUsMax) fault(text() + " is longer than 36500d");
    return parsed && *parsed <= kDurationUsMax ? *parsed : 0;
  }
  [[nodiscard]] ExpressionSpec expression(std::string_view name) const {
    return {child(name).text(), path_ + "/" + std::string(name)};
  }
  [[nodiscard]] ExpressionSpec expression() const { return {text(), path_}; }
  [[nodiscard]] bool is_map() const { return value_.kind() == ValueKind::map; }
  void fault(std::string message) const { report_(path_, std::move(message)); }

 private:
  Value value_;
  std::string path_;
  const ReportFault& report_;
};

SourceSpec read_source(const Reader& from) {
  SourceSpec source;
  source.topic = from.text("topic");
  source.key = from.text("key");
  source.event_time = from.text("event_time");
  source.out_of_orderness_us = from.duration_us("out_of_orderness", 0);
  source.max_ahead_us = from.duration_us("max_ahead", source.max_ahead_us);
  source.max_jump_us = from.duration_us("max_jump", source.max_jump_us);
  source.jump_confirmations =
      static_cast<std::int32_t>(from.integer("jump_confirmations", source.jump_confirmations));
  source.idle.idle_after_ms =
      from.duration_us("idle_after", source.idle.idle_after_ms * kMicrosPerMilli) / kMicrosPerMilli;
  const auto advance = from.text("idle_advance", "auto");
  if (advance == "on" || advance == "true") source.idle.advance = IdlePolicy::Advance::on;
  if (advance == "off" || advance == "false") source.idle.advance = IdlePolicy::Advance::off;
  if (from.has("partitions")) {
    source.partitions = static_cast<std::int32_t>(from.integer("partitions", 1));
  }
  return source;
}

void read_validate(const Reader& from, Spec& spec) {
  spec.schema_file = from.text("schema");
  from.child("rules").each([&](const Reader& rule, const std::string&) {
    RuleSpec read{rule.text("name"), {}, rule.expression("expr")};
    read.message = rule.text("message", read.name + ": " + read.expression.text);
    spec.rules.push_back(std::move(read));
  });
}

FieldSpec read_field(const Reader& from, const std::string& name) {
  if (!from.is_map()) return {name, from.expression()};
  return {name, from.expression("expr"), from.text("type", "")};
}

void read_enrich(const Reader& from, Spec& spec) {
  from.child("tables").each([&](const Reader& table, const std::string& name) {
    TableSpec read;
    read.name = name;
    read.file = table.text("file");
    read.key = table.text("key");
    const auto format = table.text("format", read.file.ends_with(".json") ? "json" : "csv");
    read.format = format == "json" ? task::TableFormat::json : task::TableFormat::csv;
    read.path = table.path();
    spec.tables.push_back(std::move(read));
  });
  from.child("fields").each([&](const Reader& field, const std::string& name) {
    spec.fields.push_back(read_field(field, name));
  });
}

// Position of the last comma outside of brackets and quotes, or npos.
std::size_t last_top_level_comma(std::string_view text) {
  std::size_t found = std::string_view::npos;
  int depth = 0;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == '\\') ++i;
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '(' || c == '[' || c == '{') {
      ++depth;
    } else if (c == ')' || c == ']' || c == '}') {
      --depth;
    } else if (c == ',' && depth == 0) {
      found = i;
    }
  }
  return found;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::optional<task::AggregateKind> aggregate_kind(std::string_view name) {
  using task::AggregateKind;
  constexpr std::array<std::pair<std::string_view, AggregateKind>, 7> kKinds{
      {{"count", AggregateKind::count},
       {"sum", AggregateKind::sum},
       {"min", AggregateKind::min},
       {"max", AggregateKind::max},
       {"avg", AggregateKind::avg},
       {"first", AggregateKind::first},
       {"last", AggregateKind::last}}};
  for (const auto& [known, kind] : kKinds) {
    if (known == name) return kind;
  }
  return std::nullopt;
}

AggregateSpec read_aggregate(const Reader& from, const std::string& name) {
  AggregateSpec aggregate;
  aggregate.name = name;
  aggregate.path = from.path();
  const auto owned = from.text();
  const auto text = trimmed(owned);
  const auto open = text.find('(');
  const auto kind =
      open == std::string_view::npos ? std::nullopt : aggregate_kind(trimmed(text.substr(0, open)));
  if (!kind || !text.ends_with(')')) {
    from.fault(owned +
               " is not an aggregate; write count(), sum(x), min(x), max(x), avg(x), "
               "avg(x, digits), first(x) or last(x)");
    return aggregate;
  }
  aggregate.kind = *kind;
  auto argument = trimmed(text.substr(open + 1, text.size() - open - 2));
  if (*kind == task::AggregateKind::avg) {
    const auto comma = last_top_level_comma(argument);
    if (comma != std::string_view::npos) {
      const auto digits = trimmed(argument.substr(comma + 1));
      const auto result =
          std::from_chars(digits.data(), digits.data() + digits.size(), aggregate.digits);
      if (result.ec != std::errc() || aggregate.digits < 0 || aggregate.digits > 18) {
        from.fault("avg's second argument must be a number of digits from 0 to 18");
      }
      argument = trimmed(argument.substr(0, comma));
    }
  }
  const bool takes_argument = *kind != task::AggregateKind::count;
  if (takes_argument == argument.empty()) {
    from.fault(takes_argument ? owned + " needs an argument" : "count() takes no argument");
  }
  if (!argument.empty()) aggregate.argument = {std::string(argument), from.path()};
  return aggregate;
}

// Keys that the schema knows and nothing does yet: better refused than ignored.
void refuse_key(const Reader& from, std::string_view name, std::string_view instead) {
  if (from.has(name)) from.child(name).fault("is not supported yet; " + std::string(instead));
}

WindowSpec read_window(const Reader& from) {
  WindowSpec window;
  refuse_key(from, "out_of_orderness", "set source.out_of_orderness, which holds for every window");
  window.name = from.text("name");
  window.path = from.path();
  if (from.has("key")) window.key = from.expression("key");
  if (from.has("tumbling")) {
    window.length_us = window.every_us = from.duration_us("tumbling", 0);
  } else {
    const auto sliding = from.child("sliding");
    window.length_us = sliding.duration_us("size", 0);
    window.every_us = sliding.duration_us("every", 0);
  }
  if (window.length_us <= 0 || window.every_us <= 0 || window.length_us % window.every_us != 0) {
    from.fault("a window's size must be a positive multiple of its step");
    window.length_us = window.every_us = kMicrosPerSecond;
  }
  constexpr std::int64_t kPanesPerEventMax = 10'000;
  if (window.length_us / window.every_us > kPanesPerEventMax) {
    from.fault("an event would fall into more than 10000 windows; take a larger step");
  }
  window.allowed_lateness_us = from.duration_us("allowed_lateness", 0);
  window.open_keys_max = from.integer("max_open_keys", window.open_keys_max);
  window.is_time_in_ms = from.text("times") == "epoch_ms";
  if (window.is_time_in_ms && window.every_us % kMicrosPerMilli != 0) {
    from.child("times").fault("epoch_ms needs windows that begin at whole milliseconds");
  }
  window.emit_to = from.text("emit_to");
  from.child("aggregates").each([&](const Reader& aggregate, const std::string& name) {
    window.aggregates.push_back(read_aggregate(aggregate, name));
  });
  from.child("fields").each([&](const Reader& field, const std::string& name) {
    window.fields.push_back(read_field(field, name));
  });
  return window;
}

LakeSpec read_lake(const Reader& from) {
  LakeSpec lake;
  refuse_key(from, "from", "leave it out to deliver the enriched events");
  lake.name = from.text("lake");
  lake.path = from.path();
  lake.is_parquet = from.text("format", "parquet") == "parquet";
  lake.compression = from.text("compression", "");
  from.child("partition_by").each([&](const Reader& by, const std::string&) {
    lake.partition_by.push_back(by.text());
  });
  const auto roll = from.child("roll");
  if (roll.has("size")) {
    const auto bytes = parse_bytes(roll.text("size"));
    if (!bytes || *bytes <= 0) roll.fault("size must be like 64MiB, 100MB or a number of bytes");
    lake.roll_bytes = bytes;
  }
  if (roll.has("interval")) {
    lake.roll_interval_ms = roll.duration_us("interval", 0) / kMicrosPerMilli;
  }
  return lake;
}

void read_sinks(const Reader& from, Spec& spec) {
  from.each([&](const Reader& sink, const std::string&) {
    if (sink.has("topic")) spec.topics.push_back(sink.text("topic"));
    if (sink.has("lake")) spec.lakes.push_back(read_lake(sink));
    if (sink.has("feature_group")) {
      spec.features.push_back({sink.text("feature_group"), sink.text("from"),
                               sink.text("record_id"), sink.text("event_time", "window_end"),
                               sink.path()});
    }
  });
}

}  // namespace

std::optional<std::int64_t> parse_duration_us(std::string_view text) {
  static constexpr std::array<Unit, 6> kUnits{{{"us", 1},
                                               {"ms", 1'000},
                                               {"s", 1'000'000},
                                               {"m", 60'000'000},
                                               {"h", 3'600'000'000},
                                               {"d", 86'400'000'000}}};
  return parse_with_unit(text, kUnits);
}

std::optional<std::int64_t> parse_bytes(std::string_view text) {
  static constexpr std::array<Unit, 8> kUnits{{{"", 1},
                                               {"B", 1},
                                               {"KiB", 1 << 10},
                                               {"MiB", 1 << 20},
                                               {"GiB", 1 << 30},
                                               {"KB", 1'000},
                                               {"MB", 1'000'000},
                                               {"GB", 1'000'000'000}}};
  return parse_with_unit(text, kUnits);
}

Spec read_spec(const Value& document, const ReportFault& report) {
  const Reader root(document, "", report);
  Spec spec;
  spec.name = root.text("pipeline");
  spec.version = static_cast<std::int32_t>(root.integer("version", 1));
  spec.source = read_source(root.child("source"));
  read_validate(root.child("validate"), spec);
  if (root.has("dedup")) {
    const auto dedup = root.child("dedup");
    spec.dedup = DedupSpec{dedup.expression("id"), dedup.duration_us("ttl", 86'400'000'000),
                           dedup.text("on_duplicate", "dead_letter") == "dead_letter"};
    if (spec.dedup->ttl_us <= 0) dedup.fault("ttl must be more than nothing");
  }
  read_enrich(root.child("enrich"), spec);
  root.child("windows").each([&](const Reader& window, const std::string&) {
    spec.windows.push_back(read_window(window));
  });
  read_sinks(root.child("sinks"), spec);
  const auto dead_letters = root.child("dead_letters");
  spec.dead_letter_topic = dead_letters.text("topic", spec.dead_letter_topic);
  spec.dead_letter_id_name = dead_letters.text("id_field_name");
  return spec;
}

}  // namespace millrace::pipeline
