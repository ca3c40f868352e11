"""Each rule of the lint is shown a bad sample to report and a good one to leave alone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lint
import lint_rules
from lint_source import code_view, functions

LAYERS = "# layer: may include\nbase:\nsys: base\nlog: base sys\n"


def check(tmp_path, files, exemptions=""):
    """The findings in a tree of these files, as [(rule, path)], READMEs taken for granted."""
    files = {"tools/layers.txt": LAYERS, "tools/lint_exemptions.txt": exemptions, **files}
    for path, text in files.items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    found = lint_rules.check(lint_rules.Tree(tmp_path, sorted(files)))
    return [(f.rule, f.path) for f in found if f.rule != "readmes"]


# rule, path, bad text, good text
SAMPLES = [
    ("layers", "src/base/a.cc", '#include "log/log.h"\n', '#include "base/b.h"\n'),
    ("layers", "src/nowhere/a.cc", "int a;\n", None),
    ("layers", "src/log/a.cc", '#include "sim/disk.h"\n', '// #include "sim/disk.h"\n'),
    ("layers", "src/log/a.cc", '#include "sys/x_internal.h"\n', '#include "log/x_internal.h"\n'),
    ("cmake_layers", "src/sys/CMakeLists.txt", "millrace_layer(sys DEPS base log)\n",
     "millrace_layer(sys DEPS base LIBS Threads::Threads)\n"),
    ("file_lines", "src/log/a.cc", "\n" * 501, "\n" * 500),
    ("file_lines", "src/log/a.h", "#pragma once\n" + "\n" * 300, "#pragma once\n" + "\n" * 299),
    ("file_lines", "src/log/a_test.cc", "\n" * 801, "\n" * 800),
    ("function_lines", "src/log/a.cc", "void f() {" + "\n" * 70 + "}\n",
     "void f() {" + "\n" * 69 + "}\n"),
    ("line_columns", "src/log/a.cc", "//" + "x" * 99 + "\n", "//" + "x" * 98 + "\n"),
    ("line_columns", "src/log/a.cc", "\tint a;\n", "  int a;\n"),
    ("ascii", "src/log/a.cc", "// caf\u00e9\n", "// cafe\n"),
    ("leftovers", "src/log/a.cc", "// TODO(now): finish\n", "// TODO(perf): a table\n"),
    ("leftovers", "src/log/a.cc", "// FIXME\n", 'const char* currency = "XXX";\n'),
    ("leftovers", "src/log/a.cc", "// TODO: some day\n", "// TODO(limit): 2^31 batches\n"),
    ("using_namespace", "src/log/a.cc", "using namespace std;\n",
     "using namespace std::string_view_literals;\n"),
    ("include_guards", "src/log/a.h", "int f();\n", "// A contract.\n#pragma once\n"),
    ("drawer_names", "src/log/utils.cc", "int a;\n", None),
    ("drawer_names", "src/log/common/a.cc", "int a;\n", None),
    ("test_sleeps", "src/log/a_test.cc", "void f() { std::this_thread::sleep_for(x); }\n",
     "// no sleep_for here\n"),
    ("test_sleeps", "scenarios/test_a.py", "time.sleep(1)\n", "# time.sleep(1)\n"),
    ("unit_names", "src/log/a.h", "#pragma once\nstruct A {\n  int timeout = 3;\n};\n",
     "#pragma once\nstruct A {\n  int timeout_ms = 3;\n  WallTime time;\n  int size() const;\n"
     "};\n"),
    ("machine_paths", "docs/a.md", "see /home/me/notes\n", "see docs/home/notes\n"),
    ("exemptions", "tools/lint_exemptions.txt", "function_lines src/log/a.cc\n", "# nothing\n"),
    ("exemptions", "tools/lint_exemptions.txt", "function_lines src/log/a.cc no longer true\n", ""),
]

BANNED = [
    "auto t = std::chrono::steady_clock::now();",
    "int x = rand();",
    "std::random_device seed;",
    'auto* home = getenv("HOME");',
    'auto* home = std::getenv("HOME");',
    "int fd = ::open(path, 0);",
    'auto* f = fopen("a", "r");',
    'std::ofstream out("a");',
    'std::ifstream in("a");',
    'std::filesystem::remove("a");',
    "std::this_thread::sleep_for(second);",
    'system("ls");',
    "std::abort();",
    "exit(1);",
    'printf("%d", 1);',
    'std::printf("%d", 1);',
    'std::cout << "a";',
    'fprintf(stdout, "a");',
    "auto t = time(nullptr);",
    "auto t = ::time(0);",
    "clock_gettime(CLOCK_REALTIME, &t);",
]
NOT_BANNED = [
    "file_->open(path);",
    "store.read(bytes);",
    "auto t = clock_.wall_now();",
    "auto t = record.time(0);",
    'log("call rand() and std::cout");',
    'std::fprintf(stderr, "a");',
    'std::snprintf(buffer, 3, "a");',
    "Random random(seed);",
    "std::filesystem::path file;",
    "Result<int> open(Path path);",
    "// std::cout is not for us",
]


@pytest.mark.parametrize(("rule", "path", "bad", "good"), SAMPLES)
def test_a_bad_sample_is_reported_and_a_good_one_is_not(tmp_path, rule, path, bad, good):
    assert (rule, path) in check(tmp_path, {path: bad})
    if good is not None:
        assert check(tmp_path, {path: good}) == []


@pytest.mark.parametrize("line", BANNED)
def test_a_banned_call_is_reported_where_the_world_must_come_in_by_constructor(tmp_path, line):
    text = f"void f() {{\n  {line}\n}}\n"
    assert check(tmp_path, {"src/log/a.cc": text}) == [("banned_calls", "src/log/a.cc")]
    assert check(tmp_path / "door", {"src/sys/a.cc": text}) == []


@pytest.mark.parametrize("line", NOT_BANNED)
def test_what_only_looks_like_a_banned_call_is_left_alone(tmp_path, line):
    assert check(tmp_path, {"src/log/a.cc": f"void f() {{\n  {line}\n}}\n"}) == []


def test_the_own_header_comes_first(tmp_path):
    files = {"src/log/a.h": "#pragma once\n", "src/log/a.cc": "#include <vector>\n"}
    assert ("own_header_first", "src/log/a.cc") in check(tmp_path, files)
    files["src/log/a.cc"] = '#include "log/a.h"\n\n#include <vector>\n'
    assert check(tmp_path, files) == []


def test_a_folder_without_a_readme_is_reported(tmp_path):
    (tmp_path / "src" / "log").mkdir(parents=True)
    (tmp_path / "src" / "log" / "a.cc").write_text("int a;\n")
    tree = lint_rules.Tree(tmp_path, ["src/log/a.cc"])
    assert [f.path for f in lint_rules.readmes(tree)] == ["src/log"]
    tree.paths += ["src/log/README.md"]
    assert list(lint_rules.readmes(tree)) == []


def test_an_exemption_covers_one_function_of_one_file(tmp_path):
    long_body = "() {" + "\n" * 80 + "}\n"
    files = {"src/log/a.cc": "void f" + long_body + "void g" + long_body}
    assert len(check(tmp_path, files)) == 2
    left = check(tmp_path, files, exemptions="function_lines src/log/a.cc:f a table of cases\n")
    assert left == [("function_lines", "src/log/a.cc")]


def test_a_layer_finding_names_the_include_and_the_row(tmp_path):
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "layers.txt").write_text(LAYERS)
    (tmp_path / "src" / "sys").mkdir(parents=True)
    (tmp_path / "src" / "sys" / "a.cc").write_text('\n#include "log/log.h"\n')
    tree = lint_rules.Tree(tmp_path, ["src/sys/a.cc", "tools/layers.txt"])
    (finding,) = lint_rules.layers(tree)
    assert str(finding) == ("src/sys/a.cc:2: [layers] sys may not include log/log.h; "
                            "its row allows: base")


def test_code_view_keeps_lines_and_blanks_comments_and_literals():
    text = 'int a = 1\'000; // rand()\nauto s = "rand()"; /* rand()\n */ auto r = R"x(ra"nd())x";\n'
    view = code_view(text)
    assert "rand" not in view and "nd()" not in view
    assert len(view) == len(text) and view.count("\n") == text.count("\n")
    assert "1'000" in view


def test_functions_are_found_with_their_names_and_lengths():
    text = """namespace a {
struct S {
  S() : x_{1}, y_(2) {
  }
  int get() const { return x_; }
  int x_{3};
  bool operator==(const S&) const = default;
  bool operator<(const S& o) const { return x_ < o.x_; }
};
constexpr int kTable[] = {
    1,
};
constexpr auto kArray = std::to_array<int>({
    1,
});
enum class E { one, two };
template <typename T>
std::map<int, std::vector<T>> make(const T& t) {
  auto f = [&](int i) {
    return i;
  };
  if (t) {
  }
  return {};
}
#define M(x) \\
  void x() { {
TEST(Wal, torn_tail_is_cut) {
}
}  // namespace a
"""
    found = [(f.name, f.line, f.line_count) for f in functions(text)]
    assert found == [("S", 3, 2), ("get", 5, 1), ("operator<", 8, 1), ("make", 18, 8),
                     ("Wal.torn_tail_is_cut", 28, 2)]


def needs(tool):
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A tree of its own for the checks that run programs."""
    for name in (".clang-format", ".clang-tidy"):
        shutil.copy(lint.ROOT / name, tmp_path / name)
    monkeypatch.setattr(lint, "ROOT", tmp_path)
    (tmp_path / "src" / "log").mkdir(parents=True)
    return tmp_path


@needs("clang-format-19")
def test_unformatted_code_is_reported(elsewhere):
    (elsewhere / "a.cc").write_text("int   a ;\n")
    assert lint.check_format(["a.cc"]) == 1
    (elsewhere / "a.cc").write_text("int a;\n")
    assert lint.check_format(["a.cc"]) == 0


@needs("clang++-19")
def test_a_header_that_leans_on_its_includer_is_reported(elsewhere):
    header = elsewhere / "src" / "log" / "a.h"
    header.write_text("#pragma once\ninline std::string name() { return {}; }\n")
    assert lint.check_headers(["src/log/a.h"], {}) == 1
    header.write_text("#pragma once\n#include <string>\ninline std::string name() { return {}; }\n")
    assert lint.check_headers(["src/log/a.h"], {}) == 0


@needs("shellcheck")
def test_an_unquoted_variable_in_a_script_is_reported(elsewhere):
    (elsewhere / "a.sh").write_text("#!/bin/sh\nrm $1\n")
    assert lint.check_shell(["a.sh"]) == 1
    (elsewhere / "a.sh").write_text('#!/bin/sh\nrm "$1"\n')
    assert lint.check_shell(["a.sh"]) == 0


TIDY_SAMPLES = [
    ("bugprone-use-after-move", """#include <string>
#include <utility>
std::size_t twice(std::string text) {
  const std::string kept = std::move(text);
  return kept.size() + text.size();
}
"""),
    ("bugprone-infinite-loop", """int wait(int count) {
  int i = 0;
  while (i < count) {
  }
  return i;
}
"""),
    ("modernize-use-override", """struct Base {
  virtual ~Base() = default;
  virtual int get() { return 0; }
};
struct Derived : Base {
  virtual int get() { return 1; }
};
int use() { return Derived().get(); }
"""),
    ("readability-identifier-naming", "int BadName() { return 0; }\n"),
    ("readability-identifier-naming", "class snake {};\nsnake make() { return {}; }\n"),
    ("readability-identifier-naming", """class Counter {
 public:
  int get() const { return count; }

 private:
  int count = 0;
};
int use() { return Counter().get(); }
"""),
    ("readability-identifier-naming", "inline constexpr int limit_max = 3;\n"),
    ("readability-identifier-naming",
     "enum class Kind { One };\nKind kind() { return Kind::One; }\n"),
]
TIDY_GOOD = """#include <string>
#include <utility>

#define MR_TWICE(x) ((x) * 2)

namespace millrace {
inline constexpr int kLimit = 3;
enum class Kind { one, two };
struct Options {
  int limit_bytes = 0;
};
template <typename Value, int kCapacity = 3>
class Holder {
 public:
  using value_type = Value;
  explicit Holder(Value value) : value_(std::move(value)) {}
  const Value& get() const { return value_; }

 private:
  static constexpr int kCount = 1;
  Value value_;
};
int use(const Options& options) {
  const Holder<std::string> holder("a");
  return MR_TWICE(options.limit_bytes) + kLimit + static_cast<int>(holder.get().size());
}
}  // namespace millrace
"""


def tidy(folder, text):
    """(number of failing files, output) of clang-tidy on this text."""
    source = folder / "a.cc"
    source.write_text(text)
    command = ["clang-tidy-19", "--quiet", f"--config-file={folder}/.clang-tidy", str(source), "--",
               "-std=c++20"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@needs("clang-tidy-19")
@pytest.mark.parametrize(("rule", "text"), TIDY_SAMPLES)
def test_clang_tidy_fails_on(elsewhere, rule, text):
    status, output = tidy(elsewhere, text)
    assert status != 0 and rule in output, output


@needs("clang-tidy-19")
def test_clang_tidy_accepts_the_house_style(elsewhere):
    status, output = tidy(elsewhere, TIDY_GOOD)
    assert status == 0, output


def test_the_tree_obeys_its_layers():
    tree = lint_rules.Tree(lint.ROOT, lint.all_paths())
    found = [*lint_rules.layers(tree), *lint_rules.cmake_layers(tree)]
    assert not found, "\n" + "\n".join(map(str, found))


def test_the_text_rules_can_be_run_from_anywhere(tmp_path):
    script = Path(lint.__file__).resolve()
    done = subprocess.run([sys.executable, script, "--text"], cwd=tmp_path, capture_output=True,
                          text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    assert done.stdout.splitlines()[-1].startswith("lint: "), done.stdout + done.stderr


@needs("clang-tidy-19")
def test_a_flaw_in_a_header_is_counted_once(elsewhere, capsys):
    header = elsewhere / "src" / "log" / "a.h"
    header.write_text("#pragma once\ninline int BadName() { return 0; }\n")
    entries = {}
    for name in ("b", "c"):
        path = f"src/log/{name}.cc"
        text = f'#include "log/a.h"\nint {name}() {{ return BadName(); }}\n'
        (elsewhere / path).write_text(text)
        entries[path] = {"directory": str(elsewhere), "file": path,
                         "command": f"clang++-19 -std=c++20 -Isrc -c {path}"}
    (elsewhere / "compile_commands.json").write_text(json.dumps(list(entries.values())))
    assert lint.check_tidy(list(entries), elsewhere, entries) == 1
    assert "src/log/a.h:2:12: error: " in capsys.readouterr().out
