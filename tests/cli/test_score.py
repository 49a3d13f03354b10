"""caffe64 score: what is written and said, and what is refused."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from reference.small_caffe_net import write_net, write_picture

import caffe64

SCORE = "score small.prototxt small.caffemodel"


@pytest.fixture
def net(tmp_path, monkeypatch):
    """The net's files and pictures in the working directory."""
    monkeypatch.chdir(tmp_path)
    net = write_net(tmp_path)
    for number in range(5):
        Path("photos", "more").mkdir(parents=True, exist_ok=True)
        write_picture(tmp_path / "photos" / ("more" if number % 2 else "") / f"{number}.png", seed=number)
    return net


@pytest.fixture
def text_net(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = caffe64.Net("inp 6 10 / lin 3 -1 / sce")
    net.initialise(1)
    net.write("net.txt")
    net.save("weights.bin")
    return net


def test_rows_of_an_array(net, cli):
    x = np.random.default_rng(0).standard_normal((50, 3, 8, 6), np.float32)
    np.save("x.npy", x)
    result = cli(f"{SCORE} -i x.npy -o y.npy")
    assert result.exit_code == 0
    assert re.fullmatch(r"caffe64: 50 rows in \d+\.\d s, [\d,]+ rows/s\n", result.stderr)
    np.testing.assert_allclose(np.load("y.npy"), net.forward(data=x)["prob"], rtol=1e-6)
    assert result.stdout == "wrote y.npy: prob 50x3, in batches of 16\n"
    assert cli(f"{SCORE} -i x.npy -o quiet.npy --quiet").output == ""
    assert cli(f"{SCORE} -i data=x.npy -o two.npy --workers 2 --batch 16").exit_code == 0
    assert Path("two.npy").read_bytes() == Path("y.npy").read_bytes() == Path("quiet.npy").read_bytes()


@pytest.mark.parametrize("kind", ["f8", "u1", "i8", "?", "F"])
def test_arrays_of_other_types_and_orders_are_those_numbers(net, cli, kind):
    x = np.random.default_rng(0).integers(0, 2, (20, 3, 8, 6)).astype("f8")
    np.save("x.npy", np.asfortranarray(x) if kind == "F" else x.astype(kind))
    assert cli(f"{SCORE} -i x.npy -o y.npy --batch 7").exit_code == 0
    np.testing.assert_allclose(np.load("y.npy"), net.forward(data=x)["prob"], rtol=1e-6)


def test_pictures_of_a_folder_and_of_a_list(net, cli, tmp_path):
    """They are prepared as `run` does, whose rows are compared; labels are left out."""
    Path("photos/notes.txt").write_text("no picture")
    Path("photos/.hidden.png").write_text("no picture")
    names = ["0.png", "2.png", "4.png", "more/1.png", "more/3.png"]
    result = cli(f"{SCORE} -i photos -o y.npy --mean 104,117,123 --scale 0.5")
    assert result.exit_code == 0
    recipe = "pictures for 'data': stretched to 6x8, channels B G R, minus 104, 117, 123, times 0.5"
    assert result.stderr.startswith(f"caffe64: {recipe}\ncaffe64: 5 pictures in ")
    assert "wrote y.npy: prob 5x3" in result.stdout
    files = " ".join(f"-i photos/{name}" for name in names)
    assert cli(f"run small.prototxt small.caffemodel {files} --mean 104,117,123 --scale 0.5 -o run.npy").exit_code == 0
    np.testing.assert_allclose(np.load("y.npy"), np.load("run.npy"), rtol=1e-6)
    Path("list.txt").write_text("".join(f"photos/{name} {number}\n\n" for number, name in enumerate(names[::-1])))
    assert cli(f"{SCORE} -i list.txt -o listed.npy --mean 104,117,123 --scale 0.5").exit_code == 0
    np.testing.assert_allclose(np.load("listed.npy"), np.load("run.npy")[::-1], rtol=1e-6)


def test_names_of_a_list_count_from_its_folder_if_they_are_not_here(net, cli):
    Path("photos/list.txt").write_text("0.png\nmore/1.png\n")
    result = cli(f"{SCORE} -i photos/list.txt -o y.csv")
    assert result.exit_code == 0
    assert "0.png is not in the working directory: photos/0.png is taken" in result.stderr
    assert [line.split(",")[0] for line in Path("y.csv").read_text().splitlines()] == ["picture", "0.png", "more/1.png"]


def test_a_text_net(text_net, cli):
    x = np.random.default_rng(0).normal(size=(30, 2, 3))
    np.save("x.npy", x)
    result = cli("score net.txt weights.bin -i x.npy -o y.csv")
    assert result.exit_code == 0
    header, *lines = Path("y.csv").read_text().splitlines()
    assert header == "row,output_0,output_1,output_2"
    table = np.array([line.split(",") for line in lines]).astype(np.float64)
    np.testing.assert_array_equal(table[:, 0], np.arange(30))
    np.testing.assert_array_equal(table[:, 1:].astype(np.float32), text_net.predict(x.reshape(30, 6)))
    np.save("flat.npy", x.reshape(30, 6)[:1])
    assert cli("score net.txt weights.bin -i flat.npy -o one.npy").exit_code == 0
    np.testing.assert_array_equal(np.load("one.npy"), text_net.predict(x.reshape(30, 6)[:1]))


def test_a_blob_within_and_a_size_that_is_not_the_nets(net, cli):
    x = np.random.default_rng(0).standard_normal((9, 3, 10, 5), np.float32)
    np.save("x.npy", x)
    assert cli(f"{SCORE} -i x.npy -o y.npy --blob conv --batch 4").exit_code == 0
    net.forward(data=x)
    np.testing.assert_allclose(np.load("y.npy"), net.blobs["conv"].data, rtol=1e-5, atol=1e-6)


TWO = 'layer { name: "info" type: "Input" top: "info" input_param { shape { dim: 1 dim: 3 } } }\n'
JOIN = 'layer { name: "sum" type: "Eltwise" bottom: "prob" bottom: "info" top: "sum" }\n'
FIXED = 'layer { name: "flat" type: "Reshape" bottom: "prob" top: "flat" reshape_param { shape { dim: 1 dim: 3 } } }\n'
CARRIED = """
layer { name: "cont" type: "DummyData" top: "cont" dummy_data_param { shape { dim: 1 dim: 1 } } }
layer { name: "steps" type: "Reshape" bottom: "prob" top: "steps" reshape_param { shape { dim: 1 dim: 1 dim: 3 } } }
layer { name: "lstm" type: "LSTM" bottom: "steps" bottom: "cont" top: "lstm"
  recurrent_param { num_output: 2 weight_filler { type: "xavier" } } }
"""


def test_several_inputs(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_net(tmp_path, more=TWO + JOIN)
    random = np.random.default_rng(0)
    data, info = random.random((20, 3, 8, 6), np.float32), random.random((20, 3), np.float32)
    np.save("x.npy", data)
    np.save("info.npy", info)
    assert cli(f"{SCORE} -i data=x.npy -i info=info.npy -o y.npy").exit_code == 0
    alone = caffe64.load_caffe("small.prototxt", "small.caffemodel").forward(data=data, info=info)["sum"]
    np.testing.assert_allclose(np.load("y.npy"), alone, rtol=1e-6)
    np.save("info.npy", info[:7])
    for wrong, code, message in (
        ("-i x.npy", 2, "the net has the inputs data, info; say which: data=x.npy"),
        ("-i data=x.npy", 2, "nothing for the input 'info': --input info=FILE"),
        ("-i data=x.npy -i info=info.npy", 3, "info.npy: has 7 rows, expected 20, as x.npy"),
    ):
        result = cli(f"{SCORE} {wrong} -o y.npy")
        assert result.exit_code == code
        assert message in result.stderr


def test_a_net_that_takes_one_row_at_a_time_runs_so(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = write_net(tmp_path, more=FIXED)
    x = np.random.default_rng(0).standard_normal((5, 3, 8, 6), np.float32)
    np.save("x.npy", x)
    result = cli(f"{SCORE} -i x.npy -o y.npy")
    assert "flat 5x3, in batches of 1\n" in result.stdout
    expected = np.concatenate([net.forward(data=row[None])["flat"] for row in x])
    np.testing.assert_array_equal(np.load("y.npy"), expected)
    result = cli(f"{SCORE} -i x.npy -o y.npy --batch 4")
    assert result.exit_code == 3
    assert "'flat'" in result.stderr


def test_a_net_of_one_batch_size_runs_its_last_batch_full(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_net(tmp_path)
    text = Path("small.prototxt").read_text().replace("dim: 1\n", "dim: 10\n")
    Path("small.prototxt").write_text(text + FIXED.replace("dim: 1 ", "dim: 10 "))
    net = caffe64.load_caffe("small.prototxt", "small.caffemodel")
    x = np.random.default_rng(0).standard_normal((25, 3, 8, 6), np.float32)
    np.save("x.npy", x)
    assert "flat 25x3, in batches of 10\n" in cli(f"{SCORE} -i x.npy -o y.npy").stdout
    full = np.concatenate([x, np.zeros((5, 3, 8, 6), np.float32)])
    expected = np.concatenate([net.forward(data=full[start : start + 10])["flat"] for start in (0, 10, 20)])
    np.testing.assert_array_equal(np.load("y.npy"), expected[:25])


def write_sparse(rows: int) -> None:
    """x.npy: so many rows of zeros for the text net, which take no room."""
    with open("x.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (rows, 6)})
        file.truncate(file.tell() + 6 * rows)


def test_scores_that_do_not_fit_onto_the_disk_are_refused_at_once(text_net, cli, monkeypatch):
    write_sparse(400_000_000 // 12)
    monkeypatch.setattr(os, "fstatvfs", lambda descriptor: SimpleNamespace(f_bavail=50_000, f_frsize=4096))
    result = cli("score net.txt weights.bin -i x.npy -o y.npy")
    assert result.exit_code == 3
    assert "y.npy: its scores take 0.4 GB, and 0.2 GB are free there" in result.stderr
    assert not [name for name in os.listdir() if name.startswith((".caffe64", "y."))]


def test_a_net_that_carries_a_state_from_batch_to_batch_is_refused(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_net(tmp_path, more=CARRIED)
    np.save("x.npy", np.ones((5, 3, 8, 6)))
    np.save("cont.npy", np.ones((5, 1)))
    result = cli(f"{SCORE} -i data=x.npy -i cont=cont.npy -o y.npy")
    assert result.exit_code == 2
    assert "'lstm' carry a state from batch to batch: caffe64 run takes such nets" in result.stderr


def test_rows_whose_scores_are_not_finite_are_counted(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_net(tmp_path, more='layer { name: "log" type: "Log" bottom: "pool" top: "log" }\n')
    x = np.ones((40, 3, 8, 6), np.float32)
    x[::2] = -1e30
    np.save("x.npy", x)
    result = cli(f"{SCORE} -i x.npy -o y.npy --blob log")
    assert result.exit_code == 0
    bad = int((~np.isfinite(np.load("y.npy")).reshape(40, -1).all(axis=1)).sum())
    assert bad > 0
    assert f"{bad} of 40 rows have NaN or infinite values in 'log'" in result.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ("-i right.npy -o y.txt", 2, "--output y.txt: the name must end with .npy or .csv"),
        ("-i right.npy -o -", 2, "'-' is not a file here"),
        ("-i right.npy -o no/y.npy", 3, "there is no directory"),
        ("-i right.npy -o right.npy", 2, "right.npy would be overwritten"),
        ("-i right.npy -o small.caffemodel", 2, "must end with .npy or .csv"),
        ("-i right.npy", 2, "Missing option '--output'"),
        ("-o y.npy", 2, "Missing option '--input'"),
        ("-i nowhere.npy -o y.npy", 3, "Couldn't find file nowhere.npy"),
        ("-i right.npy -i right.npy -o y.npy", 2, "the input 'data' come from right.npy already"),
        ("-i wrong.npy -o y.npy", 3, "layer 'conv' (Convolution): has weights [4, 3, 3, 3] [4], expected [4, 5, 3, 3]"),
        ("-i row.npy -o y.npy", 3, "row.npy: holds an array [N, 8, 6], expected [N, 3, 8, 6], the shape of the input"),
        ("-i none.npy -o y.npy", 3, "none.npy: holds an array [0, 3, 8, 6], expected rows"),
        ("-i nan.npy -o y.npy", 3, "nan.npy: row 19, column 25 holds nan, expected finite float32 numbers"),
        ("-i huge.npy -o y.npy", 3, "huge.npy: row 20, column 1 holds 1e+300, expected finite float32 numbers"),
        ("-i words.npy -o y.npy", 3, "words.npy: holds"),
        ("-i right.npy.gz -o y.npy", 3, "right.npy.gz: is a .gz file, expected a .npy, a folder of pictures"),
        ("-i photos/0.png -o y.npy", 3, "photos/0.png: is a picture, expected a .npy, a folder of pictures, or a list"),
        ("-i right.npy -o y.npy --mean 1", 2, "--resize and --crop are for pictures; arrays are taken as they are"),
        ("-i right.npy -o y.npy --blob nope", 3, "has no blob 'nope', expected conv, data, fc, pool, prob"),
        ("-i right.npy -o y.npy --batch 0", 2, "Invalid value for '--batch'"),
        ("-i right.npy -o y.npy --retries 2", 2, "is for --workers and --address"),
        ("-i right.npy -o y.npy --workers 2 --address tcp://localhost:1", 2, "a number of workers is for this machine"),
        ("-i empty -o y.npy", 3, "empty: holds no pictures, expected files .bmp"),
        ("-i empty.txt -o y.npy", 3, "empty.txt: is empty, expected a .npy, a folder"),
        ("-i blank.txt -o y.npy", 3, "blank.txt: names no pictures, expected a file in each line"),
        ("-i lost.txt -o y.npy", 3, "lost.txt: names 'lost.png', which does not exist"),
        ("-i later.txt -o y.npy", 3, "Couldn't find file"),
        ("-i bad -o y.npy", 3, "bad/1.png: is not a picture that can be read"),
        ("-i photos -o y.npy --crop 30x30", 3, "0.png: is 6x8 pixels large, expected at least the crop, 30x30"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(net, cli, options, code, message):
    right = np.ones((20, 3, 8, 6))
    Path("empty").mkdir()
    Path("bad").mkdir()
    write_picture(Path("bad/0.png"))
    Path("bad/1.png").write_text("not pixels")
    for name, text in (("empty", ""), ("blank", "\n \n"), ("lost", "lost.png\n"), ("later", "photos/0.png\nno.png\n")):
        Path(f"{name}.txt").write_text(text)
    Path("right.npy.gz").write_bytes(b"\x1f\x8b")
    nan, huge = right.copy(), right.copy()
    nan[18, 0, 4, 0], huge[19, 0, 0, 0] = np.nan, 1e300
    arrays = {"right": right, "wrong": np.ones((1, 5, 8, 6)), "row": right[0], "none": right[:0], "nan": nan}
    for name, array in (arrays | {"huge": huge, "words": np.array(["a"])}).items():
        np.save(f"{name}.npy", array)
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    result = cli(f"{SCORE} {options}")
    assert result.exit_code == code, result.stderr
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("net.txt -i x.npy", 2, "needs the weights of net.txt"),
        ("net.txt weights.bin -i wide.npy", 3, "wide.npy: holds rows of the shape [7], expected rows of 6 numbers"),
        ("net.txt weights.bin -i x.txt", 3, "x.txt: is not a .npy, expected rows of numbers in a .npy, for a text net"),
        ("net.txt weights.bin -i x.npy --blob prob", 2, "is for nets of Caffe and ONNX; net.txt is a text net"),
        ("net.txt weights.bin -i x.npy --mean 1", 2, "--mean: is for nets of Caffe and ONNX"),
        ("net.txt net.txt -i x.npy", 3, "net.txt: is a text net"),
        ("weights.bin net.txt -i x.npy", 3, "weights.bin: is the weights of a text net, expected a net (are the files"),
    ],
)
def test_what_does_not_fit_a_text_net_is_named(text_net, cli, command, code, message):
    np.save("x.npy", np.ones((3, 6)))
    np.save("wide.npy", np.ones((3, 7)))
    Path("x.txt").write_text("1 2 3 4 5 6\n")
    result = cli(f"score {command} -o y.npy")
    assert result.exit_code == code, result.stderr
    assert message in " ".join(result.stderr.split())
    assert not Path("y.npy").exists()


def test_a_list_with_a_bad_picture_late_leaves_nothing_also_on_workers(net, cli):
    Path("bad.png").write_text("not pixels")
    Path("list.txt").write_text("photos/0.png\n" * 70 + "bad.png\n")
    result = cli(f"{SCORE} -i list.txt -o y.npy --workers 2 --batch 10")
    assert result.exit_code == 3
    assert "bad.png: is not a picture that can be read" in result.stderr
    assert not [name for name in os.listdir() if name.startswith((".caffe64", "y."))]


TWICE = """
import caffe64

class Twice(caffe64.Layer):
    def forward(self, bottom, top):
        top[0].data[...] = 2 * bottom[0].data

caffe64.register_layer("Twice", Twice)
"""


def test_workers_know_the_layers_of_a_file(net, start):
    x = np.random.default_rng(0).standard_normal((80, 3, 8, 6), np.float32)
    np.save("x.npy", x)
    Path("layers.py").write_text(TWICE)
    with open("small.prototxt", "a") as file:
        file.write('layer { name: "twice" type: "Twice" bottom: "prob" top: "twice" }\n')
    command = f"--layers layers.py {SCORE} -i x.npy -o y.npy --batch 10 --workers 1"
    printed, said = start(command).communicate(timeout=60)
    assert printed == "wrote y.npy: twice 80x3, in batches of 10\n", said
    np.testing.assert_allclose(np.load("y.npy"), 2 * net.forward(data=x)["prob"], rtol=1e-6)


def test_ctrl_c_leaves_nothing(text_net, start, tmp_path):
    """While two workers run."""
    write_sparse(40_000_000)
    process = start("score net.txt weights.bin -i x.npy -o y.npy --workers 2 --batch 100")
    end = time.monotonic() + 60
    while not any(name.startswith(".caffe64") for name in os.listdir()) and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.5)  # the file is there a moment before what removes it
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "caffe64: interrupted"
    assert not [name for name in os.listdir() if name.startswith((".caffe64", "y."))]


def test_a_bundle_is_for_predict(text_net, cli):
    """Whether the file is there or not, and in either place."""
    for given in ("made.c64", "net.txt made.c64"):
        result = cli(f"score {given} -i X.npy -o Y.npy")
        assert result.exit_code == 2
        assert "made.c64 is a bundle" in " ".join(result.output.split())
        assert "caffe64 predict made.c64 TABLE" in " ".join(result.output.split())
