"""What type checkers see of the package: every public name, its types from an editable install and from a wheel.

The user's program below must be without errors, and the faults after it must all be found: a name that is `Any` for a
checker, since an import could not be followed or a signature is not annotated, would find none of them.
"""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import caffe64
from caffe64.engine.compiler.jit import Kernel

PROGRAM = """\
from pathlib import Path
from typing import assert_type

import numpy as np

import caffe64
import caffe64.dnn as dnn
from caffe64 import Net, Optimizer, OneHot, kernels
from caffe64.io import Transformer, array_to_datum
from caffe64.sklearn import Classifier

optimizer = Optimizer(rate=1e-4, step=5, factor=0.1, decay=1e-5, momentum=0.9, epochs=15)
net = caffe64.Net("inp 784 100 / lin 100 -2 / rel / lin 10 -2 / sce")
assert_type(net, Net)
X, Y = np.zeros((200, 784)), np.zeros(200)
history = net.fit(X, Y, optimizer, validation=(X.tolist(), Y), on_epoch=lambda record, evaluation: print(record.loss))
assert_type(history, caffe64.History)
assert_type(history.loss, list[float])
assert_type(net.predict(X), np.ndarray)
assert_type(net.evaluate(X, [1, 2, 3]).loss, float)
net.fit(OneHot(np.zeros((200, 2), int), classes=392), Y, optimizer, threads=2)
net.load("w.bin").save(Path("v.bin"))
caffe64.Training(net, X, Y, optimizer).run_epoch()
assert_type(Classifier(hidden=(50, 20), threads=None).fit(X, Y), Classifier)
assert_type(caffe64.sklearn.Regressor().predict(X), np.ndarray)

model = caffe64.load_caffe(Path("net.prototxt"), "net.caffemodel", phase=caffe64.TEST, input_shapes={"data": (1, 3)})
assert_type(model, caffe64.CaffeNet)
outputs = model.forward(data=X)
assert_type(outputs, dict[str, np.ndarray])
model.forward(["conv1"], end="conv1", data=X)
model.forward(**{model.inputs[0]: X})
model.forward(["conv1"], **{model.inputs[0]: X})
model.forward_all(**{model.inputs[0]: X})
model.forward_all(blobs=["conv1"], **{model.inputs[0]: X})
model.backward(["conv1"], prob=X)
model.backward(diffs=["conv1"], **{model.outputs[0]: X})
model.params["conv1"][0].data[...] = 1
assert_type(model.blobs["data"].shape, tuple[int, ...])
assert_type(caffe64.Net("net.prototxt", "net.caffemodel", caffe64.TEST), caffe64.CaffeNet)
assert_type(caffe64.Net("net.prototxt", caffe64.TRAIN, weights="net.caffemodel"), caffe64.CaffeNet)
smaller, reports = caffe64.optimize(model)
caffe64.verify(model, smaller, {"data": X})[0].output
assert_type(caffe64.summary(model).total.macs, int)
assert_type(caffe64.summary(net).network, str)
print(caffe64.summary(model).to_json(), caffe64.draw(model, compare=smaller), caffe64.time(model).forward.median)
caffe64.classify(model, ["a.jpg"], mean=[104, 117, 123])
try:
    caffe64.read_matrix("X.txt", None, 784)
except caffe64.InputError as error:
    assert_type(error.line, int | None)

transformer = Transformer({"data": model.blobs["data"].shape})
transformer.set_mean("data", [104.0, 117.0, 123.0])
array_to_datum(np.zeros((3, 8, 8), np.uint8)).label = 3
image = np.zeros((480, 640, 3), np.uint8)
opened = dnn.readNetFromCaffe("net.prototxt", "net.caffemodel")
assert_type(opened, dnn.Net)
opened.setInput(dnn.blobFromImage(image, 1.0, (300, 300), (104.0, 177.0, 123.0), swapRB=False))
assert_type(opened.forward(), np.ndarray)
assert_type(opened.forward(["a", "b"]), tuple[np.ndarray, ...])
opened.getLayer(opened.getLayerId("a")).blobs = [image.astype("float32")]
a = np.zeros((4, 4), np.float32)
kernels.gemm(a, a, a[0], a, False, False, False, -np.inf)
kernels.rel_forward(a, a)
kernels.gemm.compile()
"""
FAULTS = """\
import numpy as np

import caffe64
from caffe64 import kernels

optimizer = caffe64.Optimizer(1e-4, 5, 0.1, 1e-5, 0.9, "15")  # a text for a number
caffe64.Net(784)  # a number for a net
net = caffe64.Net("inp 784 100 / lin 100 -2 / rel / lin 10 -2 / sce")
X, Y = np.zeros((200, 784)), np.zeros(200)
net.fit("X.txt", Y, optimizer)  # a file for an array
net.fit(X, Y, 15)  # a number for an optimizer
net.fit(X, Y, optimizer, epoch=3)  # no such argument
net.fitt(X, Y, optimizer)  # misspelt
net.fit(X, Y, optimizer).losses  # misspelt
net.predict("X.txt")  # of a base class
caffe64.Nett("inp 2 1")  # misspelt
caffe64.engine  # not public
caffe64.load_caffe("a.prototxt", phase=1.5)  # a float for a phase
model = caffe64.load_caffe("a.prototxt")
model.forwrd(data=X)  # misspelt
model.forward(data="X.txt")  # a file for an array
model.forward(X)  # an array for names of blobs
model.blobs["data"].shapes  # misspelt
model.params["conv1"].data  # a list
caffe64.verify(model, net)  # a text net for a Caffe net
caffe64.io.Transformer(["data"])  # a list for a dict
caffe64.io.load_imag("a.png")  # misspelt
caffe64.dnn.readNetFromCafe("a.prototxt")  # misspelt
caffe64.dnn.Net().forward(3)  # a number for a name
caffe64.OneHot(X)  # an argument less
caffe64.sklearn.Classifier(hiden=(50,))  # misspelt
caffe64.sklearn.Classifier().fit(X)  # an argument less
caffe64.kernels.gemm(X[0], X[0])  # arguments less
kernels.rel_forward(X, X)  # float64
kernels.rel_forward(x=X[0:1], y=X[0:1])  # by name
kernels.relu_forward(X, X)  # misspelt
caffe64.kernels.gemm.compiled()  # misspelt
"""


