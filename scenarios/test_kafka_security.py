"""Kafka's own clients against a broker with TLS, log-ins and access control entries."""

import json
import re
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from types import SimpleNamespace

import pytest
from harness import let_pass, wait_until

confluent = pytest.importorskip("confluent_kafka")
admin_api = pytest.importorskip("confluent_kafka.admin")
kafka = pytest.importorskip("kafka")

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")

SECONDS = 30
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
PASSWORDS = {"admin": "admin-secret", "alice": "wonder=land", "bob": "builder"}


@pytest.fixture
def secure(instance, workspace, pki):
    """secure(kafka settings...) makes an instance with TLS and users; it is not started."""

    def make(name="data", tls=True, **settings):
        users = workspace.folder / "users"
        users.write_text("".join(f"{user}={word}\n" for user, word in PASSWORDS.items()))
        given = {"sasl": {"mechanisms": list(MECHANISMS), "users_file": str(users)}}
        if tls:
            more = tls if isinstance(tls, dict) else {}
            given["tls"] = {"certificate_file": str(pki.server), "key_file": str(pki.server_key),
                            **more}  # fmt: skip
        for key, value in settings.items():
            if value is None:
                given.pop(key, None)
            else:
                given[key] = value
        path = workspace.folder / f"{name}.json"
        path.write_text(json.dumps({"pipelines": [], "kafka": given}))
        return instance(name=name, extra=["--config", str(path)])

    return make


def as_user(run, pki, user, password=None, mechanism="SCRAM-SHA-256", tls=True, **more):
    """Settings of a client of librdkafka."""
    settings = {
        "bootstrap.servers": f"localhost:{run.kafka_port}",
        "broker.address.family": "v4",
        "security.protocol": "SASL_SSL" if tls else "SASL_PLAINTEXT",
        "sasl.mechanism": mechanism,
        "sasl.username": user,
        "sasl.password": PASSWORDS.get(user, "") if password is None else password,
        "log_level": 0,
        **more,
    }
    return {**settings, "ssl.ca.location": str(pki.ca)} if tls else settings


def admin_of(settings):
    return admin_api.AdminClient(settings)


def produced(settings, topic, value=b"v", **more):
    """None, or the error of one record; what a client cannot recover from counts, too."""
    fatal = []
    producer = confluent.Producer(
        {**settings, "message.timeout.ms": 8000, "error_cb": fatal.append, **more}
    )
    result = []
    producer.produce(topic, value, callback=lambda error, _: result.append(error))
    deadline = time.monotonic() + SECONDS
    while not result and time.monotonic() < deadline:
        producer.poll(0.1)
    assert result, "nothing came of it"
    if result[0] is None:
        return None
    codes = {error.code() for error in fatal} | {result[0].code()}
    known = confluent.KafkaError._AUTHENTICATION
    return known if known in codes else result[0].code()


def consumed(settings, topic, count=1, group="readers"):
    consumer = confluent.Consumer(
        {**settings, "group.id": group, "auto.offset.reset": "earliest"}
    )  # fmt: skip
    consumer.subscribe([topic])
    values, deadline = [], time.monotonic() + SECONDS
    try:
        while len(values) < count and time.monotonic() < deadline:
            message = consumer.poll(0.5)
            if message is None:
                continue
            if message.error():
                return message.error().code()
            values.append(message.value())
        return values
    finally:
        consumer.close()


def make_topic(settings, *names):
    client = admin_of(settings)
    for future in client.create_topics([admin_api.NewTopic(n, 1, 1) for n in names]).values():
        future.result(SECONDS)


def metric(run, name, **labels):
    text = urllib.request.urlopen(f"http://127.0.0.1:{run.http_port}/metrics").read().decode()
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    wanted = name + (f"{{{inside}}}" if inside else "")
    return int(re.search(rf"^{re.escape(wanted)} (\d+)$", text, re.M)[1])


