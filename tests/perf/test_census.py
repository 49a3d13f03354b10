"""How many prototxts open: kinds of files, how far nets get, bounds, tables, and the one of the documentation."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from support import FOUND, SHARED, needs_shared

from caffe64.caffe.reading import read_graph
from caffe64.perf.census import census, table
from caffe64.perf.census.census import Bounds, Counted, take_census
from caffe64.perf.census.kinds import NET, OTHER, SOLVER, kind_of, prototxts
from caffe64.perf.census.reasons import MEMORY, NO_SHAPE, TIME, reasons_of
from caffe64.perf.census.stages import STAGES, readings

pytest.importorskip("onnxruntime")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "census.md"
BOUNDS = Bounds(seconds=300, memory=8 << 30)
INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 dim: 6 dim: 6 } } }\n'
DATA = 'layer { name: "data" type: "Data" top: "data" top: "label" data_param { batch_size: 50 } CROP }\n'
RELU = 'layer { name: "relu" type: "ReLU" bottom: "data" top: "out" }\n'
LOSS = 'layer { name: "loss" type: "EuclideanLoss" bottom: "out" bottom: "label" top: "loss" }\n'
CROP = "transform_param { crop_size: 8 force_color: true }"
FILES = {
    "plain": INPUT + RELU,
    "train_val": DATA.replace("CROP", CROP) + RELU + LOSS,
    "no_shape": DATA.replace("CROP", "") + RELU + LOSS,
    "train_only": DATA.replace("CROP", CROP + " include { phase: TRAIN }") + RELU + LOSS,
    "unknown": INPUT + RELU.replace("ReLU", "Made") + RELU.replace("ReLU", "Up").replace("out", "other"),
    "misspelt": INPUT + RELU.replace("top", "topp"),
    "loss_alone": INPUT + LOSS.replace("out", "data").replace("label", "data"),
    "log": INPUT + RELU.replace("ReLU", "Log"),
    "solver": 'net: "train_val.prototxt"\nbase_lr: 0.1\n',
    "labels": 'item { name: "none" label: 0 }\n',
    "empty": "",
}


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "nets" / "deeper"
    inside.mkdir(parents=True)
    for name, text in FILES.items():
        (inside / f"{name}.prototxt").write_text(text)
    (inside / "read.me").write_text(INPUT)
    return tmp_path / "nets"


def by_name(found: list[Counted]) -> dict[str, Counted]:
    return {Path(each.name).stem: each for each in found}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (INPUT, NET),
        ("\ufeffname: 'x' layers: < name: 'a' >", NET),
        ("# layer { }\nnet: 'a'", SOLVER),
        ("net_param { layer { } } base_lr: 1", SOLVER),
        ("layer { name: 'a' type: 'cut off", NET),
        ("item { layer: 1 }", OTHER),
        ("input: 'data' input_dim: 1", OTHER),
        ("\0\1", OTHER),
    ],
)
def test_kinds_go_by_the_outer_fields(text, kind, tmp_path):
    path = tmp_path / "a.prototxt"
    path.write_text(text)
    assert kind_of(path) == kind


def test_nets_are_counted_by_how_far_they_get(folder):
    found = by_name(take_census(folder, {}, BOUNDS, lambda each: None))
    assert {name: each.kind for name, each in found.items() if each.kind != NET} == {
        "solver": SOLVER,
        "labels": OTHER,
        "empty": OTHER,
    }
    reached = {name: each.passed[-1] if each.passed else "" for name, each in found.items() if each.kind == NET}
    assert reached == {
        "plain": "export",
        "train_val": "export",
        "train_only": "export",
        "no_shape": "parse",
        "unknown": "parse",
        "misspelt": "",
        "loss_alone": "run",
        "log": "shape",
    }
    assert {name for name, each in found.items() if each.deploy} == {"train_val", "train_only"}
    reasons = {name: each.reasons for name, each in found.items() if each.reasons}
    assert reasons == {
        "no_shape": [NO_SHAPE],
        "unknown": ["type not supported: Made", "type not supported: Up"],
        "misspelt": ["unknown field: LayerParameter.topp"],
        "loss_alone": ["type without ONNX: EuclideanLoss"],
        "log": ["an output is not finite"],
    }


def test_a_shape_is_guessed_where_it_is_asked_for_and_the_file_says_none(folder):
    found = by_name(take_census(folder, {"": (1, 3, 9, 9)}, BOUNDS, lambda each: None))
    assert {name: each.guessed for name, each in found.items() if each.guessed} == {"no_shape": ["data"]}
    assert found["no_shape"].passed == [*STAGES]


def test_pictures_come_one_at_a_time_unless_layers_need_the_batch(folder):
    graph, _, _ = read_graph(folder / "deeper" / "train_val.prototxt", "TEST", {})
    assert [way.shapes for way in readings(graph, {})] == [{"data": (1, 3, 8, 8)}, {}, {}]
    assert [way.deploy for way in readings(graph, {})] == [True, True, False]


@pytest.mark.parametrize(("signal", "reason"), [("SIGSEGV", "ended by SIGSEGV"), ("SIGALRM", TIME)])
def test_a_net_that_ends_its_process_does_not_end_the_census(signal, reason, folder, tmp_path, monkeypatch):
    """A child that dies at the net `plain`, after its first stage."""
    (tmp_path / "dying.py").write_text(
        "import os, signal\n"
        "from caffe64.perf.census import child, stages\n"
        "def through(path, guesses):\n"
        "    for passed in stages.get_through(path, guesses):\n"
        "        yield passed\n"
        f"        path.stem == 'plain' and os.kill(os.getpid(), signal.{signal})\n"
        "child.get_through = through\n"
        "child.main()\n"
    )
    monkeypatch.setattr(census, "CHILD", "dying")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = by_name(take_census(folder, {}, BOUNDS, lambda each: None))
    assert (found["plain"].passed, found["plain"].reasons) == (["parse"], [reason])
    assert found["train_val"].passed == [*STAGES]


def test_the_bounds_hold(tmp_path):
    """Of 4 GB of weights within 2 GB, and of a second."""
    large = 'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: N } }\n'
    (tmp_path / "large.prototxt").write_text(INPUT + large.replace("N", str(1 << 24)))
    (found,) = take_census(tmp_path, {}, Bounds(300, 2 << 30), lambda each: None)
    assert (found.passed, found.reasons) == (["parse", "shape"], [MEMORY])
    slow = "".join(f'layer {{ name: "p{n}" type: "Power" bottom: "data" top: "p{n}" }}\n' for n in range(20_000))
    (tmp_path / "large.prototxt").write_text(INPUT + slow)
    (found,) = take_census(tmp_path, {}, Bounds(1, 2 << 30), lambda each: None)
    assert found.reasons == [TIME]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            ValueError("/a.prototxt:3: layer 'c1' (Crop): 7 of 'x', expected [1, 2] at 0.5"),
            "Crop: N of X, expected X at N",
        ),
        (RuntimeError("several\nlines"), "several"),
        (MemoryError(), MEMORY),
    ],
)
def test_reasons_have_no_names_and_numbers_of_a_net(error, reason):
    assert reasons_of(error, "/a.prototxt") == [reason]


def test_the_command_prints_tables_or_json_or_puts_them_into_a_page(folder, perf, tmp_path):
    printed = perf("census", folder).stdout
    rows = dict(re.findall(r"^(.*?)  +(\d+)(?: |$)", printed, re.MULTILINE))
    assert rows["nets"] == "8"
    assert rows["... that are parsed"] == "7"
    assert rows["... read with --deploy"] == "2"
    assert re.search(rf"^{NO_SHAPE} +shape +1$", printed, re.MULTILINE)
    data = json.loads(perf("census", folder, "--json").stdout)
    assert data["kinds"] == {"net": 8, "solver": 1, "other": 2}
    assert data["passed"] == {"parse": 7, "shape": 5, "run": 4, "export": 3}
    assert [each["name"] for each in data["files"]] == [str(path.relative_to(folder)) for path in prototxts(folder)]
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table.MARKS[0]}\nold\n{table.MARKS[1]}\nafter\n")
    assert perf("census", folder, "--guess", "label:7", "--guess", "1x3x9x9", "--page", page).stdout == ""
    assert "`python -m caffe64.perf census nets --guess label:7 --guess 1x3x9x9`\n\n| files" in page.read_text()
    assert "| ... with a shape that their file does not say | 1 | 12% |" in page.read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["."], "there is no .prototxt"),
        ([".", "--guess", "3xa"], "--guess: '3xa'"),
        ([".", *["--guess", "3"] * 2], "two shapes"),
    ],
)
def test_what_cannot_be_counted_is_refused(words, says, perf, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = perf("census", *words)
    assert done.exit_code == 2
    assert says in done.stderr


def test_the_small_files_of_the_tests_are_counted(tmp_path):
    """All are nets, all are parsed; the numbers behind them do not go down."""
    shutil.copytree(FOUND, tmp_path / "found")
    found = take_census(tmp_path, {}, BOUNDS, lambda each: None)
    passed = [len([each for each in found if stage in each.passed]) for stage in STAGES]
    assert len(found) == passed[0] == len(list(FOUND.glob("*.prototxt")))
    assert min(passed) >= len(found) - 4


@needs_shared
def test_the_page_shows_what_is_counted_now():
    """`python -m caffe64.perf census ../shared/data ... --page docs/explanation/census.md` makes it anew."""
    shown = PAGE.read_text().partition(table.MARKS[0])[2].partition(table.MARKS[1])[0].strip()
    command = shown.splitlines()[0].strip("`")
    assert command.startswith("python -m caffe64.perf census data --guess 1x3x32x32")
    found = take_census(SHARED, {"": (1, 3, 32, 32)}, BOUNDS, lambda each: None)
    assert table.page_tables(found, command) == shown
