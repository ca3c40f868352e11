"""Apache Kafka for tests: its jars by Maven, and a broker of its own on free ports."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

VERSION = "4.3.1"
POM = Path(__file__).resolve().parent / "kafka_clients" / "java" / "pom.xml"
READY_SECONDS = 60
STOP_SECONDS = 30

SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
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
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class ApacheKafka:
    """One broker that is its own controller, as long as the `with` block lasts.

    folder: is emptied first; holds settings, data and what the broker prints.
    """

    def __init__(self, class_path, folder, **settings):
        self.java = ["java", "-Xms256m", "-Xmx512m", "-XX:+UseSerialGC"]
        self.java += ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{class_path}/*"]
        self.folder = Path(folder).resolve()
        self.settings = settings
        self.process = None
        self.address = ""
        self.start_s = 0.0  # until it answered

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        port, controller = free_ports(2)
        text = SETTINGS.format(port=port, controller=controller, folder=self.folder)
        text += "".join(f"{name}={value}\n" for name, value in self.settings.items())
        file = self.folder / "server.properties"
        file.write_text(text)
        tool = [*self.java, "kafka.tools.StorageTool"]
        made = subprocess.run(
            [*tool, "random-uuid"], capture_output=True, text=True, check=True
        )  # fmt: skip
        cluster = made.stdout.split()[-1]
        subprocess.run(
            [*tool, "format", "-t", cluster, "-c", file],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        began = time.monotonic()
        with open(self.folder / "output", "wb") as output:
            self.process = subprocess.Popen(
                [*self.java, "kafka.Kafka", file], stdin=subprocess.DEVNULL,
                stdout=output, stderr=output,
            )  # fmt: skip
        self.address = f"127.0.0.1:{port}"
        try:
            self.wait_until_ready(port)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.start_s = time.monotonic() - began
        return self

    def wait_until_ready(self, port):
        give_up = time.monotonic() + READY_SECONDS
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"the broker ended: {(self.folder / 'output').read_text()}")
            try:
                # ApiVersions, version 0, without a client id.
                with socket.create_connection(("127.0.0.1", port), 1) as connection:
                    connection.sendall(bytes.fromhex("0000000a" "0012" "0000" "00000001" "ffff"))
                    if len(connection.recv(4)) == 4:
                        return
            except OSError:
                pass
            if time.monotonic() > give_up:
                raise RuntimeError("the broker does not answer")
            time.sleep(0.02)

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder / "data", ignore_errors=True)
