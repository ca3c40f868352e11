"""Apache Kafka for tests: its jars by Maven, and a broker of its own on free ports.

apache_kafka.py [FOLDER]: fetches the jars into FOLDER (build/clients) unless they are there.
"""

import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

VERSION = "4.3.1"
POM = Path(__file__).resolve().parent / "kafka_clients" / "java" / "pom.xml"
READY_SECONDS = 60
STOP_SECONDS = 30
# Below what systems give to outgoing connections, one of which could have the port of a broker that
# is down for a while.
PORTS = range(20_000, 32_000)

SETTINGS = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{more_listeners}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{more_listeners}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
num.partitions=1
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
"""


def jars(folder, version=VERSION, pom=POM, setting="kafka"):
    """The folder with the jars that `pom` names, fetched by Maven once."""
    into = Path(folder).resolve() / f"{Path(pom).parent.name}-{version}"
    if not (into / "complete").exists():
        print(f"fetching {Path(pom).parent.name} {version}", flush=True)
        done = subprocess.run(
            ["mvn", "-q", "-B", "-f", pom, f"-D{setting}.version={version}",
             "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={into}"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise SystemExit(f"Maven failed:\n{done.stdout}{done.stderr}")
        (into / "complete").touch()
    return into


def free_ports(count):
    """Ports that nobody listened on a moment ago."""
    sockets = []
    try:
        while len(sockets) < count:
            one = socket.socket()
            sockets.append(one)
            try:
                one.bind(("127.0.0.1", random.choice(PORTS)))
            except OSError:
                sockets.pop().close()
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def answers(port):
    """Whether a broker answers ApiVersions, version 0, without a client id."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(bytes.fromhex("0000000a" "0012" "0000" "00000001" "ffff"))
            return len(connection.recv(4)) == 4
    except OSError:
        return False


class Broker:
    """One process of Kafka and its folder, which survives it.

    java: the command with its options and class path; text: of server.properties.
    """

    def __init__(self, java, folder, port, text):
        self.java = java
        self.folder = Path(folder)
        self.port = port
        self.process = None
        self.start_s = 0.0  # until it answered
        self.folder.mkdir(parents=True)
        self.settings = self.folder / "server.properties"
        self.settings.write_text(text)

    def format(self, cluster, *more):
        """Makes the data folder, as a part of this cluster."""
        tool = [*self.java, "kafka.tools.StorageTool", "format", "-t", cluster]
        done = subprocess.run(
            [*tool, "-c", self.settings, *more], check=False, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise RuntimeError(f"format failed:\n{done.stdout}{done.stderr}")

    def launch(self):
        """Starts the process without waiting for it."""
        with open(self.folder / "output", "ab") as output:
            self.process = subprocess.Popen(
                [*self.java, "kafka.Kafka", self.settings], stdin=subprocess.DEVNULL,
                stdout=output, stderr=output,
            )  # fmt: skip

    def start(self):
        began = time.monotonic()
        self.launch()
        try:
            self.wait_until_ready()
        except BaseException:
            self.kill()
            raise
        self.start_s = time.monotonic() - began

    def wait_until_ready(self):
        give_up = time.monotonic() + READY_SECONDS
        while not answers(self.port):
            if self.process.poll() is not None:
                raise RuntimeError(f"the broker ended: {(self.folder / 'output').read_text()}")
            if time.monotonic() > give_up:
                raise RuntimeError("the broker does not answer")
            time.sleep(0.02)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """As kill -9; what it had written is in the system's hands."""
        if self.is_running():
            self.process.kill()
            self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """Ends it in order if it does that in time. One that was paused goes on first."""
        if not self.is_running():
            return
        self.go_on()
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


def java_command(class_path, heap_mib_max, *more):
    java = ["java", f"-Xmx{heap_mib_max}m", "-XX:+UseSerialGC", *more]
    return [*java, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{class_path}/*"]


def random_cluster_id(java):
    tool = [*java, "kafka.tools.StorageTool", "random-uuid"]
    return subprocess.run(tool, capture_output=True, text=True, check=True).stdout.split()[-1]


def properties(values):
    return "".join(f"{name}={value}\n" for name, value in values.items())


class ApacheKafka:
    """One broker that is its own controller, as long as the `with` block lasts.

    folder: is emptied first; holds settings, data and what the broker prints.
    listeners: beside the plain one, such as SASL_SSL; their addresses are in `addresses`.
    format_options: of StorageTool, as for users.
    """

    def __init__(self, class_path, folder, listeners=(), format_options=(), **settings):
        self.java = java_command(class_path, 512, "-Xms256m")
        self.folder = Path(folder).resolve()
        self.listeners = listeners
        self.format_options = format_options
        self.settings = settings
        self.broker = None
        self.address = ""
        self.addresses = {}

    @property
    def process(self):
        return self.broker.process

    @property
    def start_s(self):
        return self.broker.start_s

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        port, controller, *others = free_ports(2 + len(self.listeners))
        self.address = f"127.0.0.1:{port}"
        self.addresses = {
            name: f"127.0.0.1:{other}" for name, other in zip(self.listeners, others, strict=True)
        }
        more = "".join(f",{name}://{address}" for name, address in self.addresses.items())
        text = SETTINGS.format(
            node=1, voters=f"1@127.0.0.1:{controller}", port=port, controller=controller,
            folder=self.folder, more_listeners=more,
        )  # fmt: skip
        text += properties(self.settings)
        self.broker = Broker(self.java, self.folder, port, text)
        self.broker.format(random_cluster_id(self.java), *self.format_options)
        self.broker.start()
        return self

    def __exit__(self, *_):
        self.broker.stop()
        shutil.rmtree(self.folder / "data", ignore_errors=True)


if __name__ == "__main__":
    lacking = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if lacking:
        raise SystemExit(f"{' and '.join(lacking)} not found: install it first")
    print(jars(sys.argv[1] if len(sys.argv) > 1 else "build/clients"))
