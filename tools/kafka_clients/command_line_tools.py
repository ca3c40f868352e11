"""Kafka's command-line tools, as a person at a terminal uses them."""

import re
import subprocess

TOOL_SECONDS_MAX = 120
TOOLS = "org.apache.kafka.tools."


class Tools:
    def __init__(self, jars, address):
        self.jars = jars
        self.address = address

    def run(self, name, *arguments, stdin=""):
        """The stdout of a tool that must succeed."""
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
        command = ["java", quiet, "-cp", f"{self.jars}/*"]
        command += [name, "--bootstrap-server", self.address, *map(str, arguments)]
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, check=False,
            timeout=TOOL_SECONDS_MAX,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{name} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def topics(self, *arguments):
        return self.run(TOOLS + "TopicCommand", *arguments)


def require(is_so, what):
    if not is_so:
        raise RuntimeError(what)


def produce(tools):
    tools.topics("--create", "--topic", "tools", "--partitions", 2)
    lines = "".join(f"k{i}:v{i}\n" for i in range(1000))
    tools.run(
        TOOLS + "ConsoleProducer", "--topic", "tools", "--reader-property", "parse.key=true",
        "--reader-property", "key.separator=:", stdin=lines,
    )  # fmt: skip
    said = tools.run(
        TOOLS + "ProducerPerformance", "--topic", "perf", "--num-records", 50000,
        "--record-size", 200, "--throughput", -1, "--command-property", "acks=all",
    )  # fmt: skip
    require("50000 records sent" in said, said)


def consume(tools):
    said = tools.run(
        TOOLS + "consumer.ConsoleConsumer", "--topic", "tools", "--from-beginning",
        "--max-messages", 1000, "--formatter-property", "print.key=true",
    )  # fmt: skip
    lines = {tuple(line.split("\t")) for line in said.splitlines()}
    wanted = {(f"k{i}", f"v{i}") for i in range(1000)}
    require(lines == wanted, f"other lines than were sent: {sorted(lines ^ wanted)[:3]}")
    said = tools.run(TOOLS + "GetOffsetShell", "--topic", "tools")
    ends = [int(line.split(":")[2]) for line in said.splitlines()]
    require(sum(ends) == 1000, said)
    said = tools.run(TOOLS + "ConsumerPerformance", "--topic", "perf", "--num-records", 50000)
    require("50000" in said, said)


def group(tools):
    tools.run(
        TOOLS + "consumer.ConsoleConsumer", "--topic", "tools", "--from-beginning",
        "--max-messages", 1000, "--group", "tools-group",
    )  # fmt: skip
    command = TOOLS + "consumer.group.ConsumerGroupCommand"
    require("tools-group" in tools.run(command, "--list"), "the group is not listed")
    said = tools.run(command, "--describe", "--group", "tools-group")
    lags = re.findall(r"^tools-group\s+tools\s+\d+\s+\d+\s+\d+\s+(\d+)", said, re.M)
    require(lags == ["0", "0"], said)
    reset = ("--reset-offsets", "--group", "tools-group", "--topic", "tools", "--execute")
    tools.run(command, *reset, "--to-earliest")
    said = tools.run(command, "--describe", "--group", "tools-group")
    lags = re.findall(r"^tools-group\s+tools\s+\d+\s+\d+\s+\d+\s+(\d+)", said, re.M)
    require(sum(map(int, lags)) == 1000, said)
    tools.run(command, "--describe", "--group", "tools-group", "--members", "--verbose")
    tools.run(command, "--describe", "--group", "tools-group", "--state")
    tools.run(command, "--delete", "--group", "tools-group")
    require("tools-group" not in tools.run(command, "--list"), "the group is still listed")


def transaction(tools):
    tools.run(
        TOOLS + "ProducerPerformance", "--topic", "perf", "--num-records", 20000,
        "--record-size", 100, "--throughput", 10000, "--transactional-id", "tools-id",
        "--transaction-duration-ms", 200,
    )  # fmt: skip
    command = TOOLS + "TransactionsCommand"
    require("tools-id" in tools.run(command, "list"), "the id is not listed")
    said = tools.run(command, "describe", "--transactional-id", "tools-id")
    require("CompleteCommit" in said, said)
    said = tools.run(command, "describe-producers", "--topic", "perf", "--partition", 0)
    require("ProducerId" in said, said)
    require("tools-id" not in tools.run(command, "find-hanging", "--broker-id", 1), "it hangs")


def administrate(tools):
    said = tools.topics("--describe", "--topic", "tools")
    require("PartitionCount: 2" in said, said)
    tools.topics("--alter", "--topic", "tools", "--partitions", 4)
    command = "kafka.admin.ConfigCommand"
    of = ("--entity-type", "topics", "--entity-name", "tools")
    tools.run(command, *of, "--alter", "--add-config", "retention.ms=70000")
    require("retention.ms=70000" in tools.run(command, *of, "--describe"), "configuration")
    tools.run(command, *of, "--alter", "--delete-config", "retention.ms")
    tools.run(command, "--entity-type", "brokers", "--entity-name", 1, "--describe", "--all")
    users = ("--entity-type", "users")
    secret = "SCRAM-SHA-256=[password=secret]"
    tools.run(command, *users, "--entity-name", "tool", "--alter", "--add-config", secret)
    said = tools.run(command, *users, "--describe")  # asks for their quotas first
    require("'tool' are SCRAM-SHA-256=iterations=4096" in said, said)
    require('"broker":1' in tools.run(TOOLS + "LogDirsCommand", "--describe"), "log folders")
    said = tools.run(TOOLS + "BrokerApiVersionsCommand")
    require("Produce(0): 0 to 13" in said, said)
    tools.topics("--delete", "--topic", "tools")
    require("tools" not in tools.topics("--list").split(), "still listed")


def check_command_line_tools(jars, address):
    """{part: (yes or no, reason)}."""
    tools, results = Tools(jars, address), {}
    parts = {
        "produce": produce, "consume": consume, "group": group, "transaction": transaction,
        "admin": administrate,
    }  # fmt: skip
    for name, part in parts.items():
        try:
            part(tools)
            results[name] = ("yes", "")
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            results[name] = ("no", str(error))
    return results
