"""Writes src/kafka_wire/testdata/*.hex: Kafka messages as another implementation encodes them.

    python -m venv VENV && VENV/bin/pip install kio==0.6.5
    VENV/bin/python tools/kafka_golden.py

kio (Apache-2.0, https://github.com/Aiven-Open/kio) has a class per message and version, made from
Kafka's own definitions. A file holds one API; a line is

    NAME VERSION KIND FILLING HEX VALUES

with FILLING `full` (no field has its default, but for those in every second element of an array)
or `bare` (defaults, null wherever it is allowed, empty arrays). VALUES is the message as text:
{field=value ...} with the fields by name, integers in decimal, strings quoted, bytes as x'..',
arrays in brackets. The tests need neither kio nor this script.
"""

import dataclasses
import datetime
import importlib
import inspect
import io
import os
import typing
import uuid
from importlib.metadata import version as package_version
from pathlib import Path

import kio.schema
from kio.schema.errors import ErrorCode
from kio.serial import entity_writer

TARGET = Path(__file__).resolve().parent.parent / "src" / "kafka_wire" / "testdata"

# Ours that are below kio's newest; None: as many as kio has.
NEWEST = {
    "fetch": 17, "list_offsets": 8, "metadata": 12, "offset_commit": 9, "offset_fetch": 9,
    "add_offsets_to_txn": 3, "write_txn_markers": 1, "describe_log_dirs": 4,
}
APIS = """produce fetch list_offsets metadata offset_commit offset_fetch find_coordinator
    join_group heartbeat leave_group sync_group describe_groups list_groups sasl_handshake
    api_versions create_topics delete_topics delete_records init_producer_id
    offset_for_leader_epoch add_partitions_to_txn add_offsets_to_txn end_txn write_txn_markers
    txn_offset_commit describe_acls create_acls delete_acls describe_configs alter_configs
    describe_log_dirs sasl_authenticate create_partitions delete_groups
    incremental_alter_configs offset_delete describe_user_scram_credentials
    alter_user_scram_credentials describe_client_quotas alter_client_quotas
    describe_cluster describe_producers describe_transactions
    list_transactions consumer_group_heartbeat consumer_group_describe
    describe_topic_partitions consumer_protocol_subscription
    consumer_protocol_assignment""".split()
KINDS = {"request": "request", "response": "response", "data": "data"}
TIMES = ("timedelta_i32", "timedelta_i64", "datetime_i64")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
ERRORS = [code for code in ErrorCode if code.value != 0]


def field_name(field):
    """Kafka's name in snake case; kio drops the unit of times."""
    name = field.name
    if field.metadata.get("kafka_type") in TIMES:
        name += "_ms"
    return {"enable2_pc": "enable_2pc"}.get(name, name)


def type_of(hint):
    """(type, is array, is nullable)"""
    arguments = typing.get_args(hint)
    is_nullable = type(None) in arguments
    if is_nullable:
        (hint,) = [a for a in arguments if a is not type(None)]
    is_array = typing.get_origin(hint) is tuple
    if is_array:
        hint = typing.get_args(hint)[0]
    return hint, is_array, is_nullable


class Filler:
    """Makes values that differ from each other and from every default."""

    def __init__(self):
        self.count = 0

    def scalar(self, kafka_type):
        self.count += 1
        n = self.count
        text = f"text-{n}" + ("-" + "long" * 40 if n % 23 == 0 else "")
        return {
            "bool": lambda: True,
            "int8": lambda: 4 + n % 100,
            "int16": lambda: 1000 + n,
            "int32": lambda: 100_000 + n,
            "int64": lambda: 10_000_000_000 + n,
            "float64": lambda: float(40_000 + n),
            "string": lambda: text,
            "bytes": lambda: bytes([0, 255, n % 256]) * (1 + n % 3),
            "records": lambda: bytes([n % 256, 254]) * (200 if n % 5 == 0 else 3),
            "uuid": lambda: uuid.UUID(int=(n << 96) + 0xABCDEF),
            "error_code": lambda: ERRORS[n % len(ERRORS)],
            "timedelta_i32": lambda: datetime.timedelta(milliseconds=20_000 + n),
            "timedelta_i64": lambda: datetime.timedelta(milliseconds=30_000 + n),
            "datetime_i64": lambda: EPOCH + datetime.timedelta(milliseconds=1_700_000_000_000 + n),
        }[kafka_type]()

    def full(self, message):
        values = {}
        hints = typing.get_type_hints(message)
        for field in dataclasses.fields(message):
            inner, is_array, _ = type_of(hints[field.name])
            def make(inner=inner, field=field):
                if dataclasses.is_dataclass(inner):
                    return self.full(inner)
                return self.scalar(field.metadata["kafka_type"])
            values[field.name] = make()
            if is_array:
                # The second element brings nulls into the depth.
                is_struct = dataclasses.is_dataclass(inner)
                second = bare(inner) if is_struct else make()
                values[field.name] = (values[field.name], second)
        return message(**values)