def _mypy(python: Path, folder: Path) -> list[tuple[str, int, str]]:
    options = ["--strict", "--cache-dir", "cache", "--python-executable", python, "--output", "json"]
    done = _run("mypy", [*options, "program.py", "faults.py"], folder)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return [(each["file"], each["line"], each["message"]) for each in found if each["severity"] == "error"]


def _pyright(python: Path, folder: Path) -> list[tuple[str, int, str]]:
    done = _run("pyright", ["--pythonpath", python, "--outputjson", "program.py", "faults.py"], folder)
    found = json.loads(done.stdout)["generalDiagnostics"]
    lines = [(Path(each["file"]).name, each["range"]["start"]["line"] + 1, each["message"]) for each in found]
    return [line for line, each in zip(lines, found, strict=True) if each["severity"] == "error"]


CHECKERS = {"mypy": _mypy, "pyright": _pyright}


def _run(checker: str, arguments: list, folder: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", checker, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1, done.stdout + done.stderr  # there are faults to be found
    return done


@pytest.fixture(params=["as installed here", "wheel"])
def python(request, tmp_path) -> Path:
    """A Python that has the package: this one, from a checkout as a rule, or one with a wheel."""
    if request.param != "wheel":
        return Path(sys.executable)
    target = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", target], check=True)
    (site,) = target.glob("lib/python*/site-packages")
    made = request.getfixturevalue("wheel")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", site, made]
    subprocess.run(command, check=True)
    (site / "others.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")  # NumPy
    return target / "bin" / "python"


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_users_program_is_without_errors_and_its_faults_are_found(checker, python, tmp_path):
    pytest.importorskip(checker)
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "faults.py").write_text(FAULTS)
    found = CHECKERS[checker](python, tmp_path)
    assert not [each for each in found if each[0] == "program.py"]
    marked = [number for number, line in enumerate(FAULTS.splitlines(), start=1) if "  # " in line]
    assert sorted({line for _, line, _ in found}) == marked, found


def test_the_stub_has_the_names_of_the_package_and_their_modules():
    stub = ast.parse((Path(caffe64.__file__).parent / "__init__.pyi").read_text())
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    names = {(node.module, alias.name, alias.asname) for node in imports for alias in node.names}
    modules = (*caffe64._MODULES, *caffe64._OPTIONAL)
    lazy = {(module, name, name) for name, module in caffe64._EXPORTS.items()}
    assert names == lazy | {(None, name, name) for name in modules}
    assert {name for _, name, _ in names} == {*caffe64.__all__, *caffe64._OPTIONAL}


def test_kernels_take_arguments_by_position_as_their_types_say():
    x, y = np.float32([[-1, 2]]), np.empty((1, 2), np.float32)
    caffe64.kernels.rel_forward(x, y)
    assert y.tolist() == [[0, 2]]
    with pytest.raises(TypeError):
        caffe64.kernels.rel_forward(x=x, y=y)


def _callables(owner: str, value: object):
    """What users may call of a public name: itself, or the public methods and properties of a class."""
    if isinstance(value, Kernel):
        yield owner, value.py_func
    elif inspect.isfunction(value):
        yield owner, value
    elif isinstance(value, type):
        for kind in value.__mro__:
            for name, member in vars(kind).items() if kind.__module__.startswith("caffe64") else ():
                member = getattr(member, "fget", None) or getattr(member, "func", member)
                member = getattr(member, "__func__", member)
                own = inspect.isfunction(member) and member.__module__.startswith(
                    "caffe64"
                )  # a Protocol's __init__ is not
                if own and (not name.startswith("_") or name in ("__init__", "__len__")):
                    yield f"{owner}.{name}", member


@pytest.mark.parametrize("name", caffe64.__all__)
def test_all_that_is_public_is_annotated(name):
    value = getattr(caffe64, name)
    members = {f"{name}.{each}": getattr(value, each) for each in value.__all__} if inspect.ismodule(value) else {}
    for owner, member in (members or {name: value}).items():
        for called, function in _callables(owner, member):
            wanted = {*inspect.signature(function).parameters, "return"} - {"self", "cls"}
            wanted -= {"return"} if called.endswith("__init__") else set()
            assert wanted <= function.__annotations__.keys(), called
