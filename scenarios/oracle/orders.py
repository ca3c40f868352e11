"""The orders pipeline: e-commerce orders, five-minute windows per region."""

from decimal import Decimal

from . import reading
from .engine import Pipeline

TEXT_FIELDS = ("order_id", "customer_id", "currency", "status", "timestamp")
CURRENCIES = {"USD", "EUR", "GBP", "JPY", "AUD", "CAD", "CHF", "CNY", "INR", "MXN"}
STATUSES = {"confirmed", "pending_payment", "shipped", "delivered", "cancelled"}
AMOUNT_SCALE = 2
AMOUNT_MIN = Decimal("0.01")
AMOUNT_MAX = Decimal("999999.99")
TAX_RATES = {
    "us": Decimal("0.08"),
    "eu": Decimal("0.19"),
    "uk": Decimal("0.20"),
    "ca": Decimal("0.05"),
    "au": Decimal("0.10"),
}
REGION_OTHERWISE = "ca"
SMALL_BELOW = Decimal(50)
LARGE_ABOVE = Decimal(500)


def region_of(customer_id: str) -> str:
    parts = customer_id.split("-")
    region = parts[1].lower() if len(parts) > 1 else ""
    return region if region in TAX_RATES else REGION_OTHERWISE


def merchant_of(customer_id: str) -> str:
    number = sum(ord(character) for character in customer_id) % 100
    return f"MERCH-{region_of(customer_id).upper()}-{number:03}"


def category_of(amount: Decimal) -> str:
    if amount < SMALL_BELOW:
        return "small"
    return "large" if amount > LARGE_ABOVE else "medium"


class Orders(Pipeline):
    id_field = "order_id"
    key_field = "customer_id"
    window_key_field = "region"
    window_size = 5 * reading.MINUTE

    def schema_errors(self, event):
        errors = []
        for name in TEXT_FIELDS:
            if not isinstance(event.get(name), str):
                errors.append(f"{name} must be a string")
        if event.get("order_id") == "":
            errors.append("order_id must not be empty")
        if reading.parse_field(event.get("amount"), AMOUNT_SCALE) is None:
            errors.append("amount must be a decimal string with at most 2 digits after the point")
        items = event.get("items_count")
        if not isinstance(items, int) or isinstance(items, bool):
            errors.append("items_count must be an integer")
        # An ISO-8601 time is the field's type: without one there is nothing to judge by rules.
        if not errors and reading.parse_instant(event["timestamp"]) is None:
            errors.append("timestamp must be an ISO-8601 time")
        return errors

    def rule_errors(self, event):
        errors = []
        amount = reading.parse_decimal(event["amount"])
        if not AMOUNT_MIN <= amount <= AMOUNT_MAX:
            errors.append(f"amount must be within {AMOUNT_MIN} and {AMOUNT_MAX}")
        if event["currency"] not in CURRENCIES:
            errors.append(f"currency {event['currency']} is not supported")
        if event["status"] not in STATUSES:
            errors.append(f"status {event['status']} is not known")
        return errors

    def enrich(self, event):
        row = {name: event[name] for name in (*TEXT_FIELDS, "amount", "items_count")}
        amount = reading.parse_decimal(event["amount"])
        region = region_of(event["customer_id"])
        tax = reading.round_half_even(reading.multiply(amount, TAX_RATES[region]), 2)
        row["region"] = region
        row["tax_amount"] = reading.decimal_text(tax)
        row["order_value_category"] = category_of(amount)
        row["merchant_id"] = merchant_of(event["customer_id"])
        return row

    def aggregate(self, members):
        amounts = [reading.parse_decimal(row["amount"]) for _, _, row in members]
        total = Decimal(0)
        for amount in amounts:
            total = reading.EXACT.add(total, amount)
        return {
            "total_orders": len(amounts),
            "total_amount": reading.decimal_text(total),
            "avg_order_value": reading.decimal_text(reading.average(total, len(amounts))),
            "max_order_value": reading.decimal_text(reading.largest(amounts)),
        }