# --- encryption and log-ins ---


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_records_go_and_come_over_tls(secure, pki, mechanism):
    with secure() as run:
        alice = as_user(run, pki, "alice", mechanism=mechanism)
        assert produced(alice, "t", b"hello") is None
        assert consumed(alice, "t") == [b"hello"]
        assert metric(run, "millrace_kafka_logins_total", mechanism=mechanism) >= 2


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_password_is_refused_counted_and_not_written_down(secure, pki, mechanism):
    with secure() as run:
        wrong = as_user(run, pki, "alice", "not-this-one", mechanism)
        assert produced(wrong, "t") == confluent.KafkaError._AUTHENTICATION
        nobody = as_user(run, pki, "nobody", "not-this-one", mechanism)
        assert produced(nobody, "t") == confluent.KafkaError._AUTHENTICATION
        assert metric(run, "millrace_kafka_failed_logins_total", mechanism=mechanism) >= 2
        assert metric(run, "millrace_kafka_logins_total", mechanism=mechanism) == 0
    assert "a log-in was refused" in run.stderr()
    for secret in ("not-this-one", *PASSWORDS.values()):
        assert secret not in run.stderr()


def test_large_batches_and_many_answers_go_over_tls(secure, pki):
    with secure() as run:
        alice = as_user(run, pki, "alice")
        producer = confluent.Producer({**alice, "linger.ms": 20, "batch.size": 900_000})
        values = [bytes([n % 251]) * 5_000 for n in range(4_000)]
        for value in values:
            producer.produce("large", value)
            producer.poll(0)
        assert producer.flush(SECONDS) == 0
        assert consumed(alice, "large", len(values)) == values


def test_kafka_python_logs_in_with_both_mechanisms(secure, pki):
    with secure() as run:
        for mechanism in ("PLAIN", "SCRAM-SHA-512"):
            common = {
                "bootstrap_servers": f"localhost:{run.kafka_port}",
                "security_protocol": "SASL_SSL",
                "ssl_cafile": str(pki.ca),
                "sasl_mechanism": mechanism,
                "sasl_plain_username": "alice",
                "sasl_plain_password": PASSWORDS["alice"],
            }
            producer = kafka.KafkaProducer(**common)
            producer.send("t", mechanism.encode()).get(SECONDS)
            producer.close()


def test_a_client_that_does_not_trust_the_authority_does_not_log_in(secure, pki):
    with secure() as run:
        settings = as_user(run, pki, "alice")
        settings["ssl.ca.location"] = str(pki.stranger)
        assert produced(settings, "t") is not None
        assert metric(run, "millrace_kafka_logins_total", mechanism="SCRAM-SHA-256") == 0
        assert metric(run, "millrace_kafka_tls_handshakes_failed_total") >= 1


def test_old_tls_is_refused(secure):
    with secure() as run:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection(("127.0.0.1", run.kafka_port)) as plain:
            with pytest.raises((ssl.SSLError, OSError)):
                context.wrap_socket(plain)


def test_client_certificates_are_required_and_say_who_it_is(secure, pki):
    tls = {"client_certificates": "required", "client_ca_file": str(pki.ca)}
    settings = {"sasl": None, "authorization": "acl", "super_users": ["User:CN=robot,O=Acme"]}
    with secure(tls=tls, **settings) as run:
        base = {
            "bootstrap.servers": f"localhost:{run.kafka_port}",
            "broker.address.family": "v4",
            "security.protocol": "SSL",
            "ssl.ca.location": str(pki.ca),
            "log_level": 0,
        }
        robot = {**base, "ssl.certificate.location": str(pki.client),
                 "ssl.key.location": str(pki.client_key)}  # fmt: skip
        assert produced(robot, "t", b"from the robot") is None
        assert consumed(robot, "t") == [b"from the robot"]
        stranger = {**base, "ssl.certificate.location": str(pki.stranger),
                    "ssl.key.location": str(pki.stranger_key)}  # fmt: skip
        assert produced(stranger, "t") is not None
        assert produced(base, "t") is not None
        assert consumed(robot, "t", group="others") == [b"from the robot"]


def test_requested_certificates_may_be_left_out(secure, pki):
    tls = {"client_certificates": "requested", "client_ca_file": str(pki.ca)}
    with secure(sasl=None, tls=tls) as run:
        base = {
            "bootstrap.servers": f"localhost:{run.kafka_port}",
            "broker.address.family": "v4",
            "security.protocol": "SSL",
            "ssl.ca.location": str(pki.ca),
        }
        assert produced(base, "t") is None


