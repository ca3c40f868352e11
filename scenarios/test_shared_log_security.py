"""A log on Apache Kafka that wants TLS and a log-in: it works, and what is wrong is told."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from compare import ORDERS, expect, expect_exact
from oracle import perturb
from workspace import ROOT

sys.path.insert(0, str(ROOT / "tools"))
from apache_kafka import ApacheKafka  # noqa: E402

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")

USER, PASSWORD = "millrace", "wonder-land"


@pytest.fixture(scope="module")
def secured(kafka_jars, tmp_path_factory, pki):
    """A broker whose listeners are SASL_SSL with SCRAM-SHA-512 and SSL with client certificates."""
    folder = tmp_path_factory.mktemp("secured")
    store = folder / "server.pem"
    store.write_text(Path(pki.server_key).read_text() + Path(pki.server).read_text())
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    settings = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": store,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": pki.ca,
        "listener.name.ssl.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": login,
    }
    users = ["--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"]
    listeners = ("SASL_SSL", "SSL")
    with ApacheKafka(kafka_jars, folder / "broker", listeners, users, **settings) as broker:
        broker.objects = folder / "objects"
        yield broker


@pytest.fixture
def secure_worker(worker, secured, orders, tmp_path):
    """secure_worker(name, listener, security...): a process whose log needs these settings."""

    def make(name, listener, **security):
        log = {"kafka": {"bootstrap_servers": secured.addresses[listener], "security": security}}
        return worker(name, "", orders, objects=secured.objects, log=log)

    return make


def scram(pki, tmp_path, word=PASSWORD, **other):
    file = tmp_path / "password"
    file.write_text(word + "\n")
    return {
        "protocol": "sasl_ssl", "ca_file": str(pki.ca), "sasl_mechanism": "scram-sha-512",
        "user": USER, "password_file": str(file), **other,
    }  # fmt: skip


def test_over_tls_with_a_login(secure_worker, pki, tmp_path, orders, write_lines):
    lines = perturb.mixed_orders()
    with secure_worker("a", "SASL_SSL", **scram(pki, tmp_path)) as run:
        run.produce(ORDERS.source, write_lines("orders.jsonl", lines), orders.key)
        run.cli("drain", seconds=60)
        expect_exact(run, ORDERS, orders, lines)


def test_over_tls_with_a_client_certificate(secure_worker, pki):
    security = {
        "protocol": "ssl", "ca_file": str(pki.ca),
        "certificate_file": str(pki.client), "key_file": str(pki.client_key),
    }  # fmt: skip
    with secure_worker("b", "SSL", **security) as run:
        expect(run.status()["process"] == "b", json.dumps(run.status()))


@pytest.mark.parametrize(
    "listener, wrong, told",
    [
        ("SASL_SSL", {"word": "wonderland"}, "Authentication failed"),
        ("SASL_SSL", {"user": "nobody"}, "Authentication failed"),
        ("SASL_SSL", {"sasl_mechanism": "scram-sha-256"}, "mechanism"),
        ("SASL_SSL", {"ca_file": "another"}, "certificate verify failed"),
        ("SASL_SSL", {"protocol": "sasl_plaintext"}, "set ssl or sasl_ssl"),
        ("SASL_SSL", {"ca_file": "/nowhere.pem"}, "/nowhere.pem"),
        ("SSL", {"protocol": "ssl"}, "certificate"),
    ],
)
def test_what_is_wrong_is_told(secure_worker, pki, tmp_path, listener, wrong, told):
    wrong = dict(wrong)
    if wrong.get("ca_file") == "another":
        wrong["ca_file"] = str(pki.folder / "others.pem")
    security = scram(pki, tmp_path, **wrong)
    if listener == "SSL":  # no client certificate
        security = {"protocol": "ssl", "ca_file": str(pki.ca)}
    said = secure_worker("c", listener, **security).refuses_to_start(seconds=30)
    print(said.splitlines()[-1])
    expect(told in said, f"no {told!r} in: {said}")
