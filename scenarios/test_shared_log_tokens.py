"""A log on Apache Kafka whose brokers want tokens (SASL/OAUTHBEARER) that do not live long."""

import base64
import json
import shutil
import sys
import threading
import time
from pathlib import Path

import pytest
from compare import expect
from feeds import Feed
from harness import wait_until
from workspace import ROOT

sys.path.insert(0, str(ROOT / "tools"))
from apache_kafka import ApacheKafka  # noqa: E402

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")

TOKEN_SECONDS = 6
REAUTH_MS = 4_000  # connections are closed that do not log in again by then
FEED_SECONDS = 20
FEED_EVENTS = 4_000


@pytest.fixture(scope="module")
def asking(kafka_jars, tmp_path_factory, pki):
    """A broker that believes unsigned JWTs until they expire."""
    folder = tmp_path_factory.mktemp("asking")
    store = folder / "server.pem"
    store.write_text(Path(pki.server_key).read_text() + Path(pki.server).read_text())
    login = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;"
    settings = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": store,
        "sasl.enabled.mechanisms": "OAUTHBEARER",
        "listener.name.sasl_ssl.oauthbearer.sasl.jaas.config": login,
        "listener.name.sasl_ssl.oauthbearer.connections.max.reauth.ms": REAUTH_MS,
    }
    with ApacheKafka(kafka_jars, folder / "broker", ("SASL_SSL",), **settings) as broker:
        broker.objects = folder / "objects"
        yield broker


@pytest.fixture
def token_worker(worker, asking, ticks, pki):
    """token_worker(name, security...): a process whose log wants a token."""

    def make(name, **security):
        security = {"protocol": "sasl_ssl", "ca_file": str(pki.ca), **security}
        servers = asking.addresses["SASL_SSL"]
        log = {"kafka": {"bootstrap_servers": servers, "security": security}}
        return worker(name, "", ticks, objects=asking.objects, log=log)

    return make


def jwt(life_seconds, **claims):
    now = int(time.time())
    claims = {"sub": "millrace", "iat": now, "exp": now + life_seconds} | claims

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part(claims)}."


class TokenFile:
    """A file with a token that is replaced before it expires, unless it is told to wait."""

    def __init__(self, path):
        self.path = path
        self.over = threading.Event()
        self.is_paused = False
        self.written = 0
        self.thread = threading.Thread(target=self.renew)

    def write(self):
        new = self.path.with_suffix(".new")
        new.write_text(jwt(TOKEN_SECONDS))
        new.replace(self.path)
        self.written += 1

    def renew(self):
        while not self.over.wait(TOKEN_SECONDS / 3):
            if not self.is_paused:
                self.write()

    def __enter__(self):
        self.write()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def test_tokens_expire_while_records_flow(token_worker, ticks, write_lines, tmp_path):
    with TokenFile(tmp_path / "token") as tokens:
        security = {"sasl_mechanism": "OAUTHBEARER", "token_file": str(tokens.path)}
        with token_worker("a", **security) as run:
            feed = Feed(run, ticks, write_lines, FEED_EVENTS, FEED_SECONDS)
            feed.wait_for(0.3)
            # Nobody can log in once this one has expired.
            tokens.is_paused = True
            wait_until(lambda: "the token expired at" in run.stderr(), "a word about the token")
            tokens.is_paused = False
            feed.expect_exact()
            print(f"{tokens.written} tokens")
            expect(tokens.written >= 5, f"{tokens.written} tokens in {FEED_SECONDS} s")


@pytest.mark.parametrize(
    "text, told",
    [
        (lambda: jwt(60, sub=7), "invalid_token"),
        (lambda: jwt(-1), "the token expired at"),
        (lambda: "opaque", "invalid_token"),
        (lambda: "", "there is no token in it"),
        (lambda: None, "No such file"),
    ],
)
def test_a_wrong_token_is_told(token_worker, tmp_path, text, told):
    file = tmp_path / "token"
    content = text()
    if content is not None:
        file.write_text(content)
    run = token_worker("b", sasl_mechanism="oauthbearer", token_file=str(file))
    said = run.refuses_to_start(seconds=30)
    print(said.splitlines()[-1])
    expect(told in said, f"no {told!r} in: {said}")


def test_aws_credentials_are_missed_and_used(token_worker, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    regionless = token_worker("c", sasl_mechanism="AWS_MSK_IAM")
    said = regionless.refuses_to_start(seconds=30)
    expect("log.kafka.security.region" in said, said)
    security = {"sasl_mechanism": "AWS_MSK_IAM", "region": "eu-west-1"}
    said = token_worker("c", **security).refuses_to_start(seconds=30)
    expect("no AWS credentials. Tried the environment: not set up" in said, said)
    # This broker is none of Amazon's: it is asked, and refuses what it cannot read.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    said = token_worker("c", **security).refuses_to_start(seconds=30)
    print(said.splitlines()[-1])
    expect("invalid_token" in said, said)
