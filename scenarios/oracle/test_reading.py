"""The oracle's own reading, against cases worked out by hand."""

from decimal import Decimal

import pytest

from oracle import placement, reading


@pytest.mark.parametrize(
    "text, micros",
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999999Z", -1),
        # 15,512 days: 42 years with 11 leap days (1972..2012) and 31+29+31+30+31+20 of 2012.
        ("2012-06-21T00:00:00Z", 15_512 * 86_400_000_000),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1969-12-31T22:30:00-01:30", 0),
        ("1970-01-01 00:00:00.5z", 500_000),
        ("1970-01-01T00:00:00.123456789Z", 123_456),
        ("1970-01-01T00:00:60Z", 60_000_000),
    ],
)
def test_instants(text, micros):
    assert reading.parse_instant(text) == micros


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2012-02-30T00:00:00Z", "2012-06-21T24:00:00Z", "2012-06-21T00:00:00",
     "2012-06-21", "0000-01-01T00:00:00Z", "2012-06-21T00:00:00.Z", "2012-6-1T00:00:00Z", 5, None],
)  # fmt: skip
def test_not_an_instant(text):
    assert reading.parse_instant(text) is None


@pytest.mark.parametrize(
    "micros, text",
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_500_000, "1970-01-01T00:00:01.500Z"),
        (17_460, "1970-01-01T00:00:00.017460Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
    ],
)
def test_instants_are_written_with_as_few_digits_as_keep_them(micros, text):
    assert reading.format_instant(micros) == text


@pytest.mark.parametrize(
    "text, value",
    [("223.82", "223.82"), ("-0.05", "-0.05"), ("1e3", "1000"), ("1.50", "1.50"), ("007", "7"),
     ("9" * 38, "9" * 38), ("1e-38", "0." + "0" * 37 + "1")],
)  # fmt: skip
def test_decimals(text, value):
    assert reading.decimal_text(reading.parse_decimal(text)) == value


@pytest.mark.parametrize("text", ["", "abc", ".5", "5.", "1e38", "9" * 39, "1e-39", "NaN", 5, None])
def test_not_a_decimal(text):
    assert reading.parse_decimal(text) is None


@pytest.mark.parametrize(
    "total, count, mean",
    [
        ("2.0001", 2, "1.0000"),  # 1.00005: a tie, 0 is even
        ("2.0003", 2, "1.0002"),  # 1.00015: a tie, 1 is odd
        ("10", 3, "3.3333"),
        ("20", 3, "6.6667"),
        ("-2.0003", 2, "-1.0002"),
        ("0.00", 7, "0.0000"),
    ],
)
def test_average_is_rounded_half_even(total, count, mean):
    assert reading.decimal_text(reading.average(Decimal(total), count)) == mean


@pytest.mark.parametrize(
    "line",
    [b'{"a":1', b"", b'{"a":1}{"a":1}', b'{"a":1,"a":2}', b'{"a":NaN}', b"\xff", b"{'a':1}",
     b"[" * 65 + b"]" * 65, b'{"a":01}'],
)  # fmt: skip
def test_unreadable_json(line):
    with pytest.raises(reading.Unreadable):
        reading.parse_json(line)


def test_depth_64_is_readable():
    reading.parse_json(b"[" * 64 + b"]" * 64)


@pytest.mark.parametrize(
    "key, signed_hash",
    # Published with the partitioner: org.apache.kafka.common.utils.UtilsTest.testMurmur2.
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_murmur2_against_published_values(key, signed_hash):
    assert placement.murmur2(key.encode()) == signed_hash & 0xFFFFFFFF
    assert placement.partition_for_key(key, 7) == (signed_hash & 0x7FFFFFFF) % 7
