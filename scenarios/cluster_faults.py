"""Faults of processes and brokers that share a log, at random: who is killed or stopped how long.

A seed settles what is done to whom; not what they were doing at that moment.
"""

import os
import random
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from harness import Failed, let_pass, wait_until

START_SECONDS = 180  # of a process whose brokers are being mistreated


@dataclass(frozen=True)
class Fault:
    """What happens to whom: `seconds` is how long it stays dead or stopped."""

    kind: str  # kill, stop
    victim: str  # process, broker
    count: int  # of victims at once
    seconds: float
    pause: float  # before the next fault of the same lane

    def __str__(self):
        return f"{self.kind} {self.count} {self.victim} for {self.seconds:.1f} s"


# (share, kind, victim, count, seconds from, to). Sessions are 6 s and transactions 5 s long: what
# lasts 9 s outlasts both, and the brokers' sessions of 3 s.
MIX = (
    (3, "kill", "process", 1, 0.0, 0.5),  # back within its session: a static member
    (3, "kill", "process", 1, 6.5, 10.0),
    (3, "stop", "process", 1, 0.1, 4.0),
    (4, "stop", "process", 1, 9.0, 16.0),
    (1, "kill", "process", 2, 0.0, 8.0),
    (4, "kill", "broker", 1, 0.0, 4.0),
    (3, "stop", "broker", 1, 0.1, 2.5),
    (3, "stop", "broker", 1, 4.0, 12.0),
    (1, "kill", "broker", 2, 0.0, 3.0),  # no majority, no leader may be elected
    (1, "stop", "broker", 3, 1.0, 7.0),  # nobody answers
)


def schedule(seed, count):
    """Two lanes, for processes and for brokers, that go on beside each other."""
    rng = random.Random(seed)
    weights = [share for share, *_ in MIX]
    faults = []
    for number in range(count):
        _, kind, victim, of, shortest, longest = rng.choices(MIX, weights)[0]
        if number < 2:  # a few faults are no sample: one of each lane that hurts
            kind, victim, of, shortest, longest = MIX[3][1:] if number == 0 else MIX[5][1:]
        seconds = rng.uniform(shortest, longest)
        faults.append(Fault(kind, victim, of, seconds, rng.uniform(0.2, 2.5)))
    return faults


@dataclass
class Course:
    """What happened, for the report at the end."""

    done: Counter = field(default_factory=Counter)
    refused_starts: list = field(default_factory=list)
    restart_s: list = field(default_factory=list)


class Lane(threading.Thread):
    """Faults of one kind of victims, one after the other."""

    def __init__(self, name, faults, seed, commit):
        super().__init__(name=name, daemon=True)
        self.faults = faults
        self.rng = random.Random(f"{seed}/{name}")
        self.commit = commit  # commit(fault, rng) does it and returns when it is over
        self.others = []
        self.failure = None

    def run(self):
        try:
            for fault in self.faults:
                if any(lane.failure for lane in self.others):
                    return
                self.commit(fault, self.rng)
                let_pass(fault.pause)
        except BaseException as error:  # noqa: BLE001  the scenario raises it again
            self.failure = error


def _expect_alive(run):
    if not run.is_alive():
        said = run.stderr()[-2000:]
        raise Failed(f"{run.data.name} ended by itself with {run.process.poll()}:\n{said}")


class Faults:
    """Carries a schedule out."""

    def __init__(self, cluster, processes, seed, count):
        self.cluster = cluster
        self.processes = processes
        self.course = Course()
        self.began = time.monotonic()
        faults = schedule(seed, count)
        self.lanes = [
            Lane(victim, [fault for fault in faults if fault.victim == victim], seed, commit)
            for victim, commit in (("process", self._processes), ("broker", self._brokers))
        ]

    def run(self):
        for lane in self.lanes:
            lane.others = [other for other in self.lanes if other is not lane]
            lane.start()
        for lane in self.lanes:
            lane.join()
        for lane in self.lanes:
            if lane.failure is not None:
                raise lane.failure
        for run in self.processes:
            _expect_alive(run)
        return self.course

    def _tell(self, fault, of):
        at = time.monotonic() - self.began
        self.course.done[f"{fault.kind} {fault.victim}"] += 1
        number = self.course.done.total()
        print(f"{at:7.1f} s  {number:3}  {fault}: {', '.join(map(str, of))}", flush=True)

    def _processes(self, fault, rng):
        chosen = rng.sample(self.processes, fault.count)
        self._tell(fault, [run.data.name for run in chosen])
        for run in chosen:
            _expect_alive(run)
            if fault.kind == "kill":
                run.kill9()
            else:
                os.kill(run.ready["pid"], signal.SIGSTOP)
        let_pass(fault.seconds)
        for run in chosen:
            if fault.kind == "kill":
                self._start(run)
            else:
                os.kill(run.ready["pid"], signal.SIGCONT)

    def _start(self, run):
        """As a supervisor would: again, if it ends because no brokers are there."""
        began = time.monotonic()
        while True:
            try:
                run.start()
                break
            except Failed as error:
                if run.is_alive() or time.monotonic() - began > START_SECONDS:
                    raise
                self.course.refused_starts.append(str(error))
        self.course.restart_s.append(time.monotonic() - began)

    def _brokers(self, fault, rng):
        chosen = rng.sample(self.cluster.brokers, fault.count)
        self._tell(fault, [1 + self.cluster.brokers.index(broker) for broker in chosen])
        for broker in chosen:
            if fault.kind == "kill":
                broker.kill()
            else:
                broker.pause()
        let_pass(fault.seconds)
        for broker in chosen:
            if fault.kind == "kill":
                broker.launch()
            else:
                broker.go_on()
        for broker in chosen:
            broker.wait_until_ready()
        self.cluster.wait_until_whole()


def not_running(processes, stages):
    """What is known of the tasks of (pipeline, stage, partition) that run in none of them."""
    running, known = set(), {}
    for run in processes:
        status = run.status()
        mine = status["process"]
        for pipeline in status["pipelines"]:
            for stage in pipeline["stages"]:
                slots = [
                    (slot["state"], slot["last_error"]) for slot in stage["commits"]["slots"]
                ]
                for one in stage["ownership"]:
                    at = (pipeline["pipeline"], stage["stage"], one["partition"])
                    known.setdefault(at, []).append(f"{mine}: {one}, slots {slots}")
                    if one["process"] == mine and one["state"] == "running":
                        running.add(at)
    return {at: known.get(at) for at in stages - running}


def wait_until_all_run(processes, stages, seconds=120):
    try:
        wait_until(lambda: not not_running(processes, stages), "all tasks", seconds)
    except Failed as error:
        lacking = not_running(processes, stages)
        lines = [f"{at}: {said}" for at, saids in sorted(lacking.items()) for said in saids]
        raise Failed(f"{error}\n" + "\n".join(lines)) from None
