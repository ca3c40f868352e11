#include "app/verb_help.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"

namespace millrace::app {
namespace {

constexpr VerbHelp kHelp[] = {
    {"", "a streaming pipeline in one binary",
     "millrace runs streaming pipelines: a durable log, exactly-once event-time processing, a data "
     "lake and a\n"
     "feature store in one process. `up` starts an instance; the other verbs talk to it over HTTP "
     "and find it\n"
     "by its data folder (--data, ./millrace-data) or address (--server). With --output json every "
     "verb prints\n"
     "the shapes of docs/http_api.md.",
     "  millrace up --pipeline pipelines/ticks.yaml\n"
     "  millrace produce input_topic --generate ticks --count 1000\n"
     "  millrace drain && millrace audit\n"
     "\n"
     "Exit status: 0 ok, 1 failed, 2 wrong use or a faulty file, 3 a verification found a "
     "difference,\n"
     "4 no running instance."},
    {"up", "Start everything the configuration names",
     "Starts an instance and keeps it running until SIGTERM or Ctrl-C, which commit and snapshot "
     "everything, so\n"
     "that the next start replays nothing. After a crash the same command recovers: nothing "
     "acknowledged is\n"
     "lost, nothing is processed twice. Pipelines, ports, parallelism, the checkpoint interval, "
     "retention and\n"
     "partitions of new topics come from project_config.json with config/ENV.json over it; options "
     "win over\n"
     "both. Ready means one line on stdout, /readyz answering 200, and DATA/millrace.pid.\n"
     "Kafka clients are served on this machine only, until kafka.listen, kafka.tls, kafka.sasl and "
     "kafka.authorization\n"
     "in the configuration say who else may come (docs/kafka.md).\n"
     "With log.kafka in the configuration the log is Apache Kafka's: processes with the same "
     "configuration share the\n"
     "pipelines' partitions, and there is no Kafka port here (docs/shared_log.md).\n"
     "A pipeline file under a higher version goes on from a clean stop of the one before. State it "
     "cannot take\n"
     "over is named and the start refused; --accept-state-loss PIPELINE@VERSION starts that one "
     "version without it.",
     "  millrace up\n"
     "  millrace up --pipeline pipelines/ticks.yaml --data /var/lib/millrace --kafka-port 0 "
     "--http-port 0 --output json\n"
     "  millrace up --accept-state-loss ticks@2"},
    {"status", "What the instance is doing",
     "Shows each pipeline's tasks with their offsets, lag and watermarks, the windows that are "
     "open and what they\n"
     "wait for, and counters of records, dead letters by cause and results.",
     "  millrace status"},
    {"topics", "List topics with their offsets",
     "Lists the topics that users see; --internal adds journals, partial results and table "
     "versions.",
     "  millrace topics --internal"},
    {"groups", "List consumer groups with their lag",
     "Shows for every group and partition the committed offset and how many durable records are "
     "behind it.\n"
     "Each stage of a pipeline is a group.",
     "  millrace groups"},
    {"produce", "Send records from a file, standard input or a generator",
     "Sends the lines of a file and waits until they are durable: JSON lines, or CSV whose header "
     "names the\n"
     "members (whole numbers become numbers, everything else text; a row with more fields than "
     "names is sent\n"
     "as it stands). --key names the member whose text becomes the record's key, and so decides "
     "the partition;\n"
     "a line without such a text is sent without a key. Records carry sequence numbers: a request "
     "whose answer\n"
     "got lost is repeated and stored once, for as long as --retry-for allows. With --rate a "
     "request leaves\n"
     "every 10 ms with what was due.",
     "  millrace produce input_topic --file data/ticks.jsonl.gz --key ticker\n"
     "  millrace produce ecommerce.orders.raw --generate orders --count 100000 --bad 0.01 --rate "
     "5000"},
    {"consume", "Print a topic's records, one JSON object per line",
     "Prints every durable record, partition by partition, and ends; --follow waits for more. "
     "--filter is a\n"
     "CEL expression over key, value (parsed where it is JSON), partition, offset and timestamp.",
     "  millrace consume output_topic --filter 'value.ticker == \"AMZN\"' --max 10\n"
     "  millrace consume aggregates_topic --follow"},
    {"drain", "Consume everything and fire every open window",
     "Returns once every pipeline has consumed its source and every window has been fired, its "
     "results durable.\n"
     "Watermarks then stand at the largest window end, so events for these windows count as late "
     "revisions.",
     "  millrace drain"},
    {"audit", "Prove that every record went exactly one way",
     "Reads what the pipelines have made durable and checks it against the source and the tasks' "
     "counters: each\n"
     "source offset up to the committed one is in exactly one of the enriched topic, the dead "
     "letters and the\n"
     "dropped duplicates; each window's revisions follow each other; group offsets are the "
     "journals' positions;\n"
     "files in the lake tile the log. It runs beside the pipelines and blocks nobody. Exit status "
     "3 if anything\n"
     "differs, with the offset or window named.\n"
     "--replay proves each record instead of counting: a shadow of each task is restored from the "
     "newest snapshot\n"
     "at or below A, fed the input again, and every output of the input offsets A <= o < B "
     "compared byte for byte\n"
     "with the topics. It reaches back as far as snapshots are kept; without a range it takes all "
     "of that.",
     "  millrace drain && millrace audit\n"
     "  millrace audit --replay\n"
     "  millrace audit --replay 120000..121000 --pipeline ticks --partition 2\n"
     "  millrace audit --replay 0..500 --pipeline orders --stage orders_5m --partition 0"},
    {"trace", "Show what happened to one event",
     "Finds every record with the event's id among a topic's newest and shows what each stage did "
     "with it: the\n"
     "schema, each rule's value, its time, whether it was a duplicate and of which record, the "
     "computed fields, the\n"
     "windows that counted it or were closed, and what is stored because of it: row or dead "
     "letter, the results it\n"
     "went into with their revisions, the file in the lake, the feature record. A record without "
     "a readable id is\n"
     "named by its place. Exit status 1 if nothing is found.",
     "  millrace trace 7f3c21d0-52\n"
     "  millrace trace ORD-000017 --pipeline orders --max-scan 10000000\n"
     "  millrace trace --topic input_topic --partition 2 --offset 1734"},
    {"dlq", "Look at dead letters",
     "Dead letters are records that a stage refused, with the original, the cause and the stage.",
     ""},
    {"dlq list", "List the newest dead letters",
     "Lists dead letters of all running pipelines or one, oldest first, the newest --limit of "
     "them.",
     "  millrace dlq list --error-type SCHEMA_INVALID --limit 5"},
    {"dlq count", "Count dead letters by pipeline and cause",
     "Reads all dead letters and counts them by pipeline and error_type.", "  millrace dlq count"},
    {"dlq show", "Print one dead letter with its original",
     "Prints the whole letter and the record as it was sent. A letter is named "
     "TOPIC/PARTITION/OFFSET, the first\n"
     "column of `dlq list`.",
     "  millrace dlq show dlq_topic/0/17"},
    {"pipeline", "Check and explain pipeline files", "Looks at a pipeline file without running it.",
     ""},
    {"pipeline check", "Find every fault of a pipeline file",
     "Builds the file and prints each fault as FILE:LINE:COLUMN with what would be right; exit "
     "status 2 if there\n"
     "is one. --against compares with a data folder or a running instance as well: whether `up` "
     "would take the\n"
     "file (the same version must not have another content), whether its partitions fit the topics "
     "there, and\n"
     "what a higher version would take over of the state, what it would lose, and whether a clean "
     "stop is due.",
     "  millrace pipeline check pipelines/ticks.yaml\n"
     "  millrace pipeline check pipelines/ticks.yaml --against ./millrace-data"},
    {"pipeline explain", "Say in words what a pipeline file does",
     "Tells stage by stage what happens to a record, which windows are local and which are "
     "repartitioned and why,\n"
     "and what each topic is for.",
     "  millrace pipeline explain pipelines/orders.yaml"},
    {"config", "Check and show the configuration",
     "The configuration is project_config.json with config/ENV.json over it.", ""},
    {"config check", "Find every fault of the configuration",
     "Prints unknown keys, wrong types and impossible values as FILE:LINE:COLUMN; exit status 2 if "
     "there is one.",
     "  millrace config check --env prod"},
    {"config show", "Show every setting and where it comes from",
     "Lists each key in force with its value, the file and line that set it, and whether it has an "
     "effect.",
     "  millrace config show --env staging"},
    {"lake", "Look at files in the lake", "The lake holds the enriched events as files.", ""},
    {"lake list", "List delivered files",
     "Lists every file with the half-open range of source offsets it belongs to.",
     "  millrace lake list"},
    {"lake verify", "Read every file and check that they tile the log",
     "Checks for every sink and partition that the ranges in its journal follow each other without "
     "hole or overlap\n"
     "and agree with the group's offset, that every file is there with its bytes and rows, and "
     "that there is no file\n"
     "beside them. It reads every file. Exit status 3 if not, with the file named.",
     "  millrace lake verify"},
    {"features", "Read the feature store", "A feature group keeps the newest record of each id.",
     ""},
    {"features list", "List feature groups",
     "Lists the groups with their features and number of ids.", "  millrace features list"},
    {"features get", "Print the newest record of an id", "Reads one record from the online store.",
     "  millrace features get tick_features AMZN"},
    {"mirror", "Copy topics from and to a Kafka cluster, exactly once",
     "Copies whole topics between a Kafka cluster and the running instance: key, value, headers, "
     "timestamp and\n"
     "partition of every committed record, in order. Records and positions are one transaction of "
     "the side that is\n"
     "written, so a copy that was killed goes on where it was: nothing is lost, nothing comes "
     "twice.",
     ""},
    {"mirror in", "Copy topics of a Kafka cluster into the instance",
     "Copies until everything is there that was when it began; --follow goes on. Topics that are "
     "missing are made with\n"
     "the cluster's partitions and configuration; a topic with another number of partitions is "
     "refused. Offsets differ\n"
     "from the cluster's. Positions are the offsets of the group mirror.NAME in the instance. Only "
     "one process copies\n"
     "under a name: a second one ends the first. The cluster is --kafka, or log.kafka of --config "
     "with its TLS and\n"
     "log-in (docs/mirror.md).",
     "  millrace mirror in trades quotes --kafka broker-1:9092,broker-2:9092\n"
     "  millrace mirror in trades --kafka broker-1:9092 --name trades-eu --follow --output json"},
    {"mirror out", "Copy the instance's topics into a Kafka cluster",
     "As `mirror in`, the other way round: topics are made in the cluster, and the positions are "
     "offsets of the group\n"
     "mirror.NAME there. The brokers forget those of a mirror that has not run for "
     "offsets.retention.minutes (a week by\n"
     "default); it then says so and refuses, since it cannot know what was copied.",
     "  millrace mirror out output_topic aggregates_topic --kafka broker-1:9092 --follow"},
    {"snapshot", "Keep the pipelines' state under a name",
     "Every task snapshots its state every few seconds, and old snapshots go. One with a name "
     "stays, together\n"
     "with the input since, until it is deleted.",
     ""},
    {"snapshot create", "Snapshot every task now, under a name",
     "Returns once every task's state is stored and journalled; the pipelines go on meanwhile. A "
     "name holds\n"
     "the input from there on: `snapshot list` shows how many records.",
     "  millrace snapshot create before-deploy"},
    {"snapshot list", "List named snapshots",
     "Lists the names with their size and the number of source records that each keeps from "
     "retention.",
     "  millrace snapshot list --output json"},
    {"snapshot delete", "Give up a name",
     "Deletes the name; the next snapshots retire what it held.",
     "  millrace snapshot delete before-deploy"},
    {"snapshot restore", "Make the state again from a named snapshot",
     "Restores every task from the snapshot and applies everything since, without writing any "
     "result again: the\n"
     "outputs stand, so the state that comes out is the one there was. For a state that is in "
     "doubt.",
     "  millrace snapshot restore before-deploy"},
    {"completion", "Print a shell completion script",
     "Prints a script that completes verbs, options and file names.",
     "  source <(millrace completion bash)\n"
     "  millrace completion fish | source"},
    {"version", "Print the version", "Prints the version of this binary; it needs no instance.",
     "  millrace version --output json"},
};

}  // namespace

const VerbHelp& verb_help(std::string_view path) {
  const auto* found = std::find_if(std::begin(kHelp), std::end(kHelp),
                                   [&](const VerbHelp& help) { return help.path == path; });
  MR_CHECK(found != std::end(kHelp));
  return *found;
}

}  // namespace millrace::app
