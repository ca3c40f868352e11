#include "pipeline/compile.h"

#include <algorithm>
#include <deque>
#include <initializer_list>
#include <utility>

#include "base/check.h"
#include "pipeline/spec_check.h"
#include "task/window_results.h"

namespace millrace::pipeline {
namespace {

// Part of what a pipeline means: raised when an operator's results change.
constexpr std::string_view kOperatorsVersion = "operators 1";
constexpr std::uint64_t kFileSeed = 0x706970656c696e65;
constexpr std::int32_t kPartialsPartitionsMax = 4;
constexpr std::size_t kFieldsMax = 64;  // RowDecoder's bound

class Compiler {
 public:
  Compiler(const Spec& spec, const BuildOptions& options, const ReportFault& report)
      : spec_(spec), options_(options), report_(report), out_(std::make_unique<Pipeline>()) {}

  std::unique_ptr<Pipeline> run();

 private:
  void fault(const std::string& path, std::string message) {
    has_fault_ = true;
    report_(path, std::move(message));
  }
  std::optional<expr::Program> compile(const ExpressionSpec& expression,
                                       const expr::Environment& environment);
  // The same where only some types make sense. An unknown one does: the event decides.
  std::optional<expr::Program> compile_typed(const ExpressionSpec& expression,
                                             const expr::Environment& environment,
                                             std::string_view what,
                                             std::initializer_list<FieldType> types);
  [[nodiscard]] expr::Environment row_environment(std::size_t field_count,
                                                  bool has_processing_time) const;
  void check_declared_type(const FieldSpec& field, const expr::Program& program);
  std::optional<std::string> file_content(const std::string& name, const std::string& path);
  std::optional<std::size_t> schema_field(const std::string& name, const std::string& path,
                                          FieldType type);
  std::int32_t need_topic(const std::string& name, std::int32_t partition_count, bool is_internal);
  std::size_t output(std::vector<task::OutputTopic>& outputs, const std::string& topic,
                     std::int32_t partition_count);

  void read_schema();
  void compile_source();
  void compile_rules();
  void compile_tables();
  const Shape* shape_of(const std::string& name, const task::Table& table);
  void compile_fields();
  void compile_windows();
  std::optional<task::Window> compile_window(const WindowSpec& spec);
  void compile_result_fields(const WindowSpec& spec, task::Window& window);
  task::WindowResults results_of(const WindowSpec& spec, std::vector<task::OutputTopic>& outputs);
  void compile_sinks();
  std::string lake_compression(const LakeSpec& lake);
  void compile_features();

