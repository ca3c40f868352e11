#include "app/command_line.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <map>
#include <set>
#include <span>

#include "app/command_tree.h"
#include "app/completion.h"
#include "app/printing.h"
#include "app/verb_help.h"
#include "app/verbs.h"

// This file and command_tree are the only ones that know CLI11: it is slow to compile.

namespace millrace::app {
namespace {

// Everything the verbs take; lives while the command line is parsed and run.
struct Parsed {
  int status = kExitOk;
  UpOptions up;
  ProduceOptions produce;
  ConsumeOptions consume;
  ServerOptions server;
  DlqOptions dlq;
  AuditOptions audit;
  TraceOptions trace;
  FeatureOptions features;
  SnapshotOptions snapshot;
  MirrorVerbOptions mirror;
  PipelineFileOptions pipeline;
  ConfigVerbOptions config;
  OutputFormat output = OutputFormat::text;
  bool with_internal = false;
  Shell shell = Shell::bash;
};

CLI::App* add_verb(CLI::App& parent, const std::string& name) {
  const auto outer = path_of(&parent);
  const auto& help = verb_help(outer.empty() ? name : outer + " " + name);
  return parent.add_subcommand(name, std::string(help.summary));
}

CLI::App* add_verb_group(CLI::App& parent, const std::string& name) {
  auto* verb = add_verb(parent, name);
  verb->require_subcommand(1);
  return verb;
}

// (CLI11's own says that -1 is not in the range from 0 to a number of 308 digits.)
CLI::Validator whole_number_from(std::int64_t least) {
  const auto check = [least](const std::string& text) -> std::string {
    std::int64_t number = 0;
    const auto* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec == std::errc() && parsed.ptr == end && number >= least) return "";
    return "must be a whole number from " + std::to_string(least) + ", not " + text;
  };
  return {check, ""};
}

// One of a few words, in any case. (CLI11's own transformer cannot print the choices of an enum.)
template <typename Choice>
CLI::Option* add_choice(CLI::App& verb, const std::string& name, Choice& to,
                        const std::map<std::string, Choice>& choices, const std::string& help) {
  std::set<std::string> words;
  std::string type;
  for (const auto& [word, choice] : choices) {
    words.insert(word);
    type += (type.empty() ? "" : "|") + word;
  }
  return verb
      .add_option_function<std::string>(
          name, [&to, choices](const std::string& word) { to = choices.at(word); }, help)
      ->transform(CLI::IsMember(words, CLI::ignore_case).description(""))
      ->type_name(type);
}

void add_output(CLI::App& verb, OutputFormat& output) {
  add_choice<OutputFormat>(verb, "--output", output,
                           {{"text", OutputFormat::text}, {"json", OutputFormat::json}},
                           "how to print: text or json")
      ->type_name("text|json");
}

void add_server(CLI::App& verb, ServerOptions& options) {
  verb.add_option("--data", options.data_folder, "data folder of the running instance")
      ->type_name("DIR");
  verb.add_option("--server", options.server, "address of the running instance")
      ->type_name("HOST:PORT");
  add_output(verb, options.output);
}

void add_up(CLI::App& app, Parsed& parsed) {
  auto& options = parsed.up;
  auto* verb = add_verb(app, "up");
  verb->add_option("--data", options.data_folder, "folder for all state (./millrace-data)")
      ->type_name("DIR");
  verb->add_option("--config", options.config_file,
                   "configuration (project_config.json, if it is there)")
      ->type_name("FILE");
  verb->add_option("--env", options.environment,
                   "overlay config/ENV.json: dev, staging, prod (dev)")
      ->type_name("ENV");
  verb->add_option("--pipeline", options.pipeline_files,
                   "pipeline file; repeat for several (those of the configuration)")
      ->type_name("FILE");
  verb->add_option("--accept-state-loss", options.accepted_losses,
                   "this version may start without state it cannot take over; repeat for several")
      ->type_name("PIPELINE@VERSION");
  verb->add_option("--kafka-port", options.kafka_port, "0 picks one and prints it (9092)")
      ->type_name("N")
      ->check(CLI::Range(0, 65'535).description(""));
  verb->add_option("--http-port", options.http_port, "0 picks one and prints it (8080)")
      ->type_name("N")
      ->check(CLI::Range(0, 65'535).description(""));
  verb->add_option("--aws-port", options.aws_port, "for the AWS protocols, which do not exist yet")
      ->type_name("N")
      ->check(CLI::Range(0, 65'535).description(""));
  verb->add_option("--parallelism", options.parallelism, "worker threads (2)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024).description(""));
  add_output(*verb, options.output);
  verb->callback([&] { parsed.status = run_up(options); });
}

void add_produce(CLI::App& app, Parsed& parsed) {
  auto& options = parsed.produce;
  auto* verb = add_verb(app, "produce");
  verb->add_option("topic", options.topic, "topic to write to")->required()->type_name("TOPIC");
  auto* file = verb->add_option("--file", options.file,
                                "JSON lines or CSV, also .gz; - is standard input (-)")
                   ->type_name("FILE");
  auto* format =
      verb->add_option("--format", options.input_format, "jsonl or csv (by the file's name)")
          ->type_name("jsonl|csv")
          ->check(CLI::IsMember({"jsonl", "csv"}).description(""));
  verb->add_option("--key", options.key, "member whose text becomes the record's key")
      ->type_name("NAME");
  verb->add_option("--rate", options.records_per_second, "records per second (unbounded)")
      ->type_name("N")
      ->check(CLI::Range(0.0, 1e9).description(""));
  verb->add_option_function<double>(
          "--retry-for",
          [&](double seconds) { options.retry_for_ms = static_cast<std::int64_t>(seconds * 1000); },
          "seconds to wait for a server that is away (60)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 1e9).description(""));
  auto* generate =
      verb->add_option("--generate", options.generate, "make up events instead: ticks or orders")
          ->type_name("ticks|orders")
          ->check(CLI::IsMember({"ticks", "orders"}).description(""))
          ->excludes(file)
          ->excludes(format);
  verb->add_option("--seed", options.seed, "of the generator (1)")
      ->type_name("N")
      ->check(whole_number_from(0))
      ->needs(generate);
  verb->add_option("--count", options.count, "events to generate (100000)")
      ->type_name("N")
      ->check(whole_number_from(0))
      ->needs(generate);
  for (const auto& [name, share, what] :
       {std::tuple{"--bad", &options.bad_share, "share of broken events, 0 to 1"},
        {"--duplicate", &options.duplicate_share, "share of repeated events, 0 to 1"},
        {"--late", &options.late_share, "share of events two hours behind, 0 to 1"}}) {
    verb->add_option(name, *share, what)
        ->type_name("SHARE")
        ->check(CLI::Range(0.0, 1.0).description(""))
        ->needs(generate);
  }
  add_server(*verb, options.server);
  verb->callback([&] {
    if (options.key.empty() && options.generate == "ticks") options.key = "ticker";
    if (options.key.empty() && options.generate == "orders") options.key = "customer_id";
    parsed.status = run_produce(options);
  });
}

void add_consume(CLI::App& app, Parsed& parsed) {
  auto& options = parsed.consume;
  auto* verb = add_verb(app, "consume");
  verb->add_option("topic", options.topic, "topic to read")->required()->type_name("TOPIC");
  verb->add_option("--partition", options.partition, "only this partition")
      ->type_name("N")
      ->check(CLI::Range(0, 1'000'000).description(""));
  auto* offset = verb->add_option("--offset", options.offset, "first offset, in each partition")
                     ->type_name("N")
                     ->check(whole_number_from(0));
  verb->add_flag_callback(
          "--from-beginning", [&] { options.offset = -1; },
          "from the first record there is (the default)")
      ->excludes(offset);
  verb->add_option("--max", options.records_max, "end after so many records")
      ->type_name("N")
      ->check(whole_number_from(1));
  verb->add_option("--filter", options.filter,
                   "CEL over key, value, partition, offset, timestamp: value.volume > 100")
      ->type_name("EXPRESSION");
  verb->add_flag("--follow", options.is_following, "wait for more at the end of the topic");
  add_server(*verb, options.server);
  verb->callback([&] { parsed.status = run_consume(options); });
}

// A verb that takes nothing but where the instance is.
void add_plain(CLI::App& parent, const std::string& name, Parsed& parsed,
               int (*run)(const ServerOptions&)) {
  auto* verb = add_verb(parent, name);
  add_server(*verb, parsed.server);
  verb->callback([&parsed, run] { parsed.status = run(parsed.server); });
}

void add_topics(CLI::App& app, Parsed& parsed) {
  auto* verb = add_verb(app, "topics");
  verb->add_flag("--internal", parsed.with_internal, "also journals and other internal topics");
  add_server(*verb, parsed.server);
  verb->callback([&] { parsed.status = run_topics(parsed.server, parsed.with_internal); });
}

void add_audit(CLI::App& app, Parsed& parsed) {
  auto& options = parsed.audit;
  auto* verb = add_verb(app, "audit");
  auto* replay = verb->add_option("--replay", options.replay_range,
                                  "replay the input offsets A..B and compare the outputs "
                                  "(everything reachable)")
                     ->type_name("[A..B]")
                     ->expected(0, 1);
  verb->add_option("--pipeline", options.pipeline, "replay only this pipeline")
      ->type_name("NAME")
      ->needs(replay);
  verb->add_option("--stage", options.stage,
                   "replay only this stage: source, or the name of a merged window")
      ->type_name("NAME")
      ->needs(replay);
  verb->add_option("--partition", options.partition, "replay only this partition of the input")
      ->type_name("N")
      ->check(CLI::Range(0, 1'000'000).description(""))
      ->needs(replay);
  add_server(*verb, options.server);
  verb->callback([&parsed, &options, replay] {
    options.is_replay = replay->count() > 0;
    parsed.status = run_audit(options);
  });
}

void add_trace(CLI::App& app, Parsed& parsed) {
  auto& options = parsed.trace;
  auto* verb = add_verb(app, "trace");
  verb->add_option("event", options.event_id, "id of the event, as its deduplication sees it")
      ->type_name("EVENT_ID");
  verb->add_option("--pipeline", options.pipeline, "only this pipeline")->type_name("NAME");
  auto* topic = verb->add_option("--topic", options.topic, "source topic of a record to explain")
                    ->type_name("TOPIC");
  auto* partition = verb->add_option("--partition", options.partition, "its partition")
                        ->type_name("N")
                        ->check(CLI::Range(0, 1'000'000).description(""));
  auto* offset = verb->add_option("--offset", options.offset, "its offset")
                     ->type_name("N")
                     ->check(whole_number_from(0));
  offset->needs(topic)->needs(partition);
  verb->add_option("--since", options.since,
                   "look only at what came after this time, as 2024-05-01T12:00:00Z")
      ->type_name("TIME");
  verb->add_option("--max-scan", options.scan_max,
                   "how many of a topic's newest records to look through (1000000)")
      ->type_name("N")
      ->check(whole_number_from(1));
  add_server(*verb, options.server);
  verb->callback([&parsed, &options] { parsed.status = run_trace(options); });
}

void add_dlq(CLI::App& app, Parsed& parsed) {
  auto& options = parsed.dlq;
  auto* group = add_verb_group(app, "dlq");
  auto* list = add_verb(*group, "list");
  list->add_option("--limit", options.limit, "how many; 0 for all (20)")
      ->type_name("N")
      ->check(whole_number_from(0));
  auto* count = add_verb(*group, "count");
  for (auto* verb : {list, count}) {
    verb->add_option("--error-type", options.error_type, "only this cause, as SCHEMA_INVALID")
        ->type_name(
            "SCHEMA_INVALID|BUSINESS_RULE_VIOLATION|DUPLICATE|FUTURE_EVENT|LATE_EVENT|SINK_ERROR|"
            "TIMEOUT")
        ->check(CLI::IsMember({"SCHEMA_INVALID", "BUSINESS_RULE_VIOLATION", "DUPLICATE",
                               "FUTURE_EVENT", "LATE_EVENT", "SINK_ERROR", "TIMEOUT"})
                    .description(""));
    verb->add_option("--pipeline", options.pipeline, "only this pipeline")->type_name("NAME");
    add_server(*verb, options.server);
  }
  list->callback([&] { parsed.status = run_dlq_list(options); });
  count->callback([&] { parsed.status = run_dlq_count(options); });
  auto* show = add_verb(*group, "show");
  show->add_option("letter", options.letter, "which one, as `dlq list` prints it")
      ->required()
      ->type_name("TOPIC/PARTITION/OFFSET");
  add_server(*show, options.server);
  show->callback([&] { parsed.status = run_dlq_show(options); });
}

void add_pipeline(CLI::App& app, Parsed& parsed) {
  auto& options = parsed.pipeline;
  auto* group = add_verb_group(app, "pipeline");
  auto* check = add_verb(*group, "check");
  check->add_option("--against", options.against, "a data folder or HOST:PORT to compare with")
      ->type_name("DIR");
  auto* explain = add_verb(*group, "explain");
  for (auto* verb : {check, explain}) {
    verb->add_option("file", options.file, "pipeline file")->required()->type_name("FILE");
    add_output(*verb, options.output);
  }
  check->callback([&] { parsed.status = run_pipeline_check(options); });
  explain->callback([&] { parsed.status = run_pipeline_explain(options); });
}

void add_config(CLI::App& app, Parsed& parsed) {
  auto& options = parsed.config;
  auto* group = add_verb_group(app, "config");
  auto* check = add_verb(*group, "check");
  auto* show = add_verb(*group, "show");
  for (auto* verb : {check, show}) {
    verb->add_option("--config", options.config_file,
                     "configuration (project_config.json, if it is there)")
        ->type_name("FILE");
    verb->add_option("--env", options.environment, "overlay config/ENV.json (dev)")
        ->type_name("ENV");
    add_output(*verb, options.output);
  }
  check->callback([&] { parsed.status = run_config_check(options); });
  show->callback([&] { parsed.status = run_config_show(options); });
}

void add_deliveries(CLI::App& app, Parsed& parsed) {
  auto* lake = add_verb_group(app, "lake");
  add_plain(*lake, "list", parsed, run_lake_list);
  add_plain(*lake, "verify", parsed, run_lake_verify);
  auto* features = add_verb_group(app, "features");
  add_plain(*features, "list", parsed, run_features_list);
  auto* get = add_verb(*features, "get");
  get->add_option("group", parsed.features.group, "feature group")->required()->type_name("GROUP");
  get->add_option("id", parsed.features.record_id, "record id")->required()->type_name("ID");
  add_server(*get, parsed.features.server);
  get->callback([&] { parsed.status = run_features_get(parsed.features); });
}

void add_snapshot(CLI::App& app, Parsed& parsed) {
  auto& options = parsed.snapshot;
  auto* group = add_verb_group(app, "snapshot");
  const auto add = [&](const std::string& name, int (*run)(const SnapshotOptions&)) {
    auto* verb = add_verb(*group, name);
    if (name != "list") {
      verb->add_option("name", options.name, "name of the snapshot")->required()->type_name("NAME");
      verb->add_option("--pipeline", options.pipeline, "only of this pipeline")
          ->type_name("PIPELINE");
    }
    add_server(*verb, options.server);
    verb->callback([&options, &parsed, run] { parsed.status = run(options); });
  };
  add("create", run_snapshot_create);
  add("list", run_snapshot_list);
  add("delete", run_snapshot_delete);
  add("restore", run_snapshot_restore);
}

void add_mirror(CLI::App& app, Parsed& parsed) {
  auto& options = parsed.mirror;
  auto* group = add_verb_group(app, "mirror");
  for (const bool is_in : {true, false}) {
    auto* verb = add_verb(*group, is_in ? "in" : "out");
    verb->add_option("topics", options.topics, "topics to copy")->required()->type_name("TOPIC");
    verb->add_option("--kafka", options.brokers, "the cluster (log.kafka of the configuration)")
        ->type_name("HOST:PORT,...");
    verb->add_option("--config", options.config_file,
                     "configuration with log.kafka (project_config.json, if it is there)")
        ->type_name("FILE");
    verb->add_option("--env", options.environment, "overlay config/ENV.json (dev)")
        ->type_name("ENV");
    verb->add_option("--name", options.name, "whose positions are gone on from (default)")
        ->type_name("NAME");
    verb->add_flag("--follow", options.is_following, "wait for more when all is copied");
    verb->add_flag("--accept-gap", options.accepts_gaps,
                   "go on behind records that the source deleted before they were copied");
    verb->add_flag("--start-anew", options.starts_anew,
                   "copy behind records that are in the target although no position is known");
    verb->add_option_function<double>(
            "--retry-for",
            [&](double seconds) {
              options.retry_for_ms = static_cast<std::int64_t>(seconds * 1000);
            },
            "seconds to wait for a side that went away (60)")
        ->type_name("SECONDS")
        ->check(CLI::Range(0.0, 1e9).description(""));
    add_server(*verb, options.server);
    verb->callback([&options, &parsed, is_in] {
      options.is_into_instance = is_in;
      parsed.status = run_mirror(options);
    });
  }
}

void add_completion(CLI::App& app, Parsed& parsed) {
  auto* verb = add_verb(app, "completion");
  add_choice<Shell>(*verb, "shell", parsed.shell,
                    {{"bash", Shell::bash}, {"zsh", Shell::zsh}, {"fish", Shell::fish}},
                    "bash, zsh or fish")
      ->required()
      ->type_name("bash|zsh|fish");
  verb->callback([&] { print_text(completion_script(parsed.shell, shape_of(app))); });
}

// Results that could not be written are no success, whatever the verb thinks.
int written(int status) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  std::fprintf(stderr, "millrace: standard output could not be written\n");
  return status == kExitOk ? kExitFailed : status;
}

}  // namespace

int run_command_line(int argc, char** argv) {
  CLI::App app{std::string(verb_help("").summary), "millrace"};
  app.formatter(make_help_formatter());
  app.require_subcommand(1);
  app.set_version_flag("--version", version_text(), "Print the version and exit");
  Parsed parsed;
  add_up(app, parsed);
  add_plain(app, "status", parsed, run_status);
  add_topics(app, parsed);
  add_plain(app, "groups", parsed, run_groups);
  add_produce(app, parsed);
  add_consume(app, parsed);
  add_plain(app, "drain", parsed, run_drain);
  add_audit(app, parsed);
  add_trace(app, parsed);
  add_dlq(app, parsed);
  add_pipeline(app, parsed);
  add_config(app, parsed);
  add_deliveries(app, parsed);
  add_snapshot(app, parsed);
  add_mirror(app, parsed);
  add_completion(app, parsed);
  auto* version = add_verb(app, "version");
  add_output(*version, parsed.output);
  version->callback([&] { parsed.status = run_version(parsed.output); });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const std::span arguments(argv, static_cast<std::size_t>(argc));
    const auto unknown = unknown_verb(app, arguments.subspan(1));
    if (error.get_exit_code() != 0 && !unknown.empty()) {
      std::fprintf(stderr, "millrace: %s\nRun with --help for more information.\n",
                   unknown.c_str());
      return kExitUsage;
    }
    return app.exit(error) == 0 ? written(kExitOk) : kExitUsage;
  }
  return written(parsed.status);
}

}  // namespace millrace::app