def test_slow_handshakes_and_garbage_keep_nobody_else_out(secure, pki):
    with secure() as run:
        silent = [socket.create_connection(("127.0.0.1", run.kafka_port)) for _ in range(700)]
        half = []
        for _ in range(50):  # a hello that says 512 bytes and stops
            one = socket.create_connection(("127.0.0.1", run.kafka_port))
            one.sendall(b"\x16\x03\x01\x02\x00\x01")
            half.append(one)
        for _ in range(50):
            one = socket.create_connection(("127.0.0.1", run.kafka_port))
            one.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(range(256)))
            half.append(one)
        began = time.monotonic()
        assert produced(as_user(run, pki, "alice"), "t") is None
        assert time.monotonic() - began < 8
        assert metric(run, "millrace_kafka_connections_displaced_total") > 0
        wait_until(lambda: metric(run, "millrace_kafka_connections") < 20, "time-outs", 40)
        for one in silent + half:
            one.close()


# --- users ---


def test_users_are_made_changed_and_deleted_with_the_admin_api(secure, pki):
    run = secure()
    with run:
        client = admin_of(as_user(run, pki, "admin"))
        sha_256 = admin_api.ScramMechanism.SCRAM_SHA_256
        info = admin_api.ScramCredentialInfo(sha_256, 4096)
        carol = admin_api.UserScramCredentialUpsertion("carol", info, b"first")
        client.alter_user_scram_credentials([carol])["carol"].result(SECONDS)
        assert produced(as_user(run, pki, "carol", "first"), "t") is None
        run.kill9()
        run.start()
        client = admin_of(as_user(run, pki, "admin"))
        described = client.describe_user_scram_credentials(["carol"])["carol"].result(SECONDS)
        shown = [(one.mechanism, one.iterations) for one in described.scram_credential_infos]
        assert shown == [(sha_256, 4096)]
        # Her password serves PLAIN, too, and no mechanism that was not made.
        assert produced(as_user(run, pki, "carol", "first", "PLAIN"), "t") is None
        refused = confluent.KafkaError._AUTHENTICATION
        assert produced(as_user(run, pki, "carol", "first", "SCRAM-SHA-512"), "t") == refused
        change = admin_api.UserScramCredentialUpsertion("carol", info, b"second")
        client.alter_user_scram_credentials([change])["carol"].result(SECONDS)
        assert produced(as_user(run, pki, "carol", "first"), "t") == refused
        assert produced(as_user(run, pki, "carol", "second"), "t") is None
        gone = admin_api.UserScramCredentialDeletion("carol", sha_256)
        client.alter_user_scram_credentials([gone])["carol"].result(SECONDS)
        assert produced(as_user(run, pki, "carol", "second"), "t") == refused
        with pytest.raises(confluent.KafkaException, match="users_file"):
            fixed = admin_api.UserScramCredentialUpsertion("alice", info, b"x")
            client.alter_user_scram_credentials([fixed])["alice"].result(SECONDS)


def test_credentials_are_read_by_nobody(secure, pki):
    with secure(tls=False, authorization="acl", super_users=["User:admin"]) as run:
        admin = as_user(run, pki, "admin", tls=False)
        info = admin_api.ScramCredentialInfo(admin_api.ScramMechanism.SCRAM_SHA_256, 4096)
        carol = admin_api.UserScramCredentialUpsertion("carol", info, b"x")
        client = admin_of(admin)  # what it has asked for dies with it
        client.alter_user_scram_credentials([carol])["carol"].result(SECONDS)
        consumer = confluent.Consumer({**admin, "group.id": "thief"})
        consumer.assign([confluent.TopicPartition("millrace.broker.security", 0, 0)])
        message = wait_for_message(consumer)
        assert message.error().code() == confluent.KafkaError.TOPIC_AUTHORIZATION_FAILED
        consumer.close()
        assert "holds credentials" in run.cli_fails("consume", "millrace.broker.security")


def wait_for_message(consumer):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is not None:
            return message
    raise AssertionError("nothing came")


# --- access control entries ---


def binding(topic, principal, operation, permission="ALLOW", kind="TOPIC", pattern="LITERAL"):
    return admin_api.AclBinding(
        getattr(admin_api.ResourceType, kind),
        topic,
        getattr(admin_api.ResourcePatternType, pattern),
        principal,
        "*",
        getattr(admin_api.AclOperation, operation),
        getattr(admin_api.AclPermissionType, permission),
    )


def everything():
    return admin_api.AclBindingFilter(
        admin_api.ResourceType.ANY,
        None,
        admin_api.ResourcePatternType.ANY,
        None,
        None,
        admin_api.AclOperation.ANY,
        admin_api.AclPermissionType.ANY,
    )


