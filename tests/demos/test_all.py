"""demos/all.py: runs what is in its table, goes on after a failure, and says in table and exit code how it went."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys

import pytest
from reference.demo import DEMOS, run_script

ALL = runpy.run_path(str(DEMOS / "all.py"))
COMMANDS, run_demo = ALL["COMMANDS"], ALL["run_demo"]

RUNS = "print('test accuracy 97.50 %  (39 of 40)'); print('wrote some.png')"
LACKS = (
    """import sys; print("compiling ...\\nrun.py: no pairs here.\\nPut [them] there.", file=sys.stderr); sys.exit(3)"""
)
FAILS = "print('half way'); raise RuntimeError('broken')"


@pytest.fixture
def demos(tmp_path):
    """demos(name=code, ...): runs a copy of all.py, each demo of its table replaced by `code`, by default RUNS."""

    def run(*options, **codes) -> subprocess.CompletedProcess:
        shutil.copy(DEMOS / "all.py", tmp_path / "all.py")
        for name, command in COMMANDS.items():
            script = tmp_path / command.split()[0]
            script.parent.mkdir(exist_ok=True)
            script.write_text(codes.get(name, RUNS))
        return subprocess.run([sys.executable, tmp_path / "all.py", *options], capture_output=True, text=True)

    return run


def rows(done) -> dict[str, list[str]]:
    """The table at the end: {demo: the words of its line}."""
    lines = done.stdout[done.stdout.index("\ndemo ") :].splitlines()
    return {line.split()[0]: line.split() for line in lines if line.split() and line.split()[0] in COMMANDS}


def test_all_ran(demos):
    done = demos()
    assert done.returncode == 0, done.stderr
    assert list(rows(done)) == list(COMMANDS)
    for words in rows(done).values():
        assert 0 <= float(words[1]) < 60
        assert " ".join(words[2:]) == "ran test accuracy 97.50 % (39 of 40)"
    assert done.stdout.count("wrote some.png") == len(COMMANDS), "what a demo prints is passed on"


def test_missing_data_is_reported_and_the_others_run(demos):
    done = demos(mnist=LACKS)
    assert done.returncode == 3
    assert " ".join(rows(done)["mnist"][2:]) == "no data no pairs here."
    assert "Put [them] there." in done.stdout, "a message of several lines, nothing of it taken as markup"
    assert "compiling" not in done.stdout
    assert {words[2] for name, words in rows(done).items() if name != "mnist"} == {"ran"}


def test_a_failure_counts_more_than_missing_data_and_the_others_run(demos):
    done = demos(image_reco=LACKS, mnist=FAILS)
    assert done.returncode == 1
    assert rows(done)["mnist"][2:] == ["failed", "RuntimeError:", "broken"]
    assert rows(done)["char"][2] == "ran"
    assert "Traceback" in done.stderr
    assert "Traceback" not in done.stdout


def test_only_what_is_asked_for_runs(demos):
    done = demos("--only", "char", "--only", "mnist", rank=FAILS)
    assert done.returncode == 0
    assert list(rows(done)) == ["mnist", "char"]


@pytest.mark.parametrize(
    ("printed", "result"),
    [
        ("PSNR 24.1 dB\nwrote a.png\n", "PSNR 24.1 dB"),
        ("right in 51.4 %\nwrote a.png\nsome text\n", "right in 51.4 %"),
        ("kind   accuracy %\nType   47.0\nwrote a.png\n", "Type   47.0"),
        ("wrote a.png\n", ""),
    ],
)
def test_the_result_is_the_last_line_with_a_unit(printed, result):
    assert ALL["result_of"](printed) == result


def test_an_unknown_name_is_a_wrong_command_line(demos):
    done = demos("--only", "mnits")
    assert done.returncode == 2
    assert "there is no demo 'mnits'" in " ".join(done.stderr.replace("│", " ").split())


def test_a_demo_that_does_not_end_has_failed(tmp_path):
    (tmp_path / "run.py").write_text("import time; time.sleep(60)")
    outcome = run_demo("slow", "run.py --quick", tmp_path, longest=0.5)
    assert (outcome.state, outcome.result) == ("failed", "not done after 0.5 s")


def test_every_demo_is_in_the_table():
    found = {path.parent.name for path in DEMOS.glob("*/run.py")}
    assert found
    assert found <= set(COMMANDS)


@pytest.mark.parametrize("name", [name for name in COMMANDS if (DEMOS / name / "run.py").exists()])
def test_a_demo_knows_the_options_it_is_run_with(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "150")
    script, *options = COMMANDS[name].split()
    assert options[0] in run_script(DEMOS / script, "--help").stdout.replace("│", " ").split()
