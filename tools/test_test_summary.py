"""The closing line of ./dev test, checked on small reports of each kind."""

import subprocess
import sys
from pathlib import Path

from test_summary import reasons, summarise

SCRIPT = Path(__file__).with_name("test_summary.py")
GTEST = """<testsuites><testsuite name="Wal">
<testcase name="a" status="run" result="completed" classname="Wal"/>
<testcase name="b" status="run" result="completed" classname="Wal">{failure}</testcase>
<testcase name="c" status="notrun" result="suppressed" classname="Wal"/>
<testcase name="d" status="run" result="skipped" classname="Wal"><skipped/></testcase>
</testsuite></testsuites>"""
CTEST = '<testsuite><testcase name="log" status="{status}">{failure}</testcase></testsuite>'
FAILURE = '<failure message="expected 1"/>'


def write(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("_xml", ".xml").replace("_failed", ".failed")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def passing(folder):
    write(folder, ctest_xml=CTEST.format(status="run", failure=""))
    write(folder / "gtest", log_test_xml=GTEST.format(failure=""))


def test_cases_are_counted_and_not_programs(tmp_path):
    passing(tmp_path)
    assert summarise(tmp_path) == (2, 2, [])


def test_a_failed_case_is_counted_once(tmp_path):
    write(tmp_path, ctest_xml=CTEST.format(status="fail", failure=FAILURE), ctest_failed="")
    write(tmp_path / "gtest", log_test_xml=GTEST.format(failure=FAILURE))
    assert summarise(tmp_path) == (1, 2, ["log: Wal.b"])


def test_a_program_that_crashed_is_one_failure(tmp_path):
    write(tmp_path, ctest_xml=CTEST.format(status="fail", failure=FAILURE), ctest_failed="")
    assert summarise(tmp_path) == (0, 0, ["log: the test program failed"])


def test_a_program_that_leaked_after_its_cases_is_one_failure(tmp_path):
    passing(tmp_path)
    write(tmp_path, ctest_xml=CTEST.format(status="fail", failure=FAILURE))
    assert summarise(tmp_path) == (2, 2, ["log: the test program failed"])


def test_a_program_that_was_not_built_is_a_failure(tmp_path):
    write(tmp_path, ctest_xml=CTEST.format(status="notrun", failure=""))
    assert summarise(tmp_path) == (0, 0, ["log: the test program failed"])


def test_a_test_program_that_is_not_googletest_is_one_case(tmp_path):
    write(tmp_path, ctest_xml=CTEST.format(status="run", failure=""))
    assert summarise(tmp_path) == (1, 0, [])


def test_pytest_failures_and_errors_count(tmp_path):
    report = tmp_path / "pytest-scenarios.xml"
    report.write_text("""<testsuites><testsuite><testcase classname="t" name="a"/>
      <testcase classname="t" name="b"><failure/></testcase>
      <testcase classname="t" name="c"><error/></testcase>
      <testcase classname="t" name="d"><skipped/></testcase></testsuite></testsuites>""")
    (tmp_path / "scenarios.failed").write_text("")
    assert summarise(tmp_path) == (1, 1, ["t.b", "t.c"])


def test_a_build_that_failed_is_a_failure(tmp_path):
    passing(tmp_path)
    (tmp_path / "build-release.failed").write_text("")
    assert summarise(tmp_path) == (2, 2, ["step build-release"])


def test_why_a_case_failed_is_told_in_its_first_lines(tmp_path):
    write(tmp_path / "gtest", log_test_xml=GTEST.format(failure="<failure>one\ntwo</failure>"))
    (tmp_path / "pytest-scenarios.xml").write_text("""<testsuites><testsuite>
      <testcase classname="t" name="a"/><testcase classname="t" name="b"><failure>def b():
>   assert 1 == 2
E   assert 1 == 2</failure></testcase></testsuite></testsuites>""")
    assert list(reasons(tmp_path)) == [("Wal.b", ["one", "two"]), ("t.b", ["E   assert 1 == 2"])]


def run(folder):
    done = subprocess.run([sys.executable, SCRIPT, folder], capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stdout.splitlines()[-1]


def test_the_last_line_and_the_status_say_it(tmp_path):
    assert run(tmp_path) == (1, "0 passed, 0 failed")
    passing(tmp_path)
    assert run(tmp_path) == (0, "2 passed, 0 failed")
    (tmp_path / "x.failed").write_text("")
    assert run(tmp_path) == (1, "2 passed, 1 failed")
