"""caffe64 train --solver: its log, its options, its files, what it refuses."""

from __future__ import annotations

import csv
import json
import re
import resource
import signal

import pytest
from reference.small_training import write_solver, write_training

pytest.importorskip("h5py")

TRAIN = "train --solver solver.prototxt"
# What Caffe's tools/extra/parse_log.py, extract_seconds.py and parse_log.sh look for, by their published patterns.
ITERATION = re.compile(r"Iteration (\d+)")
TRAIN_OUTPUT = re.compile(r"Train net output #(\d+): (\S+) = ([\.\deE+-]+)")
TEST_OUTPUT = re.compile(r"Test net output #(\d+): (\S+) = ([\.\deE+-]+)")
RATE = re.compile(r"lr = ([-+]?[0-9]*\.?[0-9]+([eE]?[-+]?[0-9]+)?)")


@pytest.fixture
def training(tmp_path, monkeypatch):
    write_training(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def parsed(text: str) -> tuple[list[dict], list[dict]]:
    """Rows of the train and the test net, as parse_log.py collects them."""
    rows: tuple[list[dict], list[dict]] = ([], [])
    iteration, rate = -1, None
    for line in text.splitlines():
        if found := ITERATION.search(line):
            iteration = int(found[1])
        if iteration == -1:
            continue
        int(line.split()[0][1:3]), [float(part) for part in line.split()[1].split(":")]  # its time
        if found := RATE.search(line):
            rate = float(found[1])
        for pattern, table in zip((TRAIN_OUTPUT, TEST_OUTPUT), rows, strict=True):
            if found := pattern.search(line):
                table.append({"iteration": iteration, "rate": rate, found[2]: float(found[3])})
    return rows


def test_off_a_terminal_stderr_has_caffes_log_and_stdout_nothing(cli, training):
    result = cli(TRAIN)
    assert (result.exit_code, result.stdout) == (0, "")
    train, test = parsed(result.stderr)
    assert [row["iteration"] for row in train] == [0, 5, 10, 15]
    assert [row["iteration"] for row in test] == [0, 0, 10, 10, 20, 20]
    assert train[-1]["loss"] < 1 < train[0]["loss"] + 0.2
    assert [row["accuracy"] for row in test if "accuracy" in row][-1] > 0.5
    shell = [line.split() for line in result.stderr.splitlines()]
    assert [words[10] for words in shell if "output" in words and "#0:" in words and "Test" in words]  # parse_log.sh
    assert [words[8] for words in shell if "lr" in words] == ["0.01"] * 4
    assert any(line.endswith("] Solving small") for line in result.stderr.splitlines())
    assert {path.name for path in training.glob("snap*")} == {
        f"snap_iter_{iteration}.{end}" for iteration in (10, 20) for end in ("caffemodel", "solverstate")
    }


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl"])
def test_the_log_file_has_a_record_per_iteration_shown_or_tested(cli, training, name):
    assert cli(f"{TRAIN} --log {name}").exit_code == 0
    text = (training / name).read_text()
    rows = list(csv.DictReader(text.splitlines())) if "csv" in name else [*map(json.loads, text.splitlines())]
    assert [int(row["iteration"]) for row in rows] == [0, 5, 10, 15, 20]
    assert float(rows[0]["rate"]) == 0.01
    assert max(len(str(row["loss"])) for row in rows) < 16
    names = ["iteration", "loss", "rate", "seconds", "rows_per_second", "test_accuracy", "test_loss"]
    assert list(rows[0]) == names
    assert [bool(row["test_accuracy"]) for row in rows] == [True, False, True, False, True]


def test_a_run_that_goes_on_keeps_the_records_before(cli, training):
    assert cli(f"{TRAIN} --log whole.csv").exit_code == 0
    assert cli(f"{TRAIN} --log parts.csv").exit_code == 0
    assert cli(f"{TRAIN} --log parts.csv --snapshot snap_iter_10.solverstate").exit_code == 0
    kept = [
        [row["iteration"], row["loss"], row["test_loss"]]
        for name in ("whole.csv", "parts.csv")
        for row in csv.DictReader((training / name).read_text().splitlines())
    ]
    assert kept[:5] == kept[5:]


def test_the_plot_shows_losses_scores_and_the_rate(cli, training):
    pytest.importorskip("matplotlib")
    assert cli(f"{TRAIN} --plot curve.svg").exit_code == 0
    assert (training / "curve.svg").read_bytes().startswith(b"<?xml")


def test_panels_have_the_curves_of_their_kind(cli, training):
    from caffe64.caffe.solver.solver import CaffeTraining
    from caffe64.cli.solver_history import panels

    records = [{"iteration": 0, "loss": 2.0, "rate": 0.1, "test_accuracy": 0.1, "test_loss": 2.1}]
    found = {
        panel.label: [curve.label for curve in panel.curves]
        for panel in panels(CaffeTraining("solver.prototxt"), records)
    }
    assert found == {"loss": ["training", "test loss"], "test scores": ["test accuracy"], "rate": ["rate"]}


def test_short_lines_on_demand(cli, training):
    lines = cli(f"{TRAIN} --log-format plain").stderr.splitlines()
    assert any(re.fullmatch(r"iteration 5  loss \d\.\d+  rate 0\.01  [\d,]+ pictures/s", line) for line in lines)
    assert any(re.fullmatch(r"iteration 10  test  accuracy [\d.]+, loss [\d.]+", line) for line in lines)
    assert "snapshot snap_iter_20.solverstate" in lines


def test_quiet_prints_nothing(cli, training):
    result = cli(f"{TRAIN} --quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("spelling", ["-solver solver.prototxt", "-solver=solver.prototxt", "--solver=solver.prototxt"])
def test_options_may_be_spelled_as_caffes_own_program_takes_them(cli, training, spelling):
    result = cli(f"train {spelling} -sigint_effect=stop --sighup_effect none -gpu 0")
    assert result.exit_code == 0
    assert result.stderr.count("--gpu is not followed: caffe64 computes on the CPU") == 1


def test_solver_mode_gpu_is_one_notice(cli, training):
    write_solver(training / "gpu.prototxt", solver_mode="GPU")
    result = cli("train --solver gpu.prototxt")
    assert result.exit_code == 0
    assert result.stderr.count("gpu.prototxt: solver_mode: GPU is not followed: caffe64 computes on the CPU") == 1


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (f"{TRAIN} --snapshot a --weights b", "--snapshot and --weights exclude each other"),
        (f"{TRAIN} net.txt w.bin", "--solver trains a Caffe net and takes none of NET WEIGHTS OPTIM N X [Y]"),
        (f"{TRAIN} --init w.bin", "--init: it is for text nets"),
        ("train --weights a.caffemodel", "Missing option '--solver'"),
        (f"{TRAIN} --log a.txt", "must end with .jsonl or .csv"),
        (f"{TRAIN} --log-format glog", "'glog' is not one of caffe, plain"),
        (f"{TRAIN} --sighup-effect kill", "'kill' is not one of stop, snapshot, none"),
        (f"{TRAIN} --weights a,", "--weights 'a,': a name is empty"),
        (f"{TRAIN} --weights=", "--weights '': a name is empty"),
        (f"{TRAIN} --iterations 5", "Try 'caffe64 train --solver -h' for help"),
        ("train net.txt", "   or: caffe64 train --solver FILE [OPTIONS]\n"),
        ("train net.txt", "Missing argument 'WEIGHTS'"),
    ],
)
def test_wrong_command_lines(cli, training, command, message):
    result = cli(command)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr_policy": '"plateau"'}, r"solver\.prototxt:4:\d+: lr_policy: 'plateau', expected one of fixed, step"),
        ({"test_iter": 5, "test_interval": 0}, r"solver\.prototxt:9:\d+: test_interval: 0"),
        (
            {"snapshot_prefix": '"no/where"'},
            r"solver\.prototxt:11:\d+: snapshot_prefix: 'no/where': there is no folder no",
        ),
        (
            {"net": '"other.prototxt"'},
            r"solver\.prototxt:1:1: net: names 'other\.prototxt', which does not exist \(names count from",
        ),
        ({"test_net": '"no.prototxt"'}, r"solver\.prototxt:13:1: test_net: names 'no\.prototxt'"),
        ({"weights": '"missing.caffemodel"'}, r"solver\.prototxt:13:1: weights: names 'missing\.caffemodel'"),
    ],
)
def test_wrong_files_are_found_before_the_first_iteration(cli, training, changes, message):
    write_solver(training / "solver.prototxt", **changes)
    result = cli(TRAIN)
    assert result.exit_code == 3
    assert re.search(message, result.stderr)
    assert "Iteration" not in result.stderr


