#!/usr/bin/env python3
"""Runs the conformance suite of the log over Kafka against Apache Kafka and against our own broker.

run.py PROGRAM MILLRACE [--folder DIR] [--only kafka|millrace|secure] [GoogleTest's options]

secure: our own broker again, over TLS and with a log-in by SCRAM; needs openssl.

Apache Kafka needs java and mvn; without them only our own broker is tried. Status 0: all passed.
"""

import argparse
import shutil
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from apache_kafka import VERSION, ApacheKafka, jars  # noqa: E402
from broker_under_test import BrokerUnderTest  # noqa: E402


def run(program, broker, *arguments):
    command = [program, broker.address, str(broker.process.pid), *arguments]
    return subprocess.run(command, check=False).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path)
    parser.add_argument("millrace", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("build/clients"))
    parser.add_argument("--only", choices=("kafka", "millrace", "secure"))
    options, rest = parser.parse_known_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what it has started, too
    folder = options.folder.resolve()
    program = options.program.resolve()
    status = 0
    if options.only in (None, "kafka"):
        lacking = [name for name in ("java", "mvn") if shutil.which(name) is None]
        if lacking:
            print(f"Apache Kafka: left out, {' and '.join(lacking)} not found: install it first")
            status = 1 if options.only else 0
        else:
            with ApacheKafka(jars(folder), folder / "kafka") as kafka:
                print(f"== Apache Kafka {VERSION}", flush=True)
                status |= run(program, kafka, *rest)
    if options.only in (None, "millrace"):
        with BrokerUnderTest(
            options.millrace, folder / "broker", auto_create_topics=False
        ) as broker:
            print("== millrace", flush=True)
            status |= run(program, broker, "--millrace", *rest)
    if options.only in (None, "secure") and shutil.which("openssl"):
        status |= run_secure(program, options.millrace, folder, rest)
    return status


def run_secure(program, millrace, folder, rest):
    secrets = folder / "secrets"
    secrets.mkdir(parents=True, exist_ok=True)
    key, certificate, users = secrets / "key.pem", secrets / "certificate.pem", secrets / "users"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=broker",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    users.write_text("ada=wonder=land\n")
    tls = {"certificate_file": str(certificate), "key_file": str(key)}
    sasl = {"mechanisms": ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], "users_file": str(users)}
    with BrokerUnderTest(
        millrace, folder / "broker", auto_create_topics=False, tls=tls, sasl=sasl
    ) as broker:
        print("== millrace, SASL_SSL", flush=True)
        mechanism = ["--ca", certificate, "--sasl", "SCRAM-SHA-512", "ada", "wonder=land"]
        return run(program, broker, "--millrace", *mechanism, *rest)


if __name__ == "__main__":
    sys.exit(main())
