"""A pipeline file that changes: what is refused, what goes on from a clean stop."""

import json

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


def test_a_higher_version_with_other_windows_says_what_would_be_lost(instance, workspace):
    ticks = workspace.pipeline("ticks")
    run = instance(ticks).start()
    assert run.terminate() == 0
    text = ticks.text.replace("version: 1\n", "version: 2\n")
    ticks.change(text.replace("tumbling: 1m", "tumbling: 2m"))
    message = run.refuses_to_start()
    assert "open windows and deduplication ids would be lost" in message


def tasks_of(run) -> list[dict]:
    return [
        task
        for pipeline in run.status()["pipelines"]
        for stage in pipeline["stages"]
        for task in stage["tasks"]
    ]