def test_a_missing_solver(cli, training):
    result = cli("train --solver nothing.prototxt")
    assert (result.exit_code, result.stderr) == (3, "caffe64: error: Couldn't find file nothing.prototxt\n")


def test_a_model_is_not_taken_for_a_state_nor_a_state_for_a_model(cli, training):
    assert cli(f"{TRAIN} --max-iter 1 --quiet").exit_code == 0
    for option, file in (
        ("--snapshot", "caffemodel, the weights of a Caffe model, expected a .solverstate (for caffe64"),
        ("--weights", "solverstate, expected a .caffemodel (for caffe64 train --solver, by its option --snapshot)"),
    ):
        result = cli(f"{TRAIN} {option} snap_iter_1.{file.partition(',')[0]}")
        assert result.exit_code == 3
        assert f"is a .{file}" in result.stderr


def test_weights_of_the_solver_are_found_beside_it(cli, training, monkeypatch):
    assert cli(f"{TRAIN} --max-iter 1 --quiet").exit_code == 0
    write_solver(training / "solver.prototxt", weights='"snap_iter_1.caffemodel, snap_iter_1.caffemodel"')
    (training / "below").mkdir()
    monkeypatch.chdir(training / "below")
    result = cli("train --solver ../solver.prototxt --log-format plain")
    assert result.exit_code == 0
    assert result.stderr.count("snap_iter_1.caffemodel is not in the working directory") == 1
    assert result.stderr.count("weights of ../snap_iter_1.caffemodel\n") == 2


