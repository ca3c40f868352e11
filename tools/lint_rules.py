"""The house rules that text alone can check. Each rule takes a Tree and yields Findings."""

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from lint_source import code_view, functions

LINE_COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = {".h": 300, ".cc": 500}
TEST_FILE_LINES_MAX = 800
# The folders that may talk to the operating system.
DOORS = ("src/sys/", "src/app/")
# Folders that production code never includes.
NOT_FOR_SRC = ("sim", "fuzz", "bench", "scenarios", "tools")
DRAWER_NAMES = {"util", "utils", "common", "helper", "helpers", "misc", "shared"}


@dataclass(frozen=True)
class Finding:
    rule: str
    path: str
    line: int
    message: str
    name: str = ""  # what an exemption may be narrowed to, e.g. a function

    def __str__(self):
        return f"{self.path}:{self.line}: [{self.rule}] {self.message}"


@dataclass
class Tree:
    """A checkout: `paths` are relative to `root`, with forward slashes."""

    root: Path
    paths: list
    _texts: dict = field(default_factory=dict)
    _views: dict = field(default_factory=dict)

    def text(self, path):
        if path not in self._texts:
            self._texts[path] = (self.root / path).read_bytes().decode("utf-8", "replace")
        return self._texts[path]

    def view(self, path):
        if path not in self._views:
            self._views[path] = code_view(self.text(path))
        return self._views[path]

    def cpp(self, under=""):
        return [p for p in self.paths if p.startswith(under) and p.endswith((".cc", ".h"))]

    def layers(self):
        """tools/layers.txt as {layer: set of the layers it may include}."""
        rows = {}
        for line in self.text("tools/layers.txt").splitlines():
            line = line.split("#")[0].strip()
            if line:
                layer, _, allowed = line.partition(":")
                rows[layer.strip()] = set(allowed.split())
        return rows


def is_test(path):
    """Tests, and the slow twins, conformance suites and support that only tests include."""
    ends = ("_test.cc", "_fuzz.cc", "_bench.cc", "_twin.h", "_twin.cc", "_conformance.h",
            "_test_support.h")
    return path.endswith(ends)


def lines_matching(view, pattern):
    for number, line in enumerate(view.split("\n"), 1):
        match = re.search(pattern, line)
        if match:
            yield number, match


def layers(tree):
    """One folder, one layer: it includes only itself and the layers of its row."""
    rows = tree.layers()
    for path in tree.cpp("src/"):
        parts = path.split("/")
        if len(parts) < 3:
            continue
        folder = parts[1]
        if folder not in rows:
            yield Finding("layers", path, 1, f"folder {folder} has no row in tools/layers.txt")
            continue
        allowed = rows[folder] | {folder}
        includes = r'^\s*#\s*include\s+"([^"/]+)/([^"]+)"'
        for number, match in lines_matching(tree.view(path), includes):
            target, rest = match.group(1), match.group(2)
            if target in NOT_FOR_SRC and not is_test(path):
                yield Finding("layers", path, number, f"production code never includes {target}/")
            elif target in rows and target not in allowed:
                row = " ".join(sorted(rows[folder])) or "nothing"
                message = f"{folder} may not include {target}/{rest}; its row allows: {row}"
                yield Finding("layers", path, number, message)
            elif rest.endswith("_internal.h") and target != folder:
                message = f"{target}/{rest} is internal to src/{target}"
                yield Finding("layers", path, number, message)


def cmake_layers(tree):
    """The link line of a layer says no more than its row."""
    rows = tree.layers()
    for path in tree.paths:
        if not re.fullmatch(r"src/\w+/CMakeLists\.txt", path):
            continue
        for match in re.finditer(r"millrace_layer\((\w+)([^)]*)\)", tree.text(path)):
            deps = re.search(r"\bDEPS\b((?:\s+[a-z_]+\b)*)", match.group(2))
            extra = set(deps.group(1).split() if deps else ()) - rows.get(match.group(1), set())
            if extra:
                message = f"{match.group(1)} links {' '.join(sorted(extra))}, its row does not"
                yield Finding("cmake_layers", path, 1, message)


def file_lines(tree):
    for path in tree.cpp():
        limit = TEST_FILE_LINES_MAX if is_test(path) else FILE_LINES_MAX[PurePosixPath(path).suffix]
        count = tree.text(path).count("\n")
        if count > limit:
            yield Finding("file_lines", path, limit, f"{count} lines, at most {limit}: split it")


def function_lines(tree):
    for path in tree.cpp():
        for function in functions(tree.text(path)):
            if function.line_count > FUNCTION_LINES_MAX:
                message = (f"{function.name} has {function.line_count} lines, "
                           f"at most {FUNCTION_LINES_MAX}")
                yield Finding("function_lines", path, function.line, message, function.name)


