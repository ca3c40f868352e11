"""The ticks pipeline: trades keyed by ticker, one-minute windows."""

import re
from decimal import Decimal

from . import reading
from .engine import Pipeline, Settings

TEXT_FIELDS = ("event_id", "timestamp", "ticker", "source")
PRICE_SCALE = 4
_TICKER = re.compile("[A-Z]{1,10}")


class Ticks(Pipeline):
    id_field = "event_id"
    key_field = "ticker"
    window_key_field = "ticker"
    window_size = reading.MINUTE

    def __init__(self, settings: Settings | None = None, sectors: dict[str, str] | None = None):
        super().__init__(settings)
        self.sectors = sectors or {}

    def schema_errors(self, event):
        errors = []
        for name in TEXT_FIELDS:
            if name == "source" and name not in event:
                continue  # the only field that may be absent
            if not isinstance(event.get(name), str):
                errors.append(f"{name} must be a string")
        if event.get("event_id") == "":
            errors.append("event_id must not be empty")
        if reading.parse_field(event.get("price"), PRICE_SCALE) is None:
            errors.append("price must be a decimal string with at most 4 digits after the point")
        volume = event.get("volume")
        if not isinstance(volume, int) or isinstance(volume, bool):
            errors.append("volume must be an integer")
        # Without an event time there is no place in any window: not a question of business rules.
        if not errors and reading.parse_instant(event["timestamp"]) is None:
            errors.append("timestamp must be an ISO-8601 time")
        return errors

    def rule_errors(self, event):
        errors = []
        if reading.parse_decimal(event["price"]) <= 0:
            errors.append("price must be greater than 0")
        if event["volume"] < 0:
            errors.append("volume must not be negative")
        if not _TICKER.fullmatch(event["ticker"]):
            errors.append("ticker must be 1 to 10 upper-case letters")
        return errors

    def enrich(self, event):
        row = {name: event[name] for name in (*TEXT_FIELDS, "price", "volume") if name in event}
        amount = reading.multiply(reading.parse_decimal(event["price"]), Decimal(event["volume"]))
        row["notional"] = reading.decimal_text(reading.round_half_even(amount, 4))
        row["sector"] = self.sectors.get(event["ticker"])
        return row

    def aggregate(self, members):
        prices = [reading.parse_decimal(row["price"]) for _, _, row in members]
        in_time_order = sorted(members, key=lambda member: (member[0], member[1]))
        total = Decimal(0)
        for price in prices:
            total = reading.EXACT.add(total, price)
        return {
            "event_count": len(members),
            "min_price": reading.decimal_text(reading.smallest(prices)),
            "max_price": reading.decimal_text(reading.largest(prices)),
            "avg_price": reading.decimal_text(reading.average(total, len(prices))),
            "total_volume": sum(row["volume"] for _, _, row in members),
            "first_price": in_time_order[0][2]["price"],
            "last_price": in_time_order[-1][2]["price"],
        }