def test_layers_that_are_not_run_are_refused_by_both_forms(cli, training):
    assert cli(f"{TRAIN} --max-iter 1 --quiet").exit_code == 0
    for old, new, message in (
        ("HDF5Data", "Python", r"layer 'rows' \(Python\): .*Python code, which is not run.* \(caffe64.DataSource"),
        ("ReLU", "Foo", r"layers of types that are not supported: 'relu' \(Foo\)"),
    ):
        net = (training / "net.prototxt").read_text()
        (training / "other.prototxt").write_text(net.replace(f'"{old}"', f'"{new}"'))
        write_solver(training / "other_solver.prototxt", net='"other.prototxt"')
        for command in (
            "train --solver other_solver.prototxt",
            "test --model other.prototxt --weights snap_iter_1.caffemodel",
        ):
            result = cli(command)
            assert result.exit_code == 3
            assert re.search(message, result.stderr)


def test_max_iter_replaces_the_solvers(cli, training):
    assert cli(f"{TRAIN} --max-iter 3").exit_code == 0
    assert (training / "snap_iter_3.solverstate").exists()


def test_at_max_iter_a_resume_writes_the_last_snapshot_again(cli, training):
    write_solver(training / "solver.prototxt", snapshot=None)
    assert cli(TRAIN).exit_code == 0
    first = (training / "snap_iter_20.caffemodel").read_bytes()
    result = cli(f"{TRAIN} --snapshot snap_iter_20.solverstate")
    assert result.exit_code == 0
    assert "Snapshotting to binary proto file snap_iter_20.caffemodel" in result.stderr
    assert "lr =" not in result.stderr
    assert (training / "snap_iter_20.caffemodel").read_bytes() == first