def line_columns(tree):
    for path in tree.paths:
        if not path.endswith((".cc", ".h", ".py", ".sh", ".cmake", "CMakeLists.txt")):
            continue
        for number, line in enumerate(tree.text(path).split("\n"), 1):
            if len(line) > LINE_COLUMNS_MAX:
                message = f"{len(line)} columns, at most {LINE_COLUMNS_MAX}"
                yield Finding("line_columns", path, number, message)
            elif "\t" in line:
                yield Finding("line_columns", path, number, "a tab; indent with spaces")


def ascii_only(tree):
    for path in tree.paths:
        if not path.endswith((".cc", ".h", ".py", ".sh", ".cmake", "CMakeLists.txt")):
            continue
        for number, match in lines_matching(tree.text(path), r"[^\x00-\x7f]"):
            message = f"non-ASCII {match.group(0)!a}; in a literal write the escape"
            yield Finding("ascii", path, number, message)


# A call of a C library function: time(0), ::time(0) or std::time(0), not x.time(0).
def _libc(names):
    return rf"(?<![\w.>:])(?:std::|::)?(?:{names})\s*\("


_SYSTEM_CALLS = ("open|openat|creat|read|write|pread|pwrite|fsync|fdatasync|rename|unlink|mkdir|"
                 "socket|mmap|fork|kill|nanosleep|usleep|sleep")
# (pattern, what to use instead, whether tests may use it)
_BANNED = [
    (r"\b(?:system|steady|high_resolution|utc|file)_clock::now\b", "millrace::Clock", False),
    (_libc("clock_gettime|gettimeofday"), "millrace::Clock", False),
    (_libc("localtime|localtime_r|gmtime|gmtime_r|mktime"), "base/time_text.h", False),
    (_libc("time") + r"\s*(?:nullptr|NULL|0|&)", "millrace::Clock", False),
    (_libc("s?rand|rand_r") + r"|\bstd::random_device\b|\bstd::mt19937",
     "millrace::Random with a seed that was passed in", False),
    (_libc("(?:secure_)?getenv|setenv|putenv"), "the configuration that src/app reads", True),
    (rf"(?<!\w)::(?:{_SYSTEM_CALLS})\s*\(", "sys/file_system.h or another door in src/sys", True),
    (_libc("fopen|freopen|fdopen|tmpfile|popen"), "sys/file_system.h", True),
    (r"\bstd::(?:basic_)?[io]?f(?:stream|ilebuf)\b", "sys/file_system.h", True),
    (r"\bstd::filesystem::(?!path\b)\w+", "sys/file_system.h", True),
    (r"\bstd::this_thread::sleep_(?:for|until)\b|" + _libc("usleep|nanosleep"),
     "a timer of src/sys, or a condition variable", True),
    (_libc("system|abort|exit|_exit|quick_exit"), "a returned Status, or MR_CHECK", True),
    (_libc("printf|puts|putchar") + r"|\bstd::cout\b|\bfprintf\s*\(\s*stdout\b",
     "a return value that src/app prints, or a log line", True),
]


def banned_calls(tree):
    """The world comes in through constructors: no clock, disk, randomness or environment here."""
    for path in tree.cpp("src/"):
        if path.startswith(DOORS):
            continue
        for pattern, instead, tests_may in _BANNED:
            # A benchmark measures with the real clock.
            if is_test(path) and (tests_may or path.endswith("_bench.cc")):
                continue
            for number, match in lines_matching(tree.view(path), pattern):
                call = match.group(0).strip().rstrip("(").strip()
                yield Finding("banned_calls", path, number, f"{call} here; use {instead}", call)


def leftovers(tree):
    for path in tree.paths:
        if not path.endswith((".cc", ".h", ".py", ".sh", ".cmake", "CMakeLists.txt", ".ts", ".js")):
            continue
        if path.startswith("tools/") and ("lint" in path):
            continue  # the rule and its samples
        text = tree.text(path)
        comment = r"(?:#|//|/\*|^\s*\*).*"
        marks = rf"{comment}\b(TODO\(now\)|FIXME\b|XXX\b)"
        for number, match in lines_matching(text, marks):
            yield Finding("leftovers", path, number, f"{match.group(1)}: finish it before it lands")
        for number, _ in lines_matching(text, rf"{comment}\bTODO\b(?!\((?:now|perf|limit)\))"):
            yield Finding("leftovers", path, number, "a TODO has a kind: TODO(perf) or TODO(limit)")


def using_namespace(tree):
    for path in tree.cpp():
        for number, match in lines_matching(tree.view(path), r"\busing\s+namespace\s+([\w:]+)"):
            if not match.group(1).endswith("literals"):
                message = f"using namespace {match.group(1)}; name what you use"
                yield Finding("using_namespace", path, number, message)


def include_guards(tree):
    for path in tree.cpp():
        if path.endswith(".h") and not re.search(r"^#pragma once$", tree.view(path), re.M):
            yield Finding("include_guards", path, 1, "a header starts with #pragma once")


