"""A pipeline file that changes: what is refused, what goes on from a clean stop."""

import json
import subprocess
from datetime import datetime

from compare import TICKS, expect, final_windows
from oracle.ticks import Ticks

RULE = "    - { name: positive_price"
NEW_RULE = """\
    - name: known_source
      expr: "source == 'lobster'"
      message: source must be lobster
"""


def version_2(text: str) -> str:
    """One more rule, which changes no state."""
    return text.replace("version: 1\n", "version: 2\n").replace(RULE, NEW_RULE + RULE, 1)


def test_a_changed_file_under_the_same_version_is_refused(instance, workspace):
    ticks = workspace.pipeline("ticks")
    run = instance(ticks).start()
    assert run.terminate() == 0
    ticks.change(version_2(ticks.text).replace("version: 2\n", "version: 1\n"))
    message = run.refuses_to_start()
    assert "raise its version" in message
    assert "known_source" in message, "the difference must be shown"


def test_a_higher_version_needs_a_clean_stop_and_goes_on_from_it(
    instance, workspace, day, write_lines
):
    ticks = workspace.pipeline("ticks")
    old = ticks.text
    half = len(day) // 2
    run = instance(ticks, extra=[]).start()
    run.produce(TICKS.source, write_lines("first.jsonl", day[:half]), ticks.key)
    before = sum(task["next_offset"] for task in tasks_of(run))
    expect(before <= half, "more was read than sent")
    run.kill9()
    ticks.change(version_2(old))
    message = run.refuses_to_start()
    assert "did not stop cleanly" in message

    ticks.change(old)  # the refused version must not have taken the place of the old one
    run.start()
    assert run.terminate() == 0
    ticks.change(version_2(old))
    run.start()
    foreign = json.loads(day[half]) | {"event_id": "foreign", "source": "elsewhere"}
    lines = day[half:] + [json.dumps(foreign).encode()]
    run.produce(TICKS.source, write_lines("second.jsonl", lines), ticks.key)
    run.cli("drain")
    windows = final_windows(run.consume(TICKS.aggregates), TICKS)
    want = Ticks(ticks.settings(), workspace.sectors())
    want.key_field = ticks.key
    outcome = want.run(day)
    assert windows.keys() == outcome.windows.keys()
    for at, window in windows.items():
        assert window["event_count"] == outcome.windows[at]["event_count"]
        assert window["avg_price"] == outcome.windows[at]["avg_price"]
    letters = [json.loads(record["value"]) for record in run.consume(TICKS.dead_letters)]
    assert [letter["error_message"] for letter in letters] == ["source must be lobster"]
    assert letters[0]["pipeline"] == "ticks@2"
    assert run.terminate() == 0


def against(run, pipeline, where) -> dict:
    """What `pipeline check --against` says; fails only if it does not answer."""
    command = [str(run.binary), "pipeline", "check", str(pipeline.path), "--against", str(where)]
    done = subprocess.run(
        [*command, "--output", "json"], cwd=run.cwd, capture_output=True, text=True, check=False
    )
    answer = json.loads(done.stdout)
    assert done.returncode == (0 if answer["ok"] else 2), done.stderr
    return answer


def test_other_windows_need_an_accepted_loss_and_leave_nothing_twice(
    instance, workspace, day, write_lines
):
    ticks = workspace.pipeline("ticks")
    old = ticks.text
    run = instance(ticks).start()
    half = len(day) // 2
    run.produce(TICKS.source, write_lines("first.jsonl", day[:half]), ticks.key)
    run.cli("drain")
    ticks.change(version_2(old).replace("tumbling: 1m", "tumbling: 2m"))
    server = f"127.0.0.1:{run.http_port}"
    running = against(run, ticks, server)["against"]
    assert running["takeover"]["needs_clean_stop"]
    assert run.terminate() == 0
    topics = sorted(path.name for path in (run.data / "log" / "topics").iterdir())

    stopped = against(run, ticks, run.data)
    assert not stopped["ok"]
    lost = stopped["against"]["takeover"]["lost"]
    assert lost == running["takeover"]["lost"]
    assert [(one["window"], one["open_keys"] > 0) for one in lost] == [("ticks_1m", True)]
    assert stopped["against"]["takeover"]["accept_with"] == "--accept-state-loss ticks@2"
    message = run.refuses_to_start()
    assert f"window ticks_1m (stage source): {lost[0]['open_panes']} open panes" in message
    assert message.count("--accept-state-loss ticks@2") == 1
    assert topics == sorted(path.name for path in (run.data / "log" / "topics").iterdir())

    run.extra = ["--accept-state-loss", "ticks@3"]
    assert "is not what starts here: ticks@2" in run.refuses_to_start()
    run.extra = ["--accept-state-loss", "ticks@2"]
    run.start()
    assert "lost window ticks_1m" in run.stderr()
    assert "version 2 follows version 1" in run.stderr()
    before = run.consume(TICKS.aggregates)
    assert {header_of(record, "millrace-pipeline") for record in before} == {"ticks@1"}
    run.produce(TICKS.source, write_lines("second.jsonl", day[half:]), ticks.key)
    run.cli("drain")
    after = run.consume(TICKS.aggregates)[len(before) :]
    rows = run.record_count(TICKS.output)
    assert rows == len(day), "every event leaves once, whichever version read it"
    lengths = {minutes(json.loads(record["value"])) for record in after}
    assert lengths == {2}
    assert run.cli("audit")["exact"]
    # Not sticky: a clean restart needs no flag, another change needs another one.
    assert run.terminate() == 0
    run.extra = []
    run.start()
    assert run.cli("audit")["exact"]
    assert run.terminate() == 0
    ticks.change(ticks.text.replace("version: 2", "version: 3").replace("2m", "3m", 1))
    assert "--accept-state-loss ticks@3" in run.refuses_to_start()


def test_check_against_tells_a_compatible_version_from_one_that_needs_a_clean_stop(
    instance, workspace, day, write_lines
):
    ticks = workspace.pipeline("ticks")
    old = ticks.text
    run = instance(ticks).start()
    run.produce(TICKS.source, write_lines("first.jsonl", day[:100]), ticks.key)
    ticks.change(version_2(old))
    assert against(run, ticks, run.data)["ok"], "the instance runs and is asked"
    run.kill9()
    killed = against(run, ticks, run.data)
    assert not killed["ok"]
    assert "did not stop cleanly" in killed["against"]["fault"]
    ticks.change(old)
    run.start()
    assert run.terminate() == 0
    ticks.change(version_2(old))
    compatible = against(run, ticks, run.data)
    assert compatible["ok"]
    assert "all of it would be taken over" in compatible["against"]["message"]
    assert compatible["against"]["takeover"]["lost"] == []
    run.start()


def header_of(record: dict, name: str) -> str:
    return record["headers"][name]


def minutes(window: dict) -> float:
    start, end = (
        datetime.fromisoformat(window[name].replace("Z", "+00:00"))
        for name in ("window_start", "window_end")
    )
    return (end - start).total_seconds() / 60


def tasks_of(run) -> list[dict]:
    return [
        task
        for pipeline in run.status()["pipelines"]
        for stage in pipeline["stages"]
        for task in stage["tasks"]
    ]