def test_a_loss_that_is_not_finite_ends_with_the_last_good_snapshot(cli, training):
    write_solver(training / "solver.prototxt", type='"SGD"', base_lr=1e30, lr_policy='"step"', gamma=0, stepsize=100)
    write_solver(training / "good.prototxt", type='"SGD"', max_iter=10)
    assert cli("train --solver good.prototxt").exit_code == 0
    kept = (training / "snap_iter_10.solverstate").read_bytes()
    result = cli(TRAIN)
    assert result.exit_code == 5
    assert re.search(
        r"training diverged: the loss is (nan|inf) in iteration \d+ .*no snapshot was written", result.stderr
    )
    assert (training / "snap_iter_10.solverstate").read_bytes() == kept
    result = cli(f"{TRAIN} --snapshot snap_iter_10.solverstate")
    assert result.exit_code == 5
    assert "; no snapshot was written since snap_iter_10.solverstate)" in result.stderr
    write_solver(training / "each.prototxt", lr_policy='"step"', gamma=10, stepsize=1, max_iter=99)
    result = cli("train --solver each.prototxt")
    assert result.exit_code == 5
    assert re.search(r"; --snapshot snap_iter_\d0.solverstate goes on from there\)", result.stderr)
    result = cli(f"{TRAIN} --keep-going")
    assert result.exit_code == 0
    assert "loss = nan" in result.stderr


def test_a_full_disk_leaves_the_snapshot_before(training, start):
    write_solver(training / "solver.prototxt", max_iter=12)
    probe = start(f"{TRAIN} --max-iter 10")
    assert probe.wait(timeout=100) == 0
    sizes = {path.name: path.stat().st_size for path in training.glob("snap*")}
    kept = (training / "snap_iter_10.caffemodel").read_bytes()

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing fails, as on a disk that is full
        size = min(sizes.values()) // 2
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    process = start(f"{TRAIN} --snapshot snap_iter_10.solverstate", preexec_fn=limit)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 3, errors
    assert re.search(r"caffe64: error: snap_iter_12\.caffemodel: cannot be written: File too large", errors)
    assert (training / "snap_iter_10.caffemodel").read_bytes() == kept
    assert not list(training.glob("*iter_12*"))
    assert len(list(training.iterdir())) == 4 + len(sizes)


def test_the_form_of_test_shows_the_means(cli, training):
    assert cli(TRAIN).exit_code == 0
    result = cli("test --model net.prototxt --weights snap_iter_20.caffemodel --iterations 5")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert re.fullmatch(r"accuracy = 0\.\d+", lines[0])
    assert re.fullmatch(r"loss = (\S+) \(\* 1 = \1 loss\)", lines[1])
    log = [line.partition("] ")[2] for line in result.stderr.splitlines()]
    batches = [line for line in log if line.startswith("Batch ")]
    assert len(batches) == 10
    assert re.fullmatch(r"Batch 0, accuracy = \S+", batches[0])
    at = log.index("Running for 5 iterations.")
    assert log[at + 11 :] == [f"Loss: {lines[1].split()[2]}", *lines]
    tested = [line for line in cli(TRAIN).stderr.splitlines() if "Test net output #0" in line]
    assert lines[0] in tested[-1]


def test_the_form_of_test_on_other_forms(cli, training):
    cli(TRAIN)
    quiet = cli("test --model net.prototxt --weights snap_iter_20.caffemodel --iterations 5 --quiet")
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    assert quiet.stdout.startswith("accuracy = ")
    wrong = cli("test --model net.prototxt --weights snap_iter_20.caffemodel a b c d e")
    assert (wrong.exit_code, "takes none of NET WEIGHTS N X OUT" in wrong.stderr) == (2, True)
    assert cli("test --model net.prototxt").exit_code == 2
    missing = cli("test --model net.prototxt --weights nothing.caffemodel")
    assert (missing.exit_code, missing.stderr) == (3, "caffe64: error: Couldn't find file nothing.caffemodel\n")


def test_each_form_has_its_help(cli, training):
    text, caffe = cli("train --help").stdout, cli("train --solver --help").stdout
    assert "--solver" in text.replace("caffe64 train --solver --help", "--solver")
    assert "NET WEIGHTS OPTIM N X Y" in text
    assert "--sighup-effect" in caffe
    assert "--checkpoint" not in caffe
    assert "--iterations" in cli("test --model --help").stdout
