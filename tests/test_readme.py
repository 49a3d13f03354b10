"""What the README shows is true: every block of code runs, and prints what is shown."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
from importlib.util import find_spec

import numpy as np
import pytest
from reference.mpi import LIMIT, environment, needs_mpi
from reference.readme import BLOCKS, README, ROOT, block, check_printed, listed, run, session, target
from reference.small_caffe_net import write_net, write_picture, write_trained
from support import SHARED, needs_shared

import caffe64
from caffe64.formats.network import read_network

CIFAR = SHARED / "caffe" / "cifar10"
DIFFERENCE = r"\d[\d.]*e[-+]\d+"
DEMO, INSTALL, OPTIMIZE, LENET = "$ make demo", "git clone", "$ caffe64 optimize", "$ make lenet"
NET, OPTIMIZER = "5               # layers", "0.0001     # learning rate"
CLUSTER = "caffe64 sweep"
TABLE = "caffe64 train net.txt model.c64"
API, CAFFE_API = "import caffe64\n", "net = caffe64.load_caffe"
HOME = "https://github.com/caffe64/caffe64"


def test_every_block_is_run_by_a_test_below():
    known = [DEMO, INSTALL, OPTIMIZE, LENET, CLUSTER, TABLE, NET, OPTIMIZER, API, CAFFE_API]
    assert sorted(text for _, text in BLOCKS) == sorted(map(block, known))


def test_it_is_read_at_once_and_its_links_lead_to_files_that_are_there():
    """Absolute ones, so that they lead there from a package index too."""
    assert len(README.encode()) < 13_100
    links = re.findall(r"\]\(([^)]+)\)", README)
    own = [link for link in links if link.startswith(HOME)]
    assert len(own) > 15
    for link in own:
        assert (ROOT / re.sub(rf"{HOME}/(blob|raw|tree)/main/", "", link)).exists(), link
    assert not [link for link in links if not link.startswith("https://")]


@needs_shared
def test_the_demo_prints_what_is_shown(tmp_path):
    ((command, shown),) = session(block(DEMO))
    printed = run(target(command).replace("demos/", f"{ROOT}/demos/"), tmp_path, CAFFE64_DATA=str(SHARED))
    check_printed("\n".join(printed.splitlines()[: len(shown)]), shown, r"\d+\.\d+|\d+(?= of)")
    found, expected = (float(re.search(r"accuracy ([\d.]+)", text)[1]) for text in (printed, "\n".join(shown)))
    assert found == pytest.approx(expected, abs=0.5)


def test_the_commands_of_the_installation_run(tmp_path):
    """But those of git and pip: test_packaging installs."""
    commands = [command for command in listed(block(INSTALL)) if command.startswith("caffe64 ")]
    assert commands == ["caffe64 warmup", "caffe64 --help"]
    printed = [run(command, tmp_path) for command in commands]
    assert re.match(r"\d+ kernels ready", printed[0])


def commands(section: str) -> list[str]:
    """Those of the section's table, with their options and without."""
    (text,) = re.findall(rf"^## {section}$(.*?)^## ", README, re.DOTALL | re.MULTILINE)
    cells = re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE)
    found = [f"caffe64 {command}" for cell in cells for command in re.findall(r"`(.*?)`", cell)]
    return [form for each in found for form in {re.sub(r" \[.*?\]", "", each), re.sub(r"[\[\]]", "", each)}]


def filled(command: str, words: dict[str, str]) -> str:
    """A command with files in place of the names that stand for them."""
    return " ".join(
        words.get(word, word) for word in command.replace("-i FILE... -o FILE", "-i x.npy -o y.npy").split()
    )