  const Spec& spec_;
  const BuildOptions& options_;
  const ReportFault& report_;
  std::unique_ptr<Pipeline> out_;
  bool has_fault_ = false;
  std::vector<std::string> table_names_;
  RowShapes row_shapes_;
  std::deque<Shape> tables_;
  std::vector<const Shape*> table_shapes_;  // by table
};

std::optional<expr::Program> Compiler::compile(const ExpressionSpec& expression,
                                               const expr::Environment& environment) {
  auto program = expr::Program::compile(expression.text, environment);
  if (program.is_ok()) return std::move(program).value();
  std::string message(program.status().message());
  if (!options_.are_unknown_members_faults) {
    auto unshaped = environment;
    unshaped.field_shapes.clear();
    unshaped.table_shapes.clear();
    program = expr::Program::compile(expression.text, unshaped);
    if (program.is_ok()) out_->warnings.push_back("`" + expression.text + "`: " + message);
    if (program.is_ok()) return std::move(program).value();
  }
  fault(expression.path, std::move(message));
  return std::nullopt;
}

std::optional<expr::Program> Compiler::compile_typed(const ExpressionSpec& expression,
                                                     const expr::Environment& environment,
                                                     std::string_view what,
                                                     std::initializer_list<FieldType> types) {
  auto program = compile(expression, environment);
  if (!program) return std::nullopt;
  const auto found = program->result_type();
  if (found == FieldType::any) return program;
  std::string wanted;
  for (const auto type : types) {
    if (type == found) return program;
    const std::string name(to_string(type));
    wanted += wanted.empty() ? with_article(name) : " or " + name;
  }
  fault(expression.path, std::string(what) + " must be " + wanted + ", but `" + expression.text +
                             "` is " + with_article(to_string(found)));
  return std::nullopt;
}

// A declared type is a promise about the lake's column and must be kept by every event.
void Compiler::check_declared_type(const FieldSpec& field, const expr::Program& program) {
  const auto found = program.result_type();
  if (field.type.empty() || field.type == to_string(found)) return;
  const auto& path = field.expression.path;
  if (found == FieldType::any) {
    return fault(path, "the type of `" + field.expression.text + "` depends on the event, so " +
                           field.type + " cannot be promised; leave type out, or convert, as in " +
                           "string(x)");
  }
  fault(path, field.name + " is declared " + with_article(field.type) + ", but `" +
                  field.expression.text + "` is " + with_article(to_string(found)));
}

expr::Environment Compiler::row_environment(std::size_t field_count,
                                            bool has_processing_time) const {
  expr::Environment environment;
  environment.layout = &out_->source.layout;
  environment.field_count = field_count;
  environment.field_shapes = row_shapes_.fields;
  environment.table_names = table_names_;
  environment.table_shapes = table_shapes_;
  if (has_processing_time) {
    environment.variable_names.emplace_back(task::kProcessingTimeVariable);
  }
  return environment;
}

std::optional<std::string> Compiler::file_content(const std::string& name,
                                                  const std::string& path) {
  const auto it = options_.files.find(name);
  if (it != options_.files.end()) return it->second;
  fault(path, "file " + name + " cannot be read");
  return std::nullopt;
}

std::optional<std::size_t> Compiler::schema_field(const std::string& name, const std::string& path,
                                                  FieldType type) {
  const auto slot = out_->source.layout.find(name);
  if (!slot) {
    std::string known;
    for (const auto& field : out_->source.layout.fields) {
      known += (known.empty() ? "" : ", ") + field.name;
    }
    fault(path, "the schema has no field " + name + "; it has: " + known);
    return std::nullopt;
  }
  const auto found = out_->source.layout.fields[*slot].type;
  if (found != type) {
    fault(path, name + " must be " + with_article(to_string(type)) + ", the schema says " +
                    std::string(to_string(found)));
    return std::nullopt;
  }
  return slot;
}

std::int32_t Compiler::need_topic(const std::string& name, std::int32_t partition_count,
                                  bool is_internal) {
  const auto known = options_.partition_counts.find(name);
  if (known != options_.partition_counts.end()) partition_count = known->second;
  for (const auto& need : out_->topics) {
    if (need.name == name) return need.partition_count;
  }
  out_->topics.push_back({name, partition_count, is_internal, false});
  return partition_count;
}

std::size_t Compiler::output(std::vector<task::OutputTopic>& outputs, const std::string& topic,
                             std::int32_t partition_count) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].topic == topic) return i;
  }
  outputs.push_back({topic, partition_count, codec::Compression::lz4});
  return outputs.size() - 1;
}

void Compiler::read_schema() {
  const std::string path = "/validate/schema";
  const auto text = file_content(spec_.schema_file, path);
  if (!text) return;
  auto schema = codec::JsonSchema::compile(*text);
  if (!schema.is_ok()) {
    return fault(path, spec_.schema_file + ": " + std::string(schema.status().message()));
  }
  auto layout = schema->row_layout();
  if (!layout.is_ok()) {
    return fault(path, spec_.schema_file + ": " + std::string(layout.status().message()));
  }
  out_->source.layout = std::move(layout).value();
  out_->source.schema_field_count = out_->source.layout.fields.size();
  row_shapes_ = schema->row_shapes();
  out_->source.schema = std::make_shared<const codec::JsonSchema>(std::move(schema).value());
  if (out_->source.schema_field_count > kFieldsMax) {
    fault(path, "the schema has more than " + std::to_string(kFieldsMax) + " fields");
  }
}