def own_header_first(tree):
    known = set(tree.paths)
    for path in tree.cpp("src/"):
        header = path[:-3] + ".h"
        if not path.endswith(".cc") or header not in known:
            continue
        first = re.search(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', tree.view(path), re.M)
        wanted = header.removeprefix("src/")
        if not first or first.group(1) != wanted:
            message = f'the first include is "{wanted}": it proves that the header stands alone'
            yield Finding("own_header_first", path, 1, message)


def drawer_names(tree):
    for path in tree.paths:
        parts = PurePosixPath(path)
        for part in [*parts.parts[:-1], parts.stem]:
            if part in DRAWER_NAMES:
                yield Finding("drawer_names", path, 1, f"'{part}' names a drawer, not a thing")
                break


def readmes(tree):
    """Every folder says what it is."""
    folders = set()
    for path in tree.paths:
        parts = path.split("/")
        if len(parts) > 1 and not parts[0].startswith("."):
            folders.add(parts[0])
        if len(parts) > 2 and parts[0] == "src":
            folders.add("/".join(parts[:2]))
    for folder in sorted(folders - {"cmake", "docs", "src"}):
        if f"{folder}/README.md" not in tree.paths:
            message = f"{folder}/ has no README.md (what it is, is not, its invariants, its tests)"
            yield Finding("readmes", folder, 1, message)


def test_sleeps(tree):
    for path in tree.paths:
        if path.endswith("_test.cc"):
            pattern, view = r"\bsleep_(?:for|until)\b|\bu?sleep\s*\(|\bnanosleep\b", tree.view(path)
        elif path.startswith("scenarios/") and path.endswith(".py"):
            pattern, view = r"^[^#]*\btime\.sleep\(", tree.text(path)
        else:
            continue
        for number, match in lines_matching(view, pattern):
            message = f"{match.group(0).strip()}: a test waits for an event, not for time to pass"
            yield Finding("test_sleeps", path, number, message)


def unit_names(tree):
    """A member says its unit: segment_bytes_max_, flush_latency_us_."""
    for path in tree.cpp("src/"):
        if not path.endswith(".h"):
            continue
        # A strong type (WallTime time) carries its unit; a bare number does not.
        number = r"(?:std::)?(?:u?int\d*(?:_t)?|size_t|long|unsigned|double|float)"
        names = "size|timeout|len|time"
        pattern = rf"^\s+(?:\w+ )*{number} ({names})_?(?:\s*=[^;(]*|\{{[^;]*\}})?;"
        for line, match in lines_matching(tree.view(path), pattern):
            if match.group(1) == "size" and re.search(r"\bsize\(\) const", tree.view(path)):
                continue  # a container's element count goes by the standard library's name
            message = f"member '{match.group(1)}' does not say its unit (_ms, _us, _bytes, _count)"
            yield Finding("unit_names", path, line, message)


def machine_paths(tree):
    for path in tree.paths:
        if path.startswith("tools/") and "lint" in path:
            continue
        if not path.endswith((".cc", ".h", ".py", ".sh", ".md", ".yaml", ".yml", ".json", ".txt")):
            continue
        place = r"(?<![\w./-])/(?:work|home|root)/\w+"
        for number, match in lines_matching(tree.text(path), place):
            message = f"{match.group(0)} exists on one machine only"
            yield Finding("machine_paths", path, number, message)


RULES = [
    layers, cmake_layers, file_lines, function_lines, line_columns, ascii_only, banned_calls,
    leftovers, using_namespace, include_guards, own_header_first, drawer_names, readmes,
    test_sleeps, unit_names, machine_paths,
]


@dataclass
class Exemption:
    rule: str
    path: str
    name: str  # empty: the whole file
    reason: str
    line: int
    is_used: bool = False

    def covers(self, finding):
        return (self.rule == finding.rule and self.path == finding.path
                and self.name in ("", finding.name))


def parse_exemptions(text):
    """Lines of `rule path[:name] reason`; a reason is required. Returns (exemptions, findings)."""
    exemptions, findings = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.split(None, 2)
        if len(parts) < 3:
            message = "an exemption is `rule path[:name] reason`"
            findings.append(Finding("exemptions", "tools/lint_exemptions.txt", number, message))
            continue
        path, _, name = parts[1].partition(":")
        exemptions.append(Exemption(parts[0], path, name, parts[2], number))
    return exemptions, findings


def apply_exemptions(findings, exemptions):
    """Drops what is exempt; an exemption that covers nothing is a finding itself."""
    kept = []
    for finding in findings:
        covering = [e for e in exemptions if e.covers(finding)]
        for exemption in covering:
            exemption.is_used = True
        if not covering:
            kept.append(finding)
    for exemption in exemptions:
        if not exemption.is_used:
            message = f"{exemption.rule} {exemption.path}: nothing to exempt any more, remove it"
            kept.append(Finding("exemptions", "tools/lint_exemptions.txt", exemption.line, message))
    return kept


def check(tree):
    """All findings of all rules, exemptions applied, in order of path and line."""
    findings = [finding for rule in RULES for finding in rule(tree)]
    known = "tools/lint_exemptions.txt"
    exemptions, bad = parse_exemptions(tree.text(known) if known in tree.paths else "")
    return sorted(apply_exemptions(findings, exemptions) + bad,
                  key=lambda f: (f.path, f.line, f.rule))