def bare(message):
    values = {}
    hints = typing.get_type_hints(message)
    for field in dataclasses.fields(message):
        inner, is_array, is_nullable = type_of(hints[field.name])
        if is_nullable:
            values[field.name] = None
        elif field.default is not dataclasses.MISSING:
            values[field.name] = field.default
        elif is_array:
            values[field.name] = ()
        elif dataclasses.is_dataclass(inner):
            values[field.name] = bare(inner)
        else:
            values[field.name] = {
                "bool": False, "string": "", "bytes": b"", "records": b"",
                "error_code": ErrorCode.none, "timedelta_i32": datetime.timedelta(0),
                "timedelta_i64": datetime.timedelta(0), "datetime_i64": EPOCH,
            }.get(field.metadata["kafka_type"], 0)
    return message(**values)


def as_text(value, field=None):
    if dataclasses.is_dataclass(value):
        parts = [f"{field_name(f)}={as_text(getattr(value, f.name), f)}"
                 for f in dataclasses.fields(value)]
        return "{" + " ".join(sorted(parts)) + "}"
    kafka_type = field.metadata.get("kafka_type") if field else None
    if value is None and kafka_type == "uuid":
        return uuid.UUID(int=0).hex
    if value is None:
        return "-1" if kafka_type == "datetime_i64" else "null"
    if isinstance(value, tuple):
        return "[" + " ".join(as_text(v, field) for v in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, uuid.UUID):
        return value.hex
    if isinstance(value, datetime.timedelta):
        return str(value // datetime.timedelta(milliseconds=1))
    if isinstance(value, datetime.datetime):
        return str((value - EPOCH) // datetime.timedelta(milliseconds=1))
    return str(int(value))


def encoded(message):
    with io.BytesIO() as out:
        entity_writer(type(message))(out, message)
        return out.getvalue().hex()


def message_class(module):
    for _, found in inspect.getmembers(module, inspect.isclass):
        if found.__module__ == module.__name__ and dataclasses.is_dataclass(found):
            if found.__type__.name in ("request", "response", "data", "header"):
                return found
    raise LookupError(module.__name__)


def write(api, lines):
    head = f"# kio {package_version('kio')}; made by tools/kafka_golden.py\n"
    (TARGET / f"{api}.hex").write_text(head + "".join(lines), encoding="ascii")


def vectors(api):
    folder = Path(kio.schema.__file__).parent / api
    versions = sorted(int(name[1:]) for name in os.listdir(folder) if name[0] == "v")
    for version in versions:
        if version > NEWEST.get(api, version):
            continue
        for kind, label in KINDS.items():
            try:
                module = importlib.import_module(f"kio.schema.{api}.v{version}.{kind}")
            except ImportError:
                continue
            found = message_class(module)
            name = found.__name__.removesuffix("Request").removesuffix("Response")
            for filling, message in (("full", Filler().full(found)), ("bare", bare(found))):
                head = f"{name} {version} {label} {filling}"
                yield f"{head} {encoded(message) or '-'} {as_text(message)}\n"


def header_vectors():
    """Of Metadata, whose version 9 is its first with a header of version 2."""
    for header_version, api_version in ((1, 8), (2, 9)):
        module = importlib.import_module(f"kio.schema.request_header.v{header_version}.header")
        for filling, client_id in (("full", "client-7"), ("bare", None)):
            header = module.RequestHeader(
                request_api_key=3, request_api_version=api_version, correlation_id=70_000_001,
                client_id=client_id)
            yield f"Metadata {api_version} header {filling} {encoded(header)} {as_text(header)}\n"


if __name__ == "__main__":
    TARGET.mkdir(exist_ok=True)
    for an_api in APIS:
        write(an_api, vectors(an_api))
    write("headers", header_vectors())
