#!/usr/bin/env python3
"""Writes the second part of docs/cli.md, what the binary says about itself. A scenario checks it.

    tools/cli_reference.py build/release/millrace
"""

import re
import subprocess
import sys
from pathlib import Path

MARK = "<!-- Everything below is written by tools/cli_reference.py. -->\n"


def help_of(binary: str, verb: list[str]) -> str:
    done = subprocess.run([binary, *verb, "--help"], capture_output=True, text=True, check=True)
    return done.stdout


def verbs_in(text: str) -> list[str]:
    listed = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.M)
    return re.findall(r"^  (\w+)", listed[1], re.M) if listed else []


def section(binary: str, verb: list[str]) -> str:
    text = help_of(binary, verb)
    inner = verbs_in(text)
    lines = [line.rstrip() for line in text.strip().splitlines()]
    title = " ".join(["millrace", *verb])
    level = "##" if len(verb) < 2 else "###"
    out = f"\n{level} {title}\n\n```text\n" + "\n".join(lines) + "\n```\n"
    return out + "".join(section(binary, [*verb, name]) for name in inner)


def reference(binary: str, page: str) -> str:
    """The page with its second part as the binary has it."""
    return page[: page.index(MARK)] + MARK + section(binary, [])


if __name__ == "__main__":
    path = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
    path.write_text(reference(sys.argv[1], path.read_text()))