@pytest.fixture
def guarded(secure, pki):
    """An instance whose entries decide; admin may do everything."""
    run = secure(tls=False, authorization="acl", super_users=["User:admin"])
    with run:
        yield SimpleNamespace(
            run=run,
            user=lambda name, **more: as_user(run, pki, name, tls=False, **more),
            admin=lambda: admin_of(as_user(run, pki, "admin", tls=False)),
        )


def allow(guarded, *bindings):
    client = guarded.admin()
    for future in client.create_acls(list(bindings)).values():
        future.result(SECONDS)


def test_what_is_not_allowed_is_refused(guarded):
    make_topic(guarded.user("admin"), "orders", "secrets")
    alice = guarded.user("alice")
    error = confluent.KafkaError
    assert produced(alice, "orders") == error.TOPIC_AUTHORIZATION_FAILED
    allow(guarded, binding("orders", "User:alice", "WRITE"))
    assert produced(alice, "orders", b"1") is None
    assert produced(alice, "orders", b"2", **{"enable.idempotence": True}) is None
    assert produced(alice, "secrets") == error.TOPIC_AUTHORIZATION_FAILED
    # To write is not to read, and to read needs the group, too.
    assert consumed(alice, "orders") == error.GROUP_AUTHORIZATION_FAILED
    allow(guarded, binding("readers", "User:alice", "READ", kind="GROUP"))
    assert consumed(alice, "orders") == error.TOPIC_AUTHORIZATION_FAILED
    allow(guarded, binding("ord", "User:alice", "READ", pattern="PREFIXED"))
    assert consumed(alice, "orders", 2) == [b"1", b"2"]
    # To deny wins, and names nobody else.
    allow(guarded, binding("orders", "User:alice", "WRITE", "DENY"),
          binding("*", "User:*", "WRITE"))  # fmt: skip
    assert produced(alice, "orders") == error.TOPIC_AUTHORIZATION_FAILED
    assert produced(guarded.user("bob"), "orders") is None
    assert metric(guarded.run, "millrace_kafka_authorization_denials_total") > 0


def test_topics_that_may_not_be_described_are_not_there(guarded):
    make_topic(guarded.user("admin"), "seen", "hidden")
    allow(guarded, binding("seen", "User:alice", "DESCRIBE"))
    alice = admin_of(guarded.user("alice"))
    assert set(alice.list_topics(timeout=SECONDS).topics) == {"seen"}
    hidden = alice.list_topics("hidden", timeout=SECONDS).topics["hidden"]
    absent = alice.list_topics("absent", timeout=SECONDS).topics["absent"]
    assert hidden.error.code() == absent.error.code()
    assert hidden.error.code() == confluent.KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_a_topic_is_made_on_demand_by_who_may_create_it(guarded):
    error = confluent.KafkaError
    allow(guarded, binding("new", "User:alice", "WRITE", pattern="PREFIXED"))
    alice = guarded.user("alice")
    assert produced(alice, "new-1") == error.TOPIC_AUTHORIZATION_FAILED
    allow(guarded, binding("new-1", "User:alice", "CREATE"))
    assert produced(alice, "new-1") is None
    with pytest.raises(confluent.KafkaException) as refused:
        make_topic(alice, "new-2")
    assert refused.value.args[0].code() == error.TOPIC_AUTHORIZATION_FAILED
    allow(guarded, binding("kafka-cluster", "User:alice", "CREATE", kind="BROKER"))
    make_topic(alice, "new-2")


def test_transactions_need_their_id(guarded):
    make_topic(guarded.user("admin"), "orders")
    allow(guarded, binding("orders", "User:alice", "WRITE"))
    settings = {**guarded.user("alice"), "transactional.id": "moving", "log_level": 0}
    with pytest.raises(confluent.KafkaException) as refused:
        confluent.Producer(settings).init_transactions(SECONDS)
    code = confluent.KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert refused.value.args[0].code() == code
    allow(guarded, binding("mov", "User:alice", "WRITE", kind="TRANSACTIONAL_ID",
                           pattern="PREFIXED"))  # fmt: skip
    producer = confluent.Producer(settings)
    producer.init_transactions(SECONDS)
    producer.begin_transaction()
    producer.produce("orders", b"in a transaction")
    producer.commit_transaction(SECONDS)


