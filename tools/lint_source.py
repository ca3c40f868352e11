"""C++ source as the lint sees it: a view without comments and literals, and where functions lie.

Both are heuristics over text, good enough for code that clang-format has been over; they need no
compiler and take milliseconds.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<comment>//(?:\\\n|[^\n])*|/\*.*?\*/)
  | (?P<raw>R"(?P<delimiter>[^()\\\s]{0,16})\(.*?\)(?P=delimiter)")
  | (?P<string>"(?:\\.|[^"\\\n])*")
  | (?P<number>\b\d[\w']*)
  | (?P<char>'(?:\\.|[^'\\\n])+')
    """,
    re.VERBOSE | re.DOTALL,
)


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def code_view(text):
    """`text` with comments and the insides of literals blanked; offsets and lines stay the same."""

    def replace(match):
        found = match.group(0)
        if match.lastgroup == "number" or match.group("number"):
            return found
        if match.group("comment"):
            return _blank(found)
        return found[0] + _blank(found[1:-1]) + found[-1]

    lines = []
    # An #include keeps its path: the layer rule reads it from here, where comments are gone.
    for line in text.split("\n"):
        include = re.match(r'\s*#\s*include\s+"[^"]+"', line)
        lines.append(line.replace('"', "\x01") if include else line)
    return _TOKEN.sub(replace, "\n".join(lines)).replace("\x01", '"')


@dataclass(frozen=True)
class Function:
    name: str
    line: int  # of its opening brace, 1-based
    line_count: int  # opening to closing brace, both included


_TYPE_OR_SCOPE = re.compile(
    r"^(?:\[\[.*?\]\]\s*)?(?:template\s*<.*>\s*)?(?:inline\s+|typedef\s+)*"
    r"(?:class|struct|union|enum|namespace|extern)\b"
)
_INITIALISER = re.compile(r"\)\s*(?:noexcept\s*)?:(?!:)")


def _blank_directives(view):
    """Blanks preprocessor lines, with their continuations: a macro's braces are not ours."""
    return re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", lambda m: _blank(m.group(0)), view, flags=re.M)


def _matching_brace(view, opening):
    depth = 0
    for match in re.compile(r"[{}]").finditer(view, opening):
        depth += 1 if match.group(0) == "{" else -1
        if depth == 0:
            return match.start()
    return len(view)


def _function_name(head):
    test = re.match(r"(?:TEST|TEST_F|TEST_P|RC_GTEST_PROP|BENCHMARK\w*)\s*\(([^)]*)\)", head)
    if test:
        return re.sub(r"[\s,]+", ".", test.group(1).strip())
    operator = re.search(r"operator\s*([^\s\w(]+|\(\s*\))\s*\(", head)
    if operator:
        return "operator" + operator.group(1)
    name = re.search(r"(~?\w+)\s*\(", re.sub(r"<[^<>()]*>", "", head))
    return name.group(1) if name else "lambda"


def functions(text):
    """The functions with a body, in order. A lambda counts as part of the function it stands in."""
    view = _blank_directives(code_view(text))
    found = []
    head_begin = 0
    position = 0
    head_skipped = ""  # the part of the head in front of a braced member initialiser
    boundary = re.compile(r"[;{}]")
    while match := boundary.search(view, position):
        at = match.start()
        position = at + 1
        if match.group(0) != "{":
            head_begin, head_skipped = position, ""
            continue
        head = (head_skipped + view[head_begin:at]).strip()
        head = re.sub(r"^(?:public|private|protected)\s*:", "", head).strip()
        if _TYPE_OR_SCOPE.match(head) and not head.endswith(")"):
            head_begin, head_skipped = position, ""
            continue
        end = _matching_brace(view, at)
        is_member_initialiser = _INITIALISER.search(head) and re.search(r"[\w>]$", head)
        if is_member_initialiser and not re.search(r"\b(?:const|noexcept|override|final)$", head):
            head_skipped, head_begin = head + "{}", end + 1
        else:
            if "(" in head and head.count("(") == head.count(")") and not re.search(r"[=,]$", head):
                line = view.count("\n", 0, at) + 1
                line_count = view.count("\n", at, end) + 1
                found.append(Function(_function_name(head), line, line_count))
            head_begin, head_skipped = end + 1, ""
        position = end + 1
    return found
