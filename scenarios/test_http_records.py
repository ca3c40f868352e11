"""Records over HTTP: durable when answered, once per Idempotency-Key, read back while they come."""

import json
import threading
import urllib.error
import urllib.request
from pathlib import Path

from compare import TICKS, final_windows
from workspace import ROOT


class Http:
    def __init__(self, run):
        self.url = f"http://127.0.0.1:{run.http_port}"

    def ask(self, method, path, body=None, headers=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path,
            data,
            {"Content-Type": "application/json"} | (headers or {}),
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=90) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def send(self, topic, body, key=None):
        headers = {"Idempotency-Key": key} if key else {}
        return self.ask("POST", f"/api/v1/topics/{topic}/records", body, headers)

    def read(self, topic, **query):
        words = "&".join(f"{name}={value}" for name, value in query.items())
        status, body = self.ask("GET", f"/api/v1/topics/{topic}/records?{words}")
        assert status == 200, body
        return body


def test_a_day_sent_over_http_gives_its_windows(instance, workspace, day, write_lines):
    ticks = workspace.pipeline("ticks")
    run = instance(ticks).start()
    http = Http(run)
    records = [{"key": "AMZN", "value": json.loads(line)} for line in day[:2000]]
    for start in range(0, len(records), 500):
        status, body = http.send(TICKS.source, {"records": records[start : start + 500]})
        assert status == 200, body
        assert len(body["records"]) == 500
    run.cli("drain")
    by_http = final_windows(run.consume(TICKS.aggregates), TICKS)
    assert run.terminate() == 0

    other = instance(ticks, name="other").start()
    other.produce(TICKS.source, write_lines("day.jsonl", day[:2000]), ticks.key)
    other.cli("drain")
    assert by_http == final_windows(other.consume(TICKS.aggregates), TICKS)
    assert other.terminate() == 0


def test_a_request_sent_again_after_a_kill_is_there_once(instance, workspace):
    run = instance(workspace.pipeline("ticks")).start()
    http = Http(run)
    assert http.ask("POST", "/api/v1/topics", {"topic": "notes", "partitions": 2})[0] == 200
    answers = {}
    for i in range(20):
        key = f"request {i}"
        answers[key] = http.send("notes", {"records": [{"value": i}, {"value": -i}]}, key)[1]
    run.kill9()
    run.start()
    http = Http(run)
    for i in range(20):
        key = f"request {i}"
        status, again = http.send("notes", {"records": [{"value": i}, {"value": -i}]}, key)
        assert status == 200 and again["duplicate"]
        assert again["records"] in (answers[key]["records"], None)
    values = [r["value"] for p in (0, 1) for r in http.read("notes", partition=p)["records"]]
    assert sorted(map(int, values)) == sorted([*range(20), *range(0, -20, -1)])
    status, body = http.send("notes", {"value": "other"}, "request 0")
    assert status == 400 and "another body" in body["error"]["message"]
    assert run.terminate() == 0


def test_a_reader_waits_for_what_comes(instance, workspace):
    run = instance(workspace.pipeline("ticks")).start()
    http = Http(run)
    assert http.ask("POST", "/api/v1/topics", {"topic": "notes"})[0] == 200
    seen = []
    reader = threading.Thread(
        target=lambda: seen.append(http.read("notes", offset=0, wait_ms=60_000))
    )
    reader.start()
    status, sent = http.send("notes", {"key": "k", "value": "first", "headers": {"h": "x"}})
    assert status == 200 and sent["records"] == [{"partition": 0, "offset": 0}]
    reader.join(60)
    record = seen[0]["records"][0]
    assert (record["key"], record["value"], record["headers"]) == ("k", "first", {"h": "x"})
    assert seen[0]["next_offset"] == 1
    assert run.terminate() == 0


def test_a_query_parameter_that_is_not_known_is_named(instance, workspace):
    run = instance(workspace.pipeline("ticks")).start()
    http = Http(run)
    for method, target, said in (
        ("GET", "topics/input_topic/records?ofset=3", "'ofset'; did you mean 'offset'?"),
        ("POST", "topics/input_topic/records?partition=0", "'partition'; none is known here"),
        ("GET", "status?verbose=1", "'verbose'; none is known here"),
        ("GET", "lake?sinks=events", "'sinks'; did you mean 'sink'?"),
        ("GET", "trace?ids=1", "'ids'; did you mean 'id'?"),
    ):
        body = {"value": 1} if method == "POST" else None
        status, answer = http.ask(method, f"/api/v1/{target}", body)
        assert (status, answer["error"]["code"]) == (400, "invalid"), answer
        assert f"unknown query parameter {said}" in answer["error"]["message"]
    assert http.read("input_topic")["records"] == []
    assert run.terminate() == 0


def test_the_openapi_document_names_what_the_page_names(instance, workspace):
    run = instance(workspace.pipeline("ticks")).start()
    status, openapi = Http(run).ask("GET", "/api/v1/openapi.json")
    assert status == 200 and openapi["openapi"].startswith("3.")
    assert openapi == json.loads(Path(ROOT / "src/ops/web/openapi.json").read_text())
    known = {
        f"{method.upper()} {path}"
        for path, operations in openapi["paths"].items()
        for method in operations
    }
    page = Path(ROOT / "docs/http_api.md").read_text()
    parameters = {"T": "{topic}", "G": "{group}", "PIPELINE": "{pipeline}", "NAME": "{name}"}
    listed = set()
    for line in page.splitlines():
        if line.startswith(("| `GET /", "| `POST /", "| `DELETE /")):
            method, path = line.split("`")[1].split("?")[0].split()
            path = "/".join(parameters.get(part, part) for part in path.split("/"))
            listed.add(f"{method} {path}")
    assert listed - {"GET /"} == known
    assert run.terminate() == 0
