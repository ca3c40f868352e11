"""The orders twin, against cases worked out by hand."""

import json
from pathlib import Path

import pytest

from oracle import reading
from oracle.__main__ import read_lines
from oracle.engine import Settings
from oracle.orders import Orders

DATA = Path(__file__).resolve().parents[2] / "data"


def order(number, **changes):
    event = {
        "order_id": f"o{number}",
        "customer_id": "CUST-US-00001",
        "amount": "10.00",
        "currency": "USD",
        "status": "confirmed",
        "timestamp": "1997-01-01T00:01:00Z",
        "items_count": 1,
    }
    event.update(changes)
    return json.dumps({k: v for k, v in event.items() if v is not None}).encode()


def run(*lines):
    return Orders(Settings()).run(lines)


def only_row(**changes):
    outcome = run(order(1, **changes))
    assert outcome.dead_letters == []
    return outcome.enriched[0].row


def only_letter(line):
    outcome = run(line)
    assert outcome.enriched == [] and outcome.windows == {}
    (letter,) = outcome.dead_letters
    return letter


def test_merchant_is_the_sum_of_code_points_modulo_100():
    # C67 U85 S83 T84 -45 U85 S83 -45 0 48 x4 1 49 = 818
    assert only_row()["merchant_id"] == "MERCH-US-018"


@pytest.mark.parametrize(
    "customer, region, tax",  # of 10.00
    [
        ("CUST-US-1", "us", "0.80"),
        ("CUST-EU-1", "eu", "1.90"),
        ("CUST-UK-1", "uk", "2.00"),
        ("CUST-CA-1", "ca", "0.50"),
        ("CUST-AU-1", "au", "1.00"),
        ("CUST-eu-1", "eu", "1.90"),
        ("CUST-DE-1", "ca", "0.50"),  # not a region of ours
        ("nobody", "ca", "0.50"),  # no second part
        ("CUST-", "ca", "0.50"),
    ],
)
def test_region_and_tax(customer, region, tax):
    row = only_row(customer_id=customer)
    assert (row["region"], row["tax_amount"]) == (region, tax)
    assert row["merchant_id"].startswith(f"MERCH-{region.upper()}-")


@pytest.mark.parametrize(
    "customer, amount, tax",
    [
        ("CUST-CA-1", "0.10", "0.00"),  # 0.005: a tie, 0 is even
        ("CUST-CA-1", "0.30", "0.02"),  # 0.015: a tie, 1 is odd
        ("CUST-EU-1", "0.50", "0.10"),  # 0.095: a tie, 9 is odd
        ("CUST-US-1", "11.77", "0.94"),  # 0.9416
    ],
)
def test_tax_is_rounded_half_even(customer, amount, tax):
    assert only_row(customer_id=customer, amount=amount)["tax_amount"] == tax


@pytest.mark.parametrize(
    "amount, category",
    [("49.99", "small"), ("50.00", "medium"), ("500.00", "medium"), ("500.01", "large")],
)
def test_value_category(amount, category):
    assert only_row(amount=amount)["order_value_category"] == category


@pytest.mark.parametrize("amount", ["0.01", "999999.99"])
def test_amounts_at_the_bounds_pass(amount):
    assert only_row(amount=amount)["amount"] == amount


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"amount": "0.00"}, ["amount"]),
        ({"amount": "1000000.00"}, ["amount"]),
        ({"currency": "usd"}, ["currency"]),
        ({"status": "lost"}, ["status"]),
        ({"amount": "-1", "status": "lost"}, ["amount", "status"]),
        (
            {"amount": "-1", "currency": "X", "status": ""},
            ["amount", "currency", "status"],
        ),
    ],
)
def test_every_broken_rule_is_named(changes, words):
    letter = only_letter(order(1, **changes))
    assert letter.error_type == "BUSINESS_RULE_VIOLATION"
    assert [part.split()[0] for part in letter.error_message.split("; ")] == words
    assert letter.attempted_id == "o1"


@pytest.mark.parametrize(
    "changes",
    [{name: None} for name in json.loads(order(1))]
    + [{"amount": "abc"}, {"amount": "0.009"}, {"amount": 10}, {"timestamp": "yesterday"}]
    + [{"order_id": ""}, {"order_id": 1}, {"customer_id": {}}, {"status": ["confirmed"]}]
    + [{"items_count": "1"}, {"items_count": 1.5}],
)
def test_missing_fields_and_wrong_types(changes):
    assert only_letter(order(1, **changes)).error_type == "SCHEMA_INVALID"


def test_windows_take_valid_first_arrivals_only_per_region():
    outcome = run(
        order(1, amount="10.00"),
        order(2, amount="20.01", timestamp="1997-01-01T00:04:59.999999Z"),
        order(3, amount="0.00"),
        order(1, amount="10.00"),
        order(4, amount="7", customer_id="CUST-EU-1"),
        order(5, amount="5.00", timestamp="1997-01-01T00:05:00Z"),
    )
    start = reading.parse_instant("1997-01-01T00:00:00Z")
    assert outcome.windows[("us", start)] == {
        "total_orders": 2,
        "total_amount": "30.01",
        "avg_order_value": "15.0050",
        "max_order_value": "20.01",
    }
    assert outcome.windows[("eu", start)]["total_amount"] == "7"
    assert outcome.windows[("us", start + 5 * reading.MINUTE)]["total_orders"] == 1
    assert len(outcome.windows) == 3
    assert outcome.counts == {
        "in": 6, "out": 4, "windows": 3, "BUSINESS_RULE_VIOLATION": 1, "DUPLICATE": 1,
    }  # fmt: skip


def test_windows_as_json_are_ordered_and_complete():
    pipeline = Orders(Settings())
    outcome = pipeline.run([order(1), order(2, customer_id="CUST-EU-1")])
    first, second = outcome.windows_json("region", pipeline.window_size)
    assert [first["region"], second["region"]] == ["eu", "us"]
    assert first["window_start"] == "1997-01-01T00:00:00Z"
    assert first["window_end"] == "1997-01-01T00:05:00Z"


def test_the_real_orders():
    lines = read_lines(DATA / "cdnow_orders_1997.jsonl.gz")
    outcome = Orders().run(lines)
    free = [
        letter for letter in outcome.dead_letters if b'"amount":"0.00"' in letter.original_message
    ]
    assert len(free) == len(outcome.dead_letters) == 80
    assert len(outcome.enriched) == 69_659 - 80
    # Nothing is lost on the way into the windows, in cents and by another path.
    cents = sum(int(json.loads(line)["amount"].replace(".", "")) for line in lines)
    total = sum(int(w["total_amount"].replace(".", "")) for w in outcome.windows.values())
    assert total == cents
    assert sum(w["total_orders"] for w in outcome.windows.values()) == 69_659 - 80