def test_the_commands_for_text_nets_run(tmp_path):
    random = np.random.default_rng(0)
    (tmp_path / "net.txt").write_text("5\ninp 6 4\nlin 5 -1\nrel\nlin 3 -1\nsce\n")
    (tmp_path / "optimizer.txt").write_text("0.01 0 1 0 0.9 2")
    np.savetxt(tmp_path / "X.txt", random.standard_normal((20, 6)))
    np.savetxt(tmp_path / "Y.txt", random.integers(0, 3, 20), "%d")
    words = {"NET": "net.txt", "WEIGHTS": "weights.bin", "OPTIMIZER": "optimizer.txt", "N": "20", "X": "X.txt"}
    words |= {"Y": "Y.txt", "OUT": "out.npy", "OUT.onnx": "out.onnx", "IN": "X.txt", "GRID": "grid.toml"}
    (tmp_path / "grid.toml").write_text('net = "net.txt"\noptimizer = "optimizer.txt"\nx = "X.txt"\ny = "Y.txt"')
    shown = commands("Text nets")
    assert len({command.split()[1] for command in shown}) == 11
    for command in shown:
        if command == "caffe64 cache clear":  # not the cache in use
            (tmp_path / "kept" / "caffe64" / "old").mkdir(parents=True, exist_ok=True)
            (tmp_path / "kept" / "caffe64" / "old" / "kernel").write_text("something to free")
            run(command, tmp_path, XDG_CACHE_HOME=str(tmp_path / "kept"), NUMBA_CACHE_DIR="")
        elif command.startswith("caffe64 test"):
            run(filled(command, words | {"OUT": "predicted.txt"}), tmp_path)
        else:
            run(filled(command, words), tmp_path)
    assert np.loadtxt(tmp_path / "predicted.txt").shape == (20, 3)
    assert np.load(tmp_path / "out.npy").size == 120


def test_the_commands_for_tables_run(tmp_path):
    random = np.random.default_rng(0)
    for name, rows in (("data", 200), ("new", 50)):
        lines = ["size,colour,species"]
        for label in random.integers(0, 2, rows):
            size = f"{random.normal(3 * label, 1):.2f}" if random.random() > 0.1 else ""
            lines.append(f"{size},{random.choice(['red', 'blue'])},{('cat', 'dog')[label]}")
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "net.txt").write_text("5\ninp ? 20\nlin 8 he\nrel\nlin ? he\nsce\n")
    (tmp_path / "optimizer.txt").write_text("0.01 0 1 0 0.9 20\nadam")
    _, evaluated, _ = [run(command, tmp_path) for command in listed(block(TABLE))]
    assert float(re.search(r"accuracy +([\d.]+)%", evaluated)[1]) > 75  # 93 % without holes
    predicted = (tmp_path / "predictions.csv").read_text().splitlines()
    assert predicted[0] == "prediction,p(cat),p(dog)"
    assert len(predicted) == 51


@needs_mpi
@pytest.mark.skipif(not find_spec("distributed"), reason="distributed is not installed")
def test_the_commands_for_several_processes_run(tmp_path):
    random = np.random.default_rng(0)
    (tmp_path / "net.txt").write_text("5\ninp 6 4\nlin 5 -1\nrel\nlin 3 -1\nsce\n")
    (tmp_path / "optimizer.txt").write_text("0.01 0 1 0 0.9 2")
    np.save(tmp_path / "X.npy", random.standard_normal((20, 6)).astype(np.float32))
    np.save(tmp_path / "Y.npy", random.integers(0, 3, 20))
    (tmp_path / "grid.toml").write_text(
        'net = "net.txt"\noptimizer = "optimizer.txt"\nx = "X.npy"\ny = "Y.npy"\nseed = [0, 1]'
    )
    run("caffe64 train net.txt weights.bin optimizer.txt all X.npy Y.npy --shards 2", tmp_path)
    alone = (tmp_path / "weights.bin").read_bytes()
    here, over_dask, over_mpi, score, train = listed(block(CLUSTER))
    results = []
    with importlib.import_module("distributed").LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, scheduler_port=0
    ) as cluster:
        over_dask = over_dask.replace("tcp://127.0.0.1:8786", cluster.scheduler_address)
        for command in (here, over_dask, over_mpi, score, train):
            settings = environment(PRTE_MCA_rmaps_default_mapping_policy=":oversubscribe")
            words = ["sh", "-c", f"exec {command}"]
            done = subprocess.run(
                words, cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=LIMIT, check=False
            )
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
            if "sweep" in command:
                lines = (tmp_path / "grid.jsonl").read_text().splitlines()
                results.append(sorted(json.loads(line)["result"]["weights"] for line in lines))
                (tmp_path / "grid.jsonl").unlink()
    assert len(results[0]) == 2
    assert results[0] == results[1] == results[2]
    assert np.load(tmp_path / "out.npy").shape == (20, 3)
    assert (tmp_path / "weights.bin").read_bytes() == alone