def test_entries_are_described_deleted_and_outlive_a_kill(guarded):
    entries = [
        binding("orders", "User:alice", "READ"),
        binding("ord", "User:bob", "WRITE", "DENY", pattern="PREFIXED"),
        binding("g", "User:alice", "READ", kind="GROUP"),
    ]
    allow(guarded, *entries)
    guarded.run.kill9()
    guarded.run.start()
    client = guarded.admin()
    assert set(client.describe_acls(everything()).result(SECONDS)) == set(entries)
    only = everything()
    only.principal = "User:alice"
    gone = client.delete_acls([only])[only].result(SECONDS)
    assert set(gone) == {entries[0], entries[2]}
    assert client.describe_acls(everything()).result(SECONDS) == [entries[1]]
    bob = admin_of(guarded.user("bob"))
    with pytest.raises(confluent.KafkaException) as refused:
        bob.create_acls(entries[:1])[entries[0]].result(SECONDS)
    assert bob.describe_acls(everything()).result(SECONDS) == []
    code = confluent.KafkaError.CLUSTER_AUTHORIZATION_FAILED
    assert refused.value.args[0].code() == code


def test_operations_are_told_where_they_are_asked_for(guarded):
    make_topic(guarded.user("admin"), "orders")
    allow(guarded, binding("orders", "User:alice", "WRITE"))

    def told(user):
        client = admin_of(guarded.user(user))
        wanted = confluent.TopicCollection(["orders"])
        described = client.describe_topics(wanted, include_authorized_operations=True)
        topic = described["orders"].result(SECONDS)
        return {one.name for one in topic.authorized_operations}

    assert told("alice") == {"WRITE", "DESCRIBE"}
    assert told("admin") >= {"READ", "WRITE", "CREATE", "DELETE", "ALTER", "DESCRIBE"}


# --- the start ---


def test_a_network_is_not_served_without_encryption_and_log_ins(secure, workspace):
    shown = secure("open", tls=False, sasl=None, listen="0.0.0.0", advertised="localhost")
    text = shown.refuses_to_start()
    assert "kafka.tls.certificate_file" in text and "kafka.sasl.mechanisms" in text
    half = secure("half", sasl=None, listen="0.0.0.0", advertised="localhost")
    text = half.refuses_to_start()
    assert "kafka.sasl.mechanisms" in text and "kafka.tls.certificate_file" not in text
    assert "kafka.advertised" in secure("nowhere", listen="0.0.0.0").refuses_to_start()


def test_a_network_is_served_with_both_and_clients_come_back_to_the_advertised_place(secure, pki):
    run = secure(listen="0.0.0.0", advertised="localhost")
    with run:
        alice = as_user(run, pki, "alice")
        client = admin_of(alice)
        brokers = client.list_topics(timeout=SECONDS).brokers
        assert [(one.host, one.port) for one in brokers.values()] == [
            ("localhost", run.kafka_port)
        ]
        assert produced(alice, "t") is None


def test_an_open_network_must_be_asked_for_by_its_name(secure):
    settings = {"tls": False, "sasl": None, "listen": "0.0.0.0", "advertised": "localhost"}
    with secure(**settings, allow_insecure_network=True) as run:
        let_pass(0)
        assert run.is_alive()


@pytest.mark.parametrize("setting, content, said", [
    ("certificate_file", "nothing", "kafka.tls.certificate_file"),
    ("certificate_file", None, "kafka.tls.certificate_file"),
    ("key_file", "nothing", "kafka.tls.key_file"),
    ("key_file", "another", "kafka.tls.key_file"),
])  # fmt: skip
def test_a_bad_file_is_named_by_its_setting(secure, pki, tmp_path, setting, content, said):
    path = tmp_path / "file.pem"
    if content == "nothing":
        path.write_text("nothing\n")
    elif content == "another":
        path.write_bytes(pki.client_key.read_bytes())
    text = secure(tls={setting: str(path)}).refuses_to_start()
    assert said in text


def test_secrets_are_not_shown(secure, workspace):
    run = secure()
    with run:
        command = [run.binary, "config", "show", "--config", run.extra[1]]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert "users_file" in shown
        metrics = urllib.request.urlopen(f"http://127.0.0.1:{run.http_port}/metrics").read()
    for secret in PASSWORDS.values():
        assert secret not in shown
        assert secret not in metrics.decode()
        assert secret not in run.stderr()
