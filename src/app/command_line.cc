#include "app/command_line.h"

#include <CLI/CLI.hpp>

#include "app/verbs.h"

// The only file that knows CLI11: it is slow to compile.

namespace millrace::app {
namespace {

void add_output(CLI::App& verb, OutputFormat& output) {
  verb.add_option("--output", output, "how to print: text or json")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, OutputFormat>{{"text", OutputFormat::text},
                                              {"json", OutputFormat::json}},
          CLI::ignore_case));
}

void add_up(CLI::App& app, UpOptions& options, int& status) {
  auto* verb = app.add_subcommand("up", "Start everything the configuration names");
  verb->add_option("--data", options.data_folder, "folder for all state (./millrace-data)");
  verb->add_option("--config", options.config_file, "project configuration (project_config.json)");
  verb->add_option("--env", options.environment, "environment overlay: dev, staging, prod");
  verb->add_option("--pipeline", options.pipeline_files,
                   "pipeline file; repeat for several (default: those of the configuration)");
  verb->add_option("--http-port", options.http_port, "0 picks one and prints it (8080)");
  verb->add_option("--parallelism", options.parallelism, "worker threads");
  add_output(*verb, options.output);
  verb->callback([&] { status = run_up(options); });
}

void add_server(CLI::App& verb, ServerOptions& options) {
  verb.add_option("--data", options.data_folder, "data folder of the running instance");
  verb.add_option("--server", options.server, "HOST:PORT of the running instance");
  add_output(verb, options.output);
}

void add_produce(CLI::App& app, ProduceOptions& options, int& status) {
  auto* verb = app.add_subcommand("produce", "Send records from a file, standard input or a generator");
  verb->add_option("topic", options.topic, "topic to write to")->required();
  verb->add_option("--file", options.file, "JSON lines or CSV, also .gz; - is standard input");
  verb->add_option("--format", options.input_format, "jsonl or csv (by the file's name)")
      ->check(CLI::IsMember({"jsonl", "csv"}));
  verb->add_option("--key", options.key, "member whose text becomes the record's key");
  verb->add_option("--rate", options.records_per_second, "records per second (unbounded)");
  verb->add_option_function<double>(
      "--retry-for", [&](double seconds) { options.retry_for_ms = static_cast<std::int64_t>(seconds * 1000); },
      "seconds to wait for a server that is away (60)");
  verb->add_option("--generate", options.generate, "make up events: ticks or orders")
      ->check(CLI::IsMember({"ticks", "orders"}));
  verb->add_option("--seed", options.seed, "of the generator");
  verb->add_option("--count", options.count, "events to generate");
  verb->add_option("--bad", options.bad_share, "share of broken events, 0 to 1");
  verb->add_option("--duplicate", options.duplicate_share, "share of repeated events, 0 to 1");
  verb->add_option("--late", options.late_share, "share of events two hours behind, 0 to 1");
  add_server(*verb, options.server);
  verb->callback([&] {
    if (options.key.empty() && options.generate == "ticks") options.key = "ticker";
    if (options.key.empty() && options.generate == "orders") options.key = "customer_id";
    status = run_produce(options);
  });
}

void add_consume(CLI::App& app, ConsumeOptions& options, int& status) {
  auto* verb = app.add_subcommand("consume", "Print a topic's records, one JSON object per line");
  verb->add_option("topic", options.topic, "topic to read")->required();
  verb->add_option("--partition", options.partition, "only this partition");
  auto* offset = verb->add_option("--offset", options.offset, "first offset, in each partition");
  verb->add_flag_callback("--from-beginning", [&] { options.offset = -1; },
                          "from the first record there is (the default)")
      ->excludes(offset);
  verb->add_option("--max", options.records_max, "end after so many records");
  verb->add_option("--filter", options.filter,
                   "CEL over key, value, partition, offset, timestamp: value.price > 100");
  verb->add_flag("--follow", options.is_following, "wait for more at the end of the topic");
  add_server(*verb, options.server);
  verb->callback([&] { status = run_consume(options); });
}

}  // namespace

int run_command_line(int argc, char** argv) {
  CLI::App app{"millrace: a streaming pipeline in one binary"};
  app.require_subcommand(1);
  int status = kExitOk;
  UpOptions up;
  add_up(app, up, status);
  ProduceOptions produce;
  add_produce(app, produce, status);
  ConsumeOptions consume;
  add_consume(app, consume, status);
  ServerOptions server;
  auto* show_status = app.add_subcommand("status", "What the instance is doing");
  add_server(*show_status, server);
  show_status->callback([&] { status = run_status(server); });
  bool with_internal = false;
  auto* topics = app.add_subcommand("topics", "List topics with their offsets");
  topics->add_flag("--internal", with_internal, "also journals and other internal topics");
  add_server(*topics, server);
  topics->callback([&] { status = run_topics(server, with_internal); });
  auto* groups = app.add_subcommand("groups", "List consumer groups with their lag");
  add_server(*groups, server);
  groups->callback([&] { status = run_groups(server); });
  auto* drain = app.add_subcommand("drain", "Consume everything and fire every open window");
  add_server(*drain, server);
  drain->callback([&] { status = run_drain(server); });
  OutputFormat version_output = OutputFormat::text;
  auto* version = app.add_subcommand("version", "Print the version");
  add_output(*version, version_output);
  version->callback([&] { status = run_version(version_output); });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? kExitOk : kExitUsage;
  }
  return status;
}

}  // namespace millrace::app
