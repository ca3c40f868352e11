"""A feed that goes on while the instance is mistreated, and the comparison when it has ended."""

from compare import TICKS, expect, expect_exact
from harness import background_result, wait_until
from oracle import perturb


class Feed:
    """Generated ticks, sent in the background at a steady rate; the producer never gives up."""

    def __init__(self, run, file, write_lines, events: int, seconds: float, seed: int = 21):
        self.run = run
        self.file = file
        self.lines = perturb.generate_ticks(seed, events, 50, bad=0.02, duplicate=0.02, late=0.01)
        path = write_lines(f"feed-{seed}.jsonl", self.lines)
        self.producer = run.cli_background(
            "produce", TICKS.source, "--file", path, "--key", file.key,
            "--rate", int(events / seconds), "--retry-for", "240",
        )  # fmt: skip

    def wait_for(self, share: float) -> None:
        """Until so much of the feed is in the source topic."""
        wanted = int(len(self.lines) * share)
        wait_until(
            lambda: self.run.is_alive() and self.run.record_count(TICKS.source) >= wanted,
            f"{wanted} records",
        )

    def is_over(self) -> bool:
        return self.producer.poll() is not None

    def expect_exact(self) -> None:
        """All of it was sent once, and the results are those of the oracle."""
        sent = background_result(self.producer)
        expect(sent["sent"] == len(self.lines), f"sent {sent}, not {len(self.lines)}")
        self.run.cli("drain")
        expect_exact(self.run, TICKS, self.file, self.lines)
