#!/usr/bin/env python3
"""Writes docs/cli.md from what the binary says about itself.

    tools/cli_reference.py build/release/millrace > docs/cli.md
"""

import re
import subprocess
import sys

HEAD = """# Command line

Written by `tools/cli_reference.py` from `millrace VERB --help`; a scenario checks that it is up to date.

| exit status | meaning |
|---|---|
| 0 | it worked; a verification found everything exact |
| 1 | it was tried and did not work; stderr says why |
| 2 | the command line, the configuration or a pipeline file is wrong |
| 3 | a verification (`audit`, `lake verify`) found a difference |
| 4 | no running instance was found, or it went away |

Results go to stdout, what went wrong to stderr. `--output json` prints one JSON object (for `consume` one per line) in the
shapes of [http_api.md](http_api.md). What `config`, `dlq`, `pipeline` and `lake verify` print is said below.

| verb | `--output json` |
|---|---|
| `produce` | `{"topic","sent","bytes","null_keys","duplicates_refused","retries","elapsed_ms"}` |
| `consume` | `{"topic","partition","offset","timestamp","key","value","headers":{}}`; bytes that are no UTF-8 as `key_base64`, `value_base64` |
| `dlq list` | `{"dead_letters":[{"letter","pipeline","error_type","stage","error_timestamp","attempted_id","original","error_message"}]}` |
| `dlq count` | `{"counts":[{"pipeline","error_type","count"}],"total"}` |
| `dlq show` | `{"topic","partition","offset","timestamp","key","headers":{},"letter":{}}` |
| `pipeline check` | `{"ok","file","pipeline","version","errors":[{"file","line","column","path","message"}],"warnings":[]}`, with `--against` also `"against":{"where","state","version","installed_version","message","topics":[],"fault"}`; state is absent, same, newer, older or changed |
| `pipeline explain` | `{"pipeline","version","stages":[{"stage","lines":[]}],"topics":[{"topic","partitions","internal","purpose"}]}` |
| `config check` | `{"ok","files":[],"errors":[]}` |
| `config show` | `{"files":[],"settings":[{"key","value","source","used","note"}]}` |
| `lake verify` | `{"exact","partitions":[{"sink","partition","ok","first_offset","next_offset","ranges","rows","fault"}]}` |
"""


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
    out = f"\n{'##' if len(verb) < 2 else '###'} {title}\n\n```text\n" + "\n".join(lines) + "\n```\n"
    return out + "".join(section(binary, [*verb, name]) for name in inner)


def reference(binary: str) -> str:
    return HEAD + section(binary, [])


if __name__ == "__main__":
    sys.stdout.write(reference(sys.argv[1]))
