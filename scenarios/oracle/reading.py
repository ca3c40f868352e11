"""From text to values: JSON as strictly as the pipelines read it, exact decimals, RFC 3339 times.

Times are whole microseconds since 1970 UTC everywhere in the oracle.
"""

import json
import re
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

DEPTH_MAX = 64
DIGITS_MAX = 38
# Wide enough that no sum, product or quotient of 38-digit numbers is ever rounded by accident.
EXACT = Context(prec=200, rounding=ROUND_HALF_EVEN)

_DECIMAL = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))",
    re.ASCII,
)
_EPOCH = date(1970, 1, 1).toordinal()


class Unreadable(ValueError):
    """The bytes are not one JSON document."""


def _unique(pairs):
    out = {}
    for key, value in pairs:
        if key in out:
            raise Unreadable(f"duplicate key {key!r}")
        out[key] = value
    return out


def _refuse(name):
    raise Unreadable(f"{name} is not JSON")


def _check_depth(value, depth=1):
    if isinstance(value, (dict, list)):
        if depth > DEPTH_MAX:
            raise Unreadable(f"deeper than {DEPTH_MAX}")
        for child in value.values() if isinstance(value, dict) else value:
            _check_depth(child, depth + 1)


def parse_json(line: bytes):
    """One document; numbers with a fraction or exponent become Decimal. Raises Unreadable."""
    try:
        value = json.loads(
            line.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=Decimal,
            parse_constant=_refuse,
        )
    except Unreadable:
        raise
    except (ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from error
    _check_depth(value)
    return value


def parse_decimal(text):
    """Decimal, or None when the text is not one or needs more than 38 digits."""
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        return None
    value = Decimal(text)
    if value.as_tuple().exponent > 0:
        if value.adjusted() >= DIGITS_MAX:
            return None
        value = value.quantize(Decimal(1), context=EXACT)
    digits = max(len(value.as_tuple().digits), -value.as_tuple().exponent)
    return value if digits <= DIGITS_MAX else None


def parse_field(text, scale: int, precision: int = 18):
    """As parse_decimal, with at most `scale` digits after the point and `precision` in all."""
    value = parse_decimal(text)
    if value is None or -value.as_tuple().exponent > scale:
        return None
    return value if value.adjusted() < precision - scale else None


def round_half_even(value: Decimal, digits: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN, context=EXACT)


def multiply(a: Decimal, b: Decimal) -> Decimal:
    return EXACT.multiply(a, b)


def average(total: Decimal, count: int, digits: int = 4) -> Decimal:
    """total / count rounded half-even once, from integers: no intermediate quotient."""
    exponent = -total.as_tuple().exponent
    numerator = int(total.scaleb(exponent, context=EXACT)) * 10**digits
    denominator = count * 10**exponent
    quotient, rest = divmod(numerator, denominator)
    if rest * 2 > denominator or (rest * 2 == denominator and quotient % 2 == 1):
        quotient += 1
    return Decimal(quotient).scaleb(-digits, context=EXACT)


def decimal_text(value: Decimal) -> str:
    return format(value, "f")


def parse_instant(text):
    """Microseconds since 1970 UTC (finer digits are cut), or None."""
    match = _INSTANT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    try:
        days = date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        return None
    offset_hours, offset_minutes = int(match[10] or 0), int(match[11] or 0)
    if hour > 23 or minute > 59 or second > 60 or offset_hours > 23 or offset_minutes > 59:
        return None
    micros = int((match[7] or "").ljust(9, "0")[:6])
    if second == 60:  # a leap second counts as the first instant after it
        micros = 0
    offset = (offset_hours * 60 + offset_minutes) * MINUTE
    if match[9] == "-":
        offset = -offset
    return days * DAY + hour * HOUR + minute * MINUTE + second * SECOND + micros - offset


def format_instant(micros: int) -> str:
    """RFC 3339 in UTC with 0, 3 or 6 digits, as few as keep the value."""
    days, rest = divmod(micros, DAY)
    day = date(1970, 1, 1) + timedelta(days=days)
    seconds, fraction = divmod(rest, SECOND)
    text = f"{day.isoformat()}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if fraction % 1000:
        text += f".{fraction:06}"
    elif fraction:
        text += f".{fraction // 1000:03}"
    return text + "Z"


def smallest(values):
    """Of equal numbers the one with more digits after the point, whichever came first."""
    return min(values, key=lambda value: (value, value.as_tuple().exponent))


def largest(values):
    """Of equal numbers the one with more digits after the point, whichever came first."""
    return max(values, key=lambda value: (value, -value.as_tuple().exponent))
