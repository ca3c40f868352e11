"""What a processor takes: CPU and memory of its processes, and when its outputs can be seen."""

import json
import multiprocessing
import os
import signal
import subprocess
import time
from pathlib import Path

from cluster import INPUT, OUTPUTS, PARTITIONS, Cluster
from confluent_kafka import TopicPartition

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
QUIET_S = 5  # without a new output, once there are enough
STALLED_S = 120
POLL_S = 0.05
SAMPLE_S = 0.5


def stat_of(pid):
    """(parent, CPU seconds) of a process; None once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def resident_mb(pid):
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Tree:
    """A processor's process and its descendants; the CPU of those that ended counts on."""

    def __init__(self, command, output):
        self.began = time.monotonic()
        self.output = open(output, "ab")
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=self.output,
            stderr=self.output,
        )  # fmt: skip
        self.cpu = {}
        self.peak_mb = 0

    def pids(self):
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (found := stat_of(entry.name)):
                parents.setdefault(found[0], []).append(int(entry.name))
        out, open_ends = [], [self.process.pid]
        while open_ends:
            out.append(open_ends.pop())
            open_ends += parents.get(out[-1], [])
        return out

    def sample(self):
        """CPU seconds until now."""
        pids = self.pids()
        for pid in pids:
            if found := stat_of(pid):
                self.cpu[pid] = found[1]
        self.peak_mb = max(self.peak_mb, sum(map(resident_mb, pids)))
        return sum(self.cpu.values())

    def is_alive(self):
        return self.process.poll() is None

    def kill(self):
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.output.close()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        self.kill()


def run_backlog(tree, cluster, row_count, broker_pid):
    """Until the rows of an input that is there already have all been committed."""
    broker_cpu = stat_of(broker_pid)[1]
    seen = (0, 0, 0)
    first = last = None
    while True:
        now = time.monotonic()
        committed = cluster.committed()
        if committed != seen:
            seen = committed
            last = (now - tree.began, tree.sample(), stat_of(broker_pid)[1] - broker_cpu)
            if first is None and seen[0] > 0:
                first = last
        if not tree.is_alive():
            raise RuntimeError("the processor ended by itself")
        idle_s = now - tree.began - (last[0] if last else 0)
        if seen[0] >= row_count and idle_s > QUIET_S:
            break
        if idle_s > STALLED_S:
            raise RuntimeError(f"no output for {STALLED_S} s; {seen} of {row_count} rows")
        time.sleep(POLL_S)
    return {
        "first_output_s": first[0],
        "last_output_s": last[0],
        "events_per_s": row_count / last[0],
        "cpu_s_per_million": last[1] / row_count * 1e6,
        "broker_cpu_s_per_million": last[2] / row_count * 1e6,
        "peak_mb": tree.peak_mb,
    }


def receive(address, pipe):
    """In a process of its own: when each id came out, until told to end."""
    consumer = Cluster(address).consumer()
    at = [TopicPartition(OUTPUTS[0], partition, 0) for partition in range(PARTITIONS)]
    consumer.assign(at)
    received = []
    while not pipe.poll():
        for message in consumer.consume(1000, 0.005):
            if message.error() is None:
                now = time.monotonic()
                received.append((json.loads(message.value())["event_id"], now))
                if len(received) == 1:
                    pipe.send("first")
    pipe.recv()
    consumer.close()
    pipe.send(received)


class Feed:
    """Events at a steady rate; a latency counts from when an event was due."""

    def __init__(self, cluster, events, rate):
        self.producer = cluster.producer(0)
        self.events = events
        self.rate = rate
        self.due = {}  # id -> when
        self.began = time.monotonic()
        self.count = 0

    def run_for(self, seconds, until=lambda: False, each=lambda: None):
        end = time.monotonic() + seconds
        sampled = 0
        while (now := time.monotonic()) < end:
            due = self.began + self.count / self.rate
            if now < due:
                self.producer.poll(0)
                if until():
                    return True
                if now - sampled > SAMPLE_S:
                    sampled = now
                    each()
                time.sleep(max(0, due - time.monotonic()))
                continue
            key, value, event_id = self.events.next()
            if event_id is not None:
                self.due[event_id] = due
            self.producer.produce(INPUT, value, key)
            self.count += 1
        return False


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def run_steady(start, cluster, events, options, is_killed, broker_pid):
    """A steady feed; with is_killed a kill -9 in the middle, and a restart at once."""
    spawning = multiprocessing.get_context("spawn")  # the clients here have threads
    here, there = spawning.Pipe()
    reader = spawning.Process(target=receive, args=(cluster.address, there), daemon=True)
    reader.start()
    tree = start()
    out = {}
    try:
        feed = Feed(cluster, events, options.rate)
        if not feed.run_for(STALLED_S, until=here.poll):
            raise RuntimeError(f"no output within {STALLED_S} s")
        here.recv()
        out["first_output_s"] = time.monotonic() - tree.began
        feed.run_for(options.warm_s)
        begin, cpu, broker = time.monotonic(), tree.sample(), stat_of(broker_pid)[1]
        killed = restarted = None
        if is_killed:
            feed.run_for(options.seconds / 2, each=tree.sample)
            tree.kill()
            killed = time.monotonic()
            tree = start()
            restarted = time.monotonic()
            feed.run_for(options.seconds / 2)
        else:
            feed.run_for(options.seconds, each=tree.sample)
            out["cores"] = (tree.sample() - cpu) / (time.monotonic() - begin)
            out["broker_cores"] = (stat_of(broker_pid)[1] - broker) / (time.monotonic() - begin)
        feed.producer.flush(60)
        wait_for_rows(tree, cluster, len(feed.due))
        here.send("end")
        received = here.recv()
        tree.sample()
        out["peak_mb"] = tree.peak_mb
    finally:
        tree.stop()
        reader.join(10)
    times = [now for _, now in received]
    if is_killed:
        # What was committed before the kill may still come in behind it: the gap is the largest.
        later = [(b - a, b) for a, b in zip(times, times[1:], strict=False) if b > killed]
        gap, end = max(later)
        out |= {"restart_to_output_s": end - restarted, "gap_s": gap}
        return out
    waits = sorted(
        now - feed.due[event_id] for event_id, now in received
        if event_id in feed.due and feed.due[event_id] >= begin
    )  # fmt: skip
    for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99), ("max_ms", 1)):
        out[name] = percentile(waits, share) * 1000
    return out


def wait_for_rows(tree, cluster, row_count):
    """Until at least so many rows are committed and nothing has come for a while."""
    seen, changed = None, time.monotonic()
    while True:
        committed = cluster.committed()
        if committed != seen:
            seen, changed = committed, time.monotonic()
        idle_s = time.monotonic() - changed
        if not tree.is_alive():
            raise RuntimeError("the processor ended by itself")
        if seen[0] >= row_count and idle_s > QUIET_S:
            return
        if idle_s > STALLED_S:
            raise RuntimeError(f"{seen[0]} rows of {row_count}")
        time.sleep(POLL_S)
