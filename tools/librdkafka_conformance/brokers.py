"""The brokers that tests need: an open one, one with access control entries, one with log-ins."""

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from broker_under_test import BrokerUnderTest  # noqa: E402

PARTITIONS = 4  # tests/scenarios/default.json
# 0113 and 0118 count on two members that come at once being in the first generation.
INITIAL_DELAY_MS = 100
# Which tests, or parts of 0081, need another broker than the open one.
KINDS = {
    "0081_admin:do_test_CreateAcls": "super",
    "0081_admin:do_test_DescribeAcls": "super",
    "0081_admin:do_test_DeleteAcls": "super",
    "0109_auto_create_topics": "acl",
    "0115_producer_auth": "acl",
    "0119_consumer_auth": "acl",
    "0135_sasl_credentials:do_test": "sasl",
}
USER, PASSWORD = "tester", "tester-secret"
MECHANISM = "SCRAM-SHA-256"
# What the suite is told beside the address.
CLIENTS = {
    "sasl": {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": MECHANISM,
        "sasl.username": USER,
        "sasl.password": PASSWORD,
    },
    # Each entry takes a second or two to make: it is a program in Java that does it.
    "acl": {"test.timeout.multiplier": 3},
}
# Tests deny themselves something: what is not denied they may do, as on brokers with
# allow.everyone.if.no.acl.found.
RESOURCES = ("--topic=*", "--group=*", "--transactional-id=*", "--cluster=kafka-cluster")


class Brokers(contextlib.ExitStack):
    """Started when they are asked for, stopped with the block. `tools`: Kafka's, or None."""

    def __init__(self, binary, folder, automatic, tools):
        super().__init__()
        self.binary, self.folder, self.automatic, self.tools = binary, folder, automatic, tools
        self.running = {}

    def of(self, kind):
        """(broker, settings of its clients)"""
        if kind not in self.running:
            self.running[kind] = self.enter_context(getattr(self, f"make_{kind}")())
        return self.running[kind], CLIENTS.get(kind, {})

    def broker(self, kind, **settings):
        return BrokerUnderTest(
            self.binary, self.folder / kind, self.automatic, PARTITIONS,
            group_initial_rebalance_delay_ms=INITIAL_DELAY_MS, **settings,
        )  # fmt: skip

    def make_open(self):
        return self.broker("open")

    def make_sasl(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        users = self.folder / "users"
        users.write_text(f"{USER}={PASSWORD}\n")
        sasl = {"mechanisms": [MECHANISM], "users_file": str(users)}
        return self.broker("sasl", sasl=sasl)

    def make_super(self):
        """Everybody may do everything, and there are no entries but those that a test makes."""
        return self.broker("super", authorization="acl", super_users=["User:ANONYMOUS"])

    def make_acl(self):
        """Everybody is ANONYMOUS, and no super user, whom nothing could be denied."""
        data = self.folder / "acl-data"
        shutil.rmtree(data, ignore_errors=True)
        more = {"authorization": "acl", "data_folder": str(data)}
        with self.broker("acl", super_users=["User:ANONYMOUS"], **more) as broker:
            for resource in RESOURCES:
                subprocess.run(
                    [self.tools / "bin" / "kafka-acls.sh", "--bootstrap-server", broker.address,
                     "--add", "--allow-principal", "User:*", "--operation", "All", resource],
                    check=True, stdout=subprocess.DEVNULL,
                )  # fmt: skip
        return self.broker("acl", **more)