void Compiler::compile_source() {
  auto& source = out_->source;
  source.pipeline = spec_.name + "@" + std::to_string(spec_.version);
  source.version = spec_.version;
  source.source_topic = spec_.source.topic;
  source.dead_letter_id_name = spec_.dead_letter_id_name;
  source.max_ahead_us = spec_.source.max_ahead_us;
  source.watermark = {spec_.source.out_of_orderness_us, spec_.source.max_jump_us,
                      spec_.source.jump_confirmations};
  out_->idle = spec_.source.idle;
  if (const auto slot =
          schema_field(spec_.source.event_time, "/source/event_time", FieldType::timestamp)) {
    source.event_time_slot = *slot;
  }
  if (!spec_.source.key.empty()) {
    source.key_slot = schema_field(spec_.source.key, "/source/key", FieldType::string);
  }
  const auto wanted = spec_.source.partitions.value_or(options_.default_partition_count);
  source.source_partition_count = need_topic(spec_.source.topic, wanted, false);
  if (spec_.source.partitions && source.source_partition_count != *spec_.source.partitions) {
    fault("/source/partitions", "topic " + spec_.source.topic + " has " +
                                    std::to_string(source.source_partition_count) + " partitions");
  }
}

void Compiler::compile_rules() {
  const auto environment = row_environment(out_->source.schema_field_count, false);
  for (const auto& rule : spec_.rules) {
    if (auto program =
            compile_typed(rule.expression, environment, "a rule", {FieldType::boolean})) {
      out_->source.rules.push_back({rule.name, rule.message, std::move(*program)});
    }
  }
  if (!spec_.dedup) return;
  if (auto id = compile_typed(spec_.dedup->id, environment, "the id", {FieldType::string})) {
    out_->source.dedup = task::DedupPlan{std::move(*id), spec_.dedup->ttl_us,
                                         spec_.dedup->is_dead_lettered, options_.hash_secret};
  }
}

const Shape* Compiler::shape_of(const std::string& name, const task::Table& table) {
  if (table.columns().empty()) return nullptr;
  Shape& shape = tables_.emplace_back();
  shape.table = name;
  shape.is_closed = true;
  for (const auto column : table.columns()) shape.members.push_back({std::string(column)});
  return &shape;
}

void Compiler::compile_tables() {
  for (const auto& table : spec_.tables) {
    table_names_.push_back(table.name);
    table_shapes_.push_back(nullptr);
    const auto content = file_content(table.file, table.path + "/file");
    if (!content) continue;
    const auto parsed = task::Table::parse(table.format, *content, table.key);
    if (!parsed.is_ok()) {
      fault(table.path, table.file + ": " + std::string(parsed.status().message()));
      continue;
    }
    table_shapes_.back() = shape_of(table.name, **parsed);
    out_->tables.push_back({table.name, table.format, table.key, *content});
  }
  out_->source.tables = table_names_;
  need_topic(tables_topic(spec_.name), 1, true);
}

void Compiler::compile_fields() {
  auto& layout = out_->source.layout;
  for (const auto& field : spec_.fields) {
    const auto path = field.expression.path;
    if (layout.find(field.name)) {
      fault(path, field.name + " is a field already; take another name");
      continue;
    }
    auto program = compile(field.expression, row_environment(layout.fields.size(), true));
    if (!program) continue;
    check_declared_type(field, *program);
    const auto slot = layout.fields.size();
    layout.fields.push_back({field.name, program->result_type(), true, true, 38, 4});
    out_->source.computed.push_back({slot, std::move(*program)});
  }
}

void Compiler::compile_result_fields(const WindowSpec& spec, task::Window& window) {
  RowLayout layout;
  layout.fields.push_back({window.key ? window.key_name : "key", FieldType::string, true});
  layout.fields.push_back({"window_start", FieldType::timestamp, true});
  layout.fields.push_back({"window_end", FieldType::timestamp, true});
  for (const auto& call : window.aggregates) {
    const bool is_count = call.kind == task::AggregateKind::count;
    layout.fields.push_back({call.name, is_count ? FieldType::int64 : FieldType::any, true});
  }
  expr::Environment environment;
  environment.layout = &layout;
  environment.field_count = layout.fields.size();
  environment.variable_names.emplace_back(task::kProcessingTimeVariable);
  for (const auto& field : spec.fields) {
    if (layout.find(field.name) || is_result_member(field.name)) {
      fault(field.expression.path, field.name + " is a member of the result already");
    } else if (auto program = compile(field.expression, environment)) {
      check_declared_type(field, *program);
      window.fields.push_back({field.name, std::move(*program)});
    }
  }
}