def test_the_commands_for_caffe_models_run(tmp_path):
    write_net(tmp_path)
    write_picture(tmp_path / "a.png")
    np.save(tmp_path / "x.npy", np.zeros((1, 3, 8, 6), np.float32))
    words = {"NET": "small.prototxt", "MODEL": "small.caffemodel", "OUT": "new", "PICTURE...": "a.png"}
    words |= {"NET2": "new.prototxt", "MODEL2": "new.caffemodel", "OUT.onnx": "new.onnx", "X.npy": "x.npy"}
    shown = commands("Caffe models")
    assert len({command.split()[1] for command in shown}) == 9
    for command in shown:
        run(filled(command, words), tmp_path)
    for name in ("new.prototxt", "graph.html", "y.npy", "Y.npy", "new.onnx"):
        assert (tmp_path / name).stat().st_size > 100


def test_the_net_and_the_optimizer_shown_are_those_of_the_demo(tmp_path):
    for shown, name, read in ((NET, "network5", read_network), (OPTIMIZER, "optimsetting", caffe64.read_optimizer)):
        (tmp_path / name).write_text(block(shown))
        assert read(tmp_path / name) == read(ROOT / "demos" / "mnist" / f"{name}.txt")


@needs_shared
def test_an_optimised_net_is_said_as_shown(tmp_path):
    for name in ("train_val.prototxt", "cifar10.caffemodel"):
        shutil.copy(CIFAR / name, tmp_path)
    ((command, shown),) = session(block(OPTIMIZE))
    check_printed(run(command, tmp_path), shown, DIFFERENCE)


@needs_shared
def test_lenet_prints_what_is_shown(tmp_path):
    """After fewer iterations: other numbers."""
    ((command, shown),) = session(block(LENET))
    reduced = f"{target(command).replace('demos/', f'{ROOT}/demos/')} --iterations 20 --out {tmp_path}"
    printed = run(reduced, tmp_path, CAFFE64_DATA=str(SHARED))
    check_printed("\n".join(printed.splitlines()[: len(shown)]), shown, r"\d+\.\d+|\d+(?= of| iterations)")


def test_caffes_example_in_python_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_trained("train_val.prototxt", "net.caffemodel")
    shapes = {"data": (1, 3, 32, 32)}
    net = caffe64.load_caffe("train_val.prototxt", "net.caffemodel", deploy=True, input_shapes=shapes)
    net.save("deploy.prototxt", "net.caffemodel")
    images = np.random.default_rng(0).integers(0, 256, (7, 3, 32, 32)).astype(np.float32)
    names = {"caffe64": caffe64, "images": images}
    exec(block(CAFFE_API), names)
    assert names["probabilities"].shape == (7, 10)
    assert len(names["smaller"].graph.nodes) < len(names["net"].graph.nodes)
    assert (tmp_path / "small.caffemodel").exists()


def test_the_net_and_the_optimizer_shown_train_as_they_stand(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from caffe64 import Net, Optimizer, read_checkpoint, read_optimizer
    from caffe64.cli.app import app

    for name, text in (("net.txt", block(NET)), ("optimizer.txt", block(OPTIMIZER))):
        (tmp_path / name).write_text(text)
    random = np.random.default_rng(2)
    np.save(tmp_path / "X.npy", random.random((200, 784), np.float32))
    np.save(tmp_path / "Y.npy", random.integers(0, 10, 200).astype(np.float32))
    monkeypatch.chdir(tmp_path)
    files = ["net.txt", "w.bin", "optimizer.txt", "all", "X.npy", "Y.npy"]
    result = CliRunner().invoke(app, ["train", *files, "--checkpoint", "run.ckpt"])
    assert result.exit_code == 0, result.stderr
    assert read_checkpoint("run.ckpt").epoch == 15
    assert [str(layer) for layer in Net.read("net.txt").spec.layers] == [
        "inp 784 100", "lin 100 -2", "rel", "lin 10 -2", "sce",
    ]  # fmt: skip
    assert read_optimizer("optimizer.txt") == Optimizer(0.0001, 5, 0.1, 0.00001, 0.9, 15)


def test_the_example_of_the_api_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    X, Y = random.random((300, 784), np.float32), random.integers(0, 10, 300)
    names = {"X": X, "Y": Y, "X_val": X[:50], "Y_val": Y[:50], "X_test": X[:7]}
    exec(block(API), names)
    assert names["posteriors"].shape == (7, 10)
    assert (tmp_path / "weights.bin").stat().st_size == 8 + 5 * 8 + 4 * 79510


@pytest.mark.parametrize("command", ["train", "test", "eval", "info", "convert", "warmup", "doctor", "cache"])
def test_every_command_is_in_the_readme_and_in_the_program(command):
    from typer.testing import CliRunner

    from caffe64.cli.app import app

    assert re.search(rf"\b{command}\b", README)
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0
