"""The program as a whole."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from caffe64.perf.results import read_results

RESULTS = Path(__file__).resolve().parents[2] / "perf" / "results"
COMMAND = [sys.executable, "-m", "caffe64.perf", "--quick", "--no-peers"]


def test_a_quick_run_prints_tables_and_writes_the_file(tmp_path):
    path = tmp_path / "run.json"
    done = subprocess.run(
        [*COMMAND, "--suite", "kernels", "--threads", "1", "--output", path], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "gemm 100x784x100 NN" in done.stdout
    assert "peak, threads 1: FMA" in done.stdout
    found = read_results(path)
    assert found.settings == {"suites": ["kernels"], "threads": [1], "quick": True, "peers": False}
    assert set(found.peaks["1"]) == {"fma", "L1", "L2", "L3", "DRAM"}
    assert found.compile["rel_forward"]["compile"] > 0, "compiled in an empty cache"
    assert all(entry.peers == {} for entry in found.entries)


def test_ctrl_c_leaves_no_file_and_no_process(tmp_path):
    process = subprocess.Popen(
        [*COMMAND, "--suite", "train", "--output", "run.json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not (workers := children.read_text().split()):  # the first one: by then the program is at work
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "interrupted" in said
    assert not any(Path("/proc", worker).exists() for worker in workers)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_suite_and_no_threads_are_refused(perf):
    assert perf("--suite", "nothing").exit_code == 2
    assert perf("--threads", "0").exit_code == 2


def test_the_commands_of_the_page_on_benchmarks_run(perf, tmp_path, monkeypatch):
    """Those that would measure get as far as the number of threads."""
    monkeypatch.chdir(tmp_path)
    for name in ("old.json", "new.json"):
        shutil.copy(min(RESULTS.glob("*.json")), name)
    page = (RESULTS.parent / "README.md").read_text()
    commands = [line.split("   ")[0].split() for line in re.findall(r"^    python -m caffe64\.perf (.*)$", page, re.M)]
    assert len(commands) == 11
    for table in (
        ["optimizers"],
        ["census", "FOLDER"],
        ["ranks"],
        ["sweep", "--workers", "2"],
    ):  # have tests of their own
        commands.remove(table)
    for words in commands:
        measures = words[0] in ("--quick", "--suite")
        done = perf(*words, *(["--threads", "100000"] if measures else []))
        assert done.exit_code == (2 if measures else 0), f"{words}: {done.stderr}"
        assert ("but this process may use" in done.stderr) == measures
    assert Path("roofline.png").stat().st_size > 10_000


def test_more_threads_than_cpus_are_refused(perf):
    done = perf("--threads", "100000")
    assert done.exit_code == 2
    assert "100000, but this process may use" in done.stderr