std::optional<task::Window> Compiler::compile_window(const WindowSpec& spec) {
  const auto environment = row_environment(out_->source.layout.fields.size(), true);
  task::Window window;
  window.name = spec.name;
  window.length_us = spec.length_us;
  window.every_us = spec.every_us;
  window.allowed_lateness_us = spec.allowed_lateness_us;
  window.open_keys_max = static_cast<std::size_t>(spec.open_keys_max);
  window.is_time_in_ms = spec.is_time_in_ms;
  if (!spec.key.text.empty()) {
    window.key = compile_typed(spec.key, environment, "a window's key", {FieldType::string});
    if (!window.key) return std::nullopt;
    window.key_name = window_key_name(spec);
  }
  for (const auto& aggregate : spec.aggregates) {
    task::AggregateCall call{aggregate.name, aggregate.kind, aggregate.digits, std::nullopt};
    if (aggregate.argument) {
      const bool is_number =
          call.kind == task::AggregateKind::sum || call.kind == task::AggregateKind::avg;
      call.argument = is_number
                          ? compile_typed(*aggregate.argument, environment, "the argument",
                                          {FieldType::int64, FieldType::decimal})
                          : compile_typed(*aggregate.argument, environment, "the argument",
                                          {FieldType::int64, FieldType::decimal, FieldType::string,
                                           FieldType::boolean, FieldType::timestamp});
      if (!call.argument) return std::nullopt;
    }
    window.aggregates.push_back(std::move(call));
  }
  compile_result_fields(spec, window);
  return window;
}

task::WindowResults Compiler::results_of(const WindowSpec& spec,
                                         std::vector<task::OutputTopic>& outputs) {
  task::WindowResults results;
  const auto count = need_topic(spec.emit_to, out_->source.source_partition_count, false);
  results.results_output = output(outputs, spec.emit_to, count);
  for (const auto& feature : spec_.features) {
    if (feature.from != spec.name) continue;
    const auto topic = feature_topic(feature.group);
    const auto partitions = need_topic(
        topic, std::min(out_->source.source_partition_count, kPartialsPartitionsMax), true);
    results.feature_output = output(outputs, topic, partitions);
  }
  return results;
}

void Compiler::compile_windows() {
  auto& source = out_->source;
  for (const auto& spec : spec_.windows) {
    auto window = compile_window(spec);
    if (!window) continue;
    const bool is_local = !spec.key.text.empty() && spec.key.text == spec_.source.key;
    if (is_local) {
      window->local = results_of(spec, source.outputs);
      source.windows.push_back(std::move(*window));
      continue;
    }
    const auto topic = partials_topic(spec_.name, spec.name);
    const auto wanted =
        spec.key.text.empty() ? 1 : std::min(source.source_partition_count, kPartialsPartitionsMax);
    const auto partitions = need_topic(topic, wanted, true);
    window->partials_output = output(source.outputs, topic, partitions);
    source.windows.push_back(std::move(*window));

    auto merged = compile_window(spec);
    MR_CHECK(merged.has_value());
    task::MergePlan merge;
    merge.pipeline = source.pipeline;
    merge.version = source.version;
    merge.repartition_topic = topic;
    merge.upstream_partition_count = source.source_partition_count;
    merged->local = results_of(spec, merge.outputs);
    merge.window = std::move(*merged);
    const auto letters = need_topic(spec_.dead_letter_topic, source.source_partition_count, false);
    merge.dead_letter_output = output(merge.outputs, spec_.dead_letter_topic, letters);
    const auto journal = journal_topic(spec_.name, spec.name);
    need_topic(journal, partitions, true);
    out_->merges.push_back(std::move(merge));
  }
}

