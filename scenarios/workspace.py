"""A private copy of the pipeline files, in which a scenario may change what it wants."""

import csv
import re
import shutil
from pathlib import Path

from oracle.engine import Settings

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("pipelines", "schemas", "tables", "config", "project_config.json")
_UNITS = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}


def _section(text: str, name: str) -> tuple[int, int]:
    """Where the top-level key `name` of a YAML text begins and ends."""
    match = re.search(rf"^{name}:.*?(?=^\S|\Z)", text, re.M | re.S)
    if match is None:
        raise ValueError(f"the pipeline file has no {name}: section")
    return match.span()


def with_source_partitions(text: str, count: int) -> str:
    """The pipeline text with `source.partitions` set, whatever it was."""
    start, end = _section(text, "source")
    source = text[start:end]
    if re.search(r"\bpartitions:\s*\d+", source):
        source = re.sub(r"\bpartitions:\s*\d+", f"partitions: {count}", source, count=1)
    elif re.match(r"source:\s*\{", source):
        source = source.replace("{", f"{{ partitions: {count},", 1)
    else:
        indent = re.search(r"\n( +)\S", source)[1]
        source = source.replace("\n", f"\n{indent}partitions: {count}\n", 1)
    return text[:start] + source + text[end:]


def with_roll(text: str, size: str, interval: str) -> str:
    """The pipeline text with every lake sink rolling at `size` and `interval`."""
    text = re.sub(r"(\broll:\s*\{[^}]*?\bsize:\s*)[^,\s}]+", rf"\g<1>{size}", text)
    return re.sub(r"(\broll:\s*\{[^}]*?\binterval:\s*)[^,\s}]+", rf"\g<1>{interval}", text)


def _duration(text: str, name: str, otherwise: int) -> int:
    match = re.search(rf"\b{name}:\s*[\"']?(\d+)(ms|s|m|h|d)\b", text)
    return int(match[1]) * _UNITS[match[2]] if match else otherwise


class PipelineFile:
    """One pipeline file of a workspace and what a scenario has to know of it."""

    def __init__(self, path: Path):
        self.path = path
        self.text = path.read_text()

    def change(self, text: str) -> None:
        self.text = text
        self.path.write_text(text)

    def set_partitions(self, count: int) -> None:
        self.change(with_source_partitions(self.text, count))

    @property
    def partition_count(self) -> int:
        start, end = _section(self.text, "source")
        match = re.search(r"\bpartitions:\s*(\d+)", self.text[start:end])
        return int(match[1]) if match else 1

    @property
    def key(self) -> str:
        """The field the producer should key by."""
        start, end = _section(self.text, "source")
        return re.search(r"\bkey:\s*[\"']?(\w+)", self.text[start:end])[1]

    @property
    def feature_groups(self) -> list[str]:
        return re.findall(r"\bfeature_group:\s*[\"']?([\w-]+)", self.text)

    @property
    def has_lake(self) -> bool:
        return re.search(r"\blake:\s*\S", self.text) is not None

    def names(self, field: str) -> bool:
        """Whether the file defines something called `field`."""
        return re.search(rf"\b{field}\s*:", self.text) is not None

    def settings(self) -> Settings:
        """What the oracle has to know."""
        known = Settings()
        return Settings(
            partition_count=self.partition_count,
            out_of_orderness=_duration(self.text, "out_of_orderness", known.out_of_orderness),
            allowed_lateness=_duration(self.text, "allowed_lateness", known.allowed_lateness),
            dedup_ttl=_duration(self.text, "ttl", known.dedup_ttl),
        )


class Workspace:
    """A folder with copies of the project's pipelines, schemas, tables and configuration."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name)
            elif source.exists():
                shutil.copy(source, folder / name)

    def pipeline(self, name: str) -> PipelineFile:
        return PipelineFile(self.folder / "pipelines" / f"{name}.yaml")

    def set_checkpoint_interval(self, ms: int) -> None:
        """How often tasks snapshot, from the next start on."""
        for path in (self.folder / "project_config.json", self.folder / "config" / "dev.json"):
            pattern = r'("checkpoint_interval_ms":\s*)\d+'
            path.write_text(re.sub(pattern, rf"\g<1>{ms}", path.read_text()))

    def sectors(self) -> dict[str, str]:
        """ticker -> sector, from the table the ticks pipeline looks into; empty without one."""
        for path in self.folder.rglob("sectors.csv"):
            with open(path, newline="") as file:
                return {row["ticker"]: row["sector"] for row in csv.DictReader(file)}
        return {}
