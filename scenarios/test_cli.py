"""Every verb against a real instance: what it prints as JSON, and its exit status."""

import json
import subprocess
import sys

import pytest

from compare import ORDERS, TICKS, expect
from forging import forged_batch, post_batch
from harness import BINARY, wait_until
from oracle import perturb
from workspace import ROOT

sys.path.insert(0, str(ROOT / "tools"))

OK, FAILED, USAGE, NOT_EXACT, NO_SERVER = range(5)


def call(*arguments, cwd=None, code=OK):
    """Runs the binary as it is; its stdout. Its exit status must be `code`."""
    done = subprocess.run(
        [str(BINARY), *map(str, arguments)], cwd=cwd, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    expect(
        done.returncode == code,
        f"{arguments} ended with {done.returncode}, not {code}:\n{done.stdout}\n{done.stderr}",
    )
    return done.stdout if code in (OK, NOT_EXACT) or done.stdout else done.stderr


def call_json(*arguments, cwd=None, code=OK):
    return json.loads(call(*arguments, "--output", "json", cwd=cwd, code=code))


@pytest.fixture
def small(instance, workspace, write_lines, day):
    """Both pipelines with a little of everything, drained."""
    ticks, orders = workspace.pipeline("ticks"), workspace.pipeline("orders")
    lines = [*day[:300], day[7], *perturb.mixed_ticks()[:12], b"no json at all", b'"\xff\xfe"']
    run = instance(ticks, orders).start()
    run.produce(TICKS.source, write_lines("ticks.jsonl", lines), ticks.key)
    run.cli("produce", ORDERS.source, "--generate", "orders", "--count", "300", "--bad", "0.1")
    run.cli("drain")
    return run


# --- without an instance ---


def test_version_and_help_need_no_instance(tmp_path):
    assert call_json("version", cwd=tmp_path)["version"]
    assert "Subcommands" in call("--help", cwd=tmp_path)


def test_a_wrong_command_line_ends_with_2(tmp_path):
    for arguments in (
        ["no_such_verb"], ["dlq"], ["topics", "--no-such-option"], ["produce"],
        ["consume", "t", "--offset", "x"], ["up", "--http-port", "70000"],
        ["consume", "t", "--offset", "-1"], ["consume", "t", "--max", "0"],
        ["dlq", "list", "--limit", "-1"], ["produce", "t", "--count", "5"],
        ["produce", "t", "--generate", "ticks", "--count", "-5"],
        ["produce", "t", "--generate", "ticks", "--file", "x"],
    ):  # fmt: skip
        call(*arguments, cwd=tmp_path, code=USAGE)


def test_what_is_wrong_with_a_command_line_is_said_with_what_would_be_right(tmp_path):
    for arguments, said in (
        (["verison"], "no verb `verison`; did you mean `version`?"),
        (["dlq", "lst"], "no verb `dlq lst`; did you mean `list`?"),
        (["status", "--output", "yaml"], "yaml not in {json,text}"),
        (["consume", "t", "--max", "0"], "must be a whole number from 1, not 0"),
    ):
        assert said in call(*arguments, cwd=tmp_path, code=USAGE)
    assert call("--version", cwd=tmp_path) == call("version", cwd=tmp_path)


def test_results_that_cannot_be_written_are_no_success(tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [str(BINARY), "version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == FAILED
    assert "standard output" in done.stderr


def test_no_instance_ends_with_4(tmp_path):
    for verb in (["status"], ["audit"], ["dlq", "count"], ["lake", "list"], ["features", "list"]):
        assert "millrace up" in call(*verb, cwd=tmp_path, code=NO_SERVER)
        call(*verb, "--server", "127.0.0.1:1", cwd=tmp_path, code=NO_SERVER)
    call("status", "--server", "nonsense", cwd=tmp_path, code=USAGE)


def test_every_verb_teaches():
    import cli_reference

    written = (ROOT / "docs" / "cli.md").read_text()
    expect(
        cli_reference.reference(str(BINARY), written) == written,
        "docs/cli.md is not what the binary says: run tools/cli_reference.py",
    )
    for section in written.split("```text\n")[1:]:
        expect("Subcommands:" in section or "Example:" in section, f"no example: {section}")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_every_verb(shell):
    script = call("completion", shell)
    for verb in ("audit", "dlq", "explain", "--retry-for"):
        assert verb.removeprefix("--") in script
    call("completion", "csh", code=USAGE)


def test_bash_completes_by_the_verb_before_the_cursor():
    script = call("completion", "bash") + (
        '\nCOMP_WORDS=(millrace --data x dlq "li"); COMP_CWORD=4; _millrace; echo "${COMPREPLY[*]}"'
        "\nCOMP_WORDS=(millrace audit --output j); COMP_CWORD=3; _millrace;"
        ' echo "${COMPREPLY[*]}"'
        '\nCOMP_WORDS=(millrace completion f); COMP_CWORD=2; _millrace; echo "${COMPREPLY[*]}"'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["list", "json", "fish"]


# --- pipeline files and configuration ---


def test_a_good_pipeline_file_has_no_faults(workspace):
    for name in ("ticks", "orders"):
        checked = call_json("pipeline", "check", workspace.pipeline(name).path)
        assert checked["ok"] is True
        assert (checked["pipeline"], checked["version"], checked["errors"]) == (name, 1, [])


def test_every_fault_of_a_pipeline_file_is_named_with_its_place(workspace):
    ticks = workspace.pipeline("ticks")
    broken = ticks.text.replace("price > 0", "prize > 0").replace("sum(volume)", "sum(volumes)")
    ticks.change(broken)
    checked = call_json("pipeline", "check", ticks.path, code=USAGE)
    assert checked["ok"] is False
    assert len(checked["errors"]) >= 1
    for error in checked["errors"]:
        assert error["line"] > 1 and error["column"] >= 1 and error["message"]
        assert error["path"].startswith("/")
    assert f"{ticks.path}:" in call("pipeline", "check", ticks.path, code=USAGE)
    call("pipeline", "check", workspace.folder / "none.yaml", code=USAGE)


def test_a_misspelt_column_is_found_and_a_version_in_force_goes_on_without_it(instance, workspace):
    ticks = workspace.pipeline("ticks")
    right = ticks.text
    ticks.change(right.replace("sectors[ticker].sector", "sectors[ticker].sectr"))
    said = "table 'sectors' has no column 'sectr'; did you mean 'sector'?"
    line = 1 + ticks.text[: ticks.text.index("].sectr")].count("\n")
    checked = call_json("pipeline", "check", ticks.path, code=USAGE)
    (error,) = checked["errors"]
    assert (error["line"], error["path"]) == (line, "/enrich/fields/sector")
    assert error["message"] == f"1:17: {said}"
    assert said in instance(ticks, name="wrong").refuses_to_start()

    ticks.change(right)
    assert instance(ticks).start().terminate() == 0
    table = workspace.folder / "tables" / "sectors.csv"
    table.write_text(table.read_text().replace("ticker,sector", "ticker,branch", 1))
    assert "no column 'sector'" in call("pipeline", "check", ticks.path, code=USAGE)
    run = instance(ticks).start()
    assert "no column 'sector'" in run.stderr()
    assert run.terminate() == 0


def test_explain_says_which_windows_are_repartitioned(workspace):
    ticks = call_json("pipeline", "explain", workspace.pipeline("ticks").path)
    orders = call_json("pipeline", "explain", workspace.pipeline("orders").path)
    for explained, word in ((ticks, "Local"), (orders, "Repartitioned")):
        windows = [s for s in explained["stages"] if s["stage"].startswith("window ")]
        assert any(line.startswith(word) for line in windows[0]["lines"])
        assert {t["topic"] for t in explained["topics"] if not t["internal"]}
    assert "Reads topic input_topic" in call(
        "pipeline", "explain", workspace.pipeline("ticks").path
    )


def test_a_configuration_is_checked_and_shown(workspace):
    checked = call_json("config", "check", cwd=workspace.folder)
    assert checked["ok"] is True
    assert checked["files"] == ["project_config.json", "config/dev.json"]
    shown = call_json("config", "show", "--env", "prod", cwd=workspace.folder)
    by_key = {line["key"]: line for line in shown["settings"]}
    assert by_key["ports.http"]["value"] == 8080
    assert by_key["ports.http"]["source"].startswith("project_config.json:")
    path = workspace.folder / "project_config.json"
    path.write_text(path.read_text().replace('"parallelism": 2', '"paralelism": 0'))
    broken = call_json("config", "check", cwd=workspace.folder, code=USAGE)
    assert broken["ok"] is False
    assert "project_config.json:" in broken["errors"][0]
    call("config", "show", cwd=workspace.folder, code=USAGE)
    call("config", "check", "--config", "nowhere.json", cwd=workspace.folder, code=USAGE)
    call("config", "check", "--env", "nowhere", cwd=workspace.folder, code=USAGE)


def test_without_a_configuration_there_are_defaults(tmp_path):
    assert call_json("config", "check", cwd=tmp_path)["files"] == []
    assert call_json("config", "show", cwd=tmp_path)["settings"]


def test_up_takes_the_configuration_and_options_win(instance, workspace):
    """Pipelines and partitions of new topics are the configuration's, the port is the option's."""
    path = workspace.folder / "project_config.json"
    text = path.read_text().replace('"pipelines/ticks.yaml", ', "")
    path.write_text(text.replace('raw", "partitions": 4', 'raw", "partitions": 2'))
    orders = workspace.pipeline("orders")
    orders.change(orders.text.replace("  partitions: 4\n", ""))
    with instance() as run:
        status = run.status()
        assert [p["pipeline"] for p in status["pipelines"]] == ["orders"]
        assert status["pipelines"][0]["topics"] == {
            "source": ORDERS.source,
            "enriched": [ORDERS.output],
            "aggregates": [ORDERS.aggregates],
            "dead_letters": ORDERS.dead_letters,
        }
        assert len(run.high_watermarks(ORDERS.source)) == 2
        assert len(run.high_watermarks(ORDERS.dead_letters)) == 3
        assert run.terminate() == 0
    path.write_text(path.read_text().replace('"region"', '"regoin"'))
    assert "regoin" in run.refuses_to_start()


# --- an instance ---


def test_listings_have_their_shapes(small):
    topics = {entry["topic"]: entry for entry in small.cli("topics")["topics"]}
    assert topics[TICKS.source]["records"] > 300
    assert not any(entry["internal"] for entry in topics.values())
    assert any(entry["internal"] for entry in small.cli("topics", "--internal")["topics"])
    groups = small.cli("groups")["groups"]
    assert {"group", "topic", "partition", "offset", "high_watermark", "lag"} <= groups[0].keys()
    assert small.status()["state"] == "running"
    for verb in (["status"], ["topics"], ["groups"], ["drain"], ["audit"], ["dlq", "list"],
                 ["dlq", "count"]):  # fmt: skip
        assert call(*verb, "--data", small.data)


def test_consume_takes_filters_and_bounds(small):
    assert len(small.consume(TICKS.output, "--max", "5")) == 5
    wanted = small.consume(TICKS.output, "--filter", "value.ticker == 'AMZN' && offset < 3")
    assert wanted and all(record["offset"] < 3 for record in wanted)
    assert "no_such_name" in small.cli_fails("consume", TICKS.output, "--filter", "no_such_name")
    assert "partition 99" in small.cli_fails("consume", TICKS.output, "--partition", "99")


def test_a_filter_that_decides_nothing_says_so(small):
    done = subprocess.run(
        [BINARY, "consume", TICKS.output, "--data", small.data, "--filter", "value.price > 1.0"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == ""
    rows = len(small.consume(TICKS.output))
    assert f"neither true nor false for {rows} records" in done.stderr
    assert "(string, double)" in done.stderr


def test_up_takes_a_port_for_what_is_not_served_yet(instance, workspace):
    with instance(workspace.pipeline("ticks"), extra=["--aws-port", "0"]) as run:
        assert run.ready["aws_port"] is None


def test_dead_letters_are_listed_counted_and_shown(small):
    counted = small.cli("dlq", "count")
    by_pipeline = {"ticks": 0, "orders": 0}
    for row in counted["counts"]:
        by_pipeline[row["pipeline"]] += row["count"]
    assert counted["total"] == sum(by_pipeline.values())
    for kind in (TICKS, ORDERS):
        assert by_pipeline[kind.name] == small.record_count(kind.dead_letters)
    only = small.cli("dlq", "count", "--pipeline", "ticks", "--error-type", "DUPLICATE")
    assert [row["pipeline"] for row in only["counts"]] == ["ticks"]
    assert "no_such" in small.cli_fails("dlq", "count", "--pipeline", "no_such")

    everything = small.cli("dlq", "list", "--limit", "0")["dead_letters"]
    assert len(everything) == counted["total"]
    newest = small.cli("dlq", "list", "--limit", "3")["dead_letters"]
    assert newest == everything[-3:]
    times = [letter["error_timestamp"] for letter in everything]
    assert times == sorted(times)

    for letter in small.cli("dlq", "list", "--error-type", "SCHEMA_INVALID")["dead_letters"]:
        shown = small.cli("dlq", "show", letter["letter"])
        assert shown["letter"]["error_message"] == letter["error_message"]
        assert shown["headers"]["millrace-source"] == letter["original"]
        names = shown["letter"].keys()
        assert "original_message" in names or "original_message_base64" in names
        assert "original message" in call("dlq", "show", letter["letter"], "--data", small.data)
    call("dlq", "show", f"{TICKS.dead_letters}/0/999999", "--data", small.data, code=FAILED)
    call("dlq", "show", "nonsense", "--data", small.data, code=USAGE)


def test_lake_and_features_are_printed_or_said_to_be_missing(small):
    for verb, member in ((["lake", "list"], "files"), (["features", "list"], "groups")):
        try:
            answer = small.cli(*verb)
        except AssertionError as failure:
            assert "ended with 1" in str(failure)
            continue
        assert isinstance(answer[member], list)
    if small.cli("features", "list")["groups"]:
        record = small.cli("features", "get", "tick_features", "AMZN")
        assert record["record_id"] == "AMZN"
        assert record["record"]["ticker"] == "AMZN"
        assert "AMZN" in call("features", "get", "tick_features", "AMZN", "--data", small.data)
    call("features", "get", "tick_features", "NOBODY", "--data", small.data, code=FAILED)
    verified = small.cli("lake", "verify")
    assert verified["exact"] is True


def test_a_file_is_checked_against_an_instance_and_its_folder(small, workspace):
    ticks = workspace.pipeline("ticks")

    def against(where, code=OK):
        return call_json("pipeline", "check", ticks.path, "--against", where, code=code)["against"]

    address = f"127.0.0.1:{small.http_port}"
    for where in (small.data, address):
        found = against(where)
        assert (found["state"], found["installed_version"], found["fault"]) == ("same", 1, None)
        assert {t["topic"]: t["partitions"] for t in found["topics"]}[TICKS.source] == 4
    ticks.change(ticks.text.replace("allowed_lateness: 10m", "allowed_lateness: 11m"))
    changed = against(address, USAGE)
    assert changed["state"] == "changed"
    assert "11m" in changed["fault"]
    ticks.change(ticks.text.replace("version: 1", "version: 2"))
    newer = against(address, USAGE)  # other windows
    assert newer["state"] == "newer"
    assert "--accept-state-loss ticks@2" in newer["fault"]
    ticks.change(ticks.text.replace("allowed_lateness: 11m", "allowed_lateness: 10m"))
    assert against(address)["state"] == "newer"
    assert small.terminate() == 0
    assert against(small.data)["state"] == "newer"
    original = ticks.text
    ticks.set_partitions(8)
    partitions = call_json("pipeline", "check", ticks.path, "--against", small.data, code=USAGE)
    assert "4 partitions" in partitions["errors"][0]["message"]
    call("pipeline", "check", ticks.path, "--against", "/nowhere", code=FAILED)
    ticks.change(original.replace("version: 2", "version: 1"))
    small.start()  # the look left nothing behind
    assert small.cli("audit")["exact"] is True


# --- the audit ---


def test_an_undisturbed_instance_audits_exactly(small):
    audit = small.cli("audit")
    assert audit["exact"] is True
    checks = {(check["pipeline"], check["check"]) for check in audit["checks"]}
    for pipeline in ("ticks", "orders"):
        for check in ("positions", "conservation", "rows", "windows"):
            assert (pipeline, check) in checks
    assert ("orders", "merging") in checks
    small.kill9()
    small.start()
    assert small.cli("audit")["exact"] is True


def test_an_audit_beside_a_live_feed_is_exact(small):
    producers = [
        small.cli_background(
            "produce", topic, "--generate", kind, "--count", "60000", "--rate", "20000",
            "--bad", "0.01", "--duplicate", "0.02", "--late", "0.01", "--seed", "9",
        )
        for topic, kind in ((TICKS.source, "ticks"), (ORDERS.source, "orders"))
    ]  # fmt: skip
    audits = 0
    while any(producer.poll() is None for producer in producers):
        audit = small.cli("audit")
        expect(audit["exact"], [check for check in audit["checks"] if not check["ok"]])
        audits += 1
    assert audits > 0
    assert [producer.wait() for producer in producers] == [0, 0]
    small.cli("drain")
    assert small.cli("audit")["exact"] is True


def test_a_repeated_row_ends_the_audit_with_3(small):
    row = small.consume(TICKS.output, "--max", "1")[0]
    post_batch(small, TICKS.output, forged_batch(0, row["value"].encode(), row["headers"]))
    audit = call_json("audit", "--data", small.data, code=NOT_EXACT)
    assert audit["exact"] is False
    wrong = [check for check in audit["checks"] if check["check"] == "rows" and not check["ok"]]
    topic, partition, offset = row["headers"]["millrace-source"].rsplit("/", 2)
    assert f"{topic}/{partition} offset {offset} is in {TICKS.output} twice" in wrong[0]["detail"]
    assert "not exact" in call("audit", "--data", small.data, code=NOT_EXACT)


def test_a_skipped_revision_ends_the_audit_with_3(small):
    result = small.consume(TICKS.aggregates, "--max", "1")[0]
    value = json.loads(result["value"])
    value["revision"] += 7
    forged = forged_batch(result["partition"], json.dumps(value).encode(), result["headers"])
    post_batch(small, TICKS.aggregates, forged)
    audit = call_json("audit", "--data", small.data, code=NOT_EXACT)
    wrong = [check["check"] for check in audit["checks"] if not check["ok"]]
    assert "windows" in wrong


def test_produce_with_a_rate_sends_what_is_due_together(small):
    """Ten milliseconds' worth of records share a request, and so a commit."""
    before = small.status()["log"]["commits"]
    sent = small.cli("produce", ORDERS.source, "--generate", "orders", "--count", "3000",
                     "--rate", "3000", "--seed", "5")  # fmt: skip
    assert sent["sent"] == 3000
    assert 900 <= sent["elapsed_ms"] <= 5000
    wait_until(lambda: small.cli("drain"), "drained")
    # At most 101 requests, and a handful of commits of tasks for each: far below one per record.
    assert small.status()["log"]["commits"] - before < 1500