void Compiler::compile_sinks() {
  auto& source = out_->source;
  auto topics = spec_.topics;
  if (topics.empty() && !spec_.lakes.empty()) {
    topics.push_back("millrace." + spec_.name + ".enriched");
  }
  for (const auto& topic : topics) {
    const auto count = need_topic(topic, source.source_partition_count, false);
    source.enriched_outputs.push_back(output(source.outputs, topic, count));
  }
  const auto dead_letters =
      need_topic(spec_.dead_letter_topic, source.source_partition_count, false);
  source.dead_letter_output = output(source.outputs, spec_.dead_letter_topic, dead_letters);
  need_topic(journal_topic(spec_.name, std::string(kSourceStage)), source.source_partition_count,
             true);
  for (const auto& lake : spec_.lakes) {
    for (const auto& by : lake.partition_by) {
      const bool is_time = by == "year" || by == "month" || by == "day" || by == "hour";
      if (!is_time && !source.layout.find(by)) {
        fault(lake.path + "/partition_by", by + " is neither year, month, day, hour nor a field");
      }
    }
    const auto& defaults = options_.lake;
    out_->lakes.push_back({lake.name, topics.front(), lake.is_parquet, lake_compression(lake),
                           lake.partition_by, lake.roll_bytes.value_or(defaults.roll_bytes),
                           lake.roll_interval_ms.value_or(defaults.roll_interval_ms),
                           source.event_time_slot});
  }
}

std::string Compiler::lake_compression(const LakeSpec& lake) {
  if (!lake.compression.empty()) return lake.compression;
  std::string own = lake.is_parquet ? "zstd" : "gzip";
  const auto& configured = options_.lake.compression;
  if (configured.empty()) return own;
  if (lake.is_parquet || configured != "snappy") return configured;
  out_->warnings.push_back("lake " + lake.name + " is JSON lines, which cannot be snappy as " +
                           "configured; it will be " + own);
  return own;
}

void Compiler::compile_features() {
  for (const auto& feature : spec_.features) {
    const auto window = std::find_if(spec_.windows.begin(), spec_.windows.end(),
                                     [&](const auto& known) { return known.name == feature.from; });
    if (window == spec_.windows.end()) {
      fault(feature.path + "/from", "there is no window " + feature.from);
      continue;
    }
    if (feature.record_id != window->key.text) {
      fault(feature.path + "/record_id",
            "the record id must be the window's key, " + window->key.text);
    }
    if (feature.event_time != "window_end" && feature.event_time != "window_start") {
      fault(feature.path + "/event_time", "must be window_end or window_start");
    }
    if (window->is_time_in_ms) {
      fault(feature.path + "/from", "a feature group needs times as texts; window " + feature.from +
                                        " writes milliseconds, remove its times: epoch_ms");
    }
    const auto topic = feature_topic(feature.group);
    const auto partitions = need_topic(
        topic, std::min(out_->source.source_partition_count, kPartialsPartitionsMax), true);
    out_->features.push_back(
        {feature.group, topic, feature.record_id, feature.event_time, partitions});
  }
}

std::unique_ptr<Pipeline> Compiler::run() {
  out_->name = spec_.name;
  out_->version = spec_.version;
  out_->text = options_.text;
  read_schema();
  if (has_fault_) return nullptr;
  check_spec(spec_, [&](const std::string& path, std::string message) {
    fault(path, std::move(message));
  });
  compile_source();
  if (has_fault_) return nullptr;
  compile_tables();
  compile_rules();
  compile_fields();
  if (has_fault_) return nullptr;
  compile_windows();
  compile_sinks();
  compile_features();
  if (has_fault_) return nullptr;
  const auto schema = options_.files.find(spec_.schema_file);
  std::string meaning(kOperatorsVersion);
  meaning += '\0' + options_.text + '\0' + schema->second;
  out_->file = hash128(meaning, kFileSeed);
  return std::move(out_);
}

}  // namespace

std::unique_ptr<Pipeline> compile_spec(const Spec& spec, const BuildOptions& options,
                                       const ReportFault& report) {
  return Compiler(spec, options, report).run();
}

}  // namespace millrace::pipeline
