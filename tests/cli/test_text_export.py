"""caffe64 export of text nets: the files, the C program in a pipe, and what is refused before a file is written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from reference.compiled_c import compile_c, needs_compiler

import caffe64

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("safetensors")


@pytest.fixture
def trained(task):
    """net.txt and w.bin beside the files of the task; the outputs of all rows."""
    net = caffe64.Net.read("net.txt")
    net.initialise(4)
    net.save("w.bin")
    return net.predict(np.loadtxt("X.txt", np.float32))


def test_a_text_net_becomes_onnx(trained, cli):
    result = cli("export net.txt w.bin net.onnx --tolerance 1e-3 --seed 2")
    assert result.exit_code == 0, result.stderr
    first, second = result.stdout.splitlines()
    assert first.startswith("onnxruntime: 'y' differs by at most ")
    assert second == f"wrote net.onnx: {Path('net.onnx').stat().st_size:,} bytes"
    (found,) = onnxruntime.InferenceSession("net.onnx").run(["y"], {"x": np.loadtxt("X.txt", np.float32)})
    np.testing.assert_allclose(found, trained, rtol=1e-5)


def test_its_weights_in_safetensors_are_taken_wherever_weights_are(trained, cli):
    result = cli("export net.txt w.bin w.safetensors")
    assert result.stdout == f"wrote w.safetensors: {Path('w.safetensors').stat().st_size:,} bytes, 4 arrays\n"
    assert cli("info net.txt w.safetensors").stdout.endswith("w.safetensors fits\n")
    assert cli("test net.txt w.safetensors all X.txt out.txt --quiet").exit_code == 0
    np.testing.assert_allclose(np.loadtxt("out.txt"), trained, atol=1e-6)
    assert cli("train net.txt v.bin optim.txt all X.txt Y.txt --quiet --init w.safetensors").exit_code == 0
    np.save("X.npy", np.loadtxt("X.txt", np.float32))
    assert cli("score net.txt w.safetensors -i X.npy -o out.npy --quiet").exit_code == 0
    np.testing.assert_array_equal(np.load("out.npy"), trained)


@needs_compiler
def test_the_c_file_is_a_program_for_another_machine(trained, cli):
    result = cli("export net.txt w.bin iris-2.c")
    size = Path("iris-2.c").stat().st_size
    assert result.stdout == f"wrote iris-2.c: {size:,} bytes, iris_2_predict and iris_2_predict_rows\n"
    assert (
        "cc -O3 -march=native -D IRIS_2_MAIN iris-2.c -o iris_2 -lm && ./iris_2 < rows.txt"
        in Path("iris-2.c").read_text()
    )
    compile_c("-D", "IRIS_2_MAIN", "iris-2.c", "-o", "iris")

    def run(rows):
        return subprocess.run(["./iris"], input=rows, capture_output=True, text=True, timeout=60)

    for separator in (" ", ",", " ;\r\n"):
        done = run(Path("X.txt").read_text().replace(" ", separator))
        assert (done.returncode, done.stderr) == (0, "")
        np.testing.assert_allclose(
            np.array([line.split() for line in done.stdout.splitlines()], float), trained, rtol=1e-5
        )
    assert run("").stdout == ""
    assert run("\n\n").returncode == 0
    for rows, message in (
        ("1 2 3 4\n5 6 seven 8", "row 2, number 3 of 4: this is not a number\n"),
        ("1 2 3", "row 1, number 4 of 4: the input ends\n"),
        ("a,b,c,d\n1,2,3,4", "row 1, number 1 of 4: this is not a number\n"),
    ):
        done = run(rows)
        assert (done.returncode, done.stderr) == (1, message)


def test_a_bundle_is_exported_alone(trained, cli):
    caffe64.Bundle(caffe64.Net.read("net.txt").load("w.bin")).save("net.c64")
    assert cli("export net.c64 net.onnx").exit_code == 0
    (found,) = onnxruntime.InferenceSession("net.onnx").run(["y"], {"x": np.loadtxt("X.txt", np.float32)})
    np.testing.assert_allclose(found, trained, rtol=1e-5)


@pytest.mark.parametrize("command", ["export - w.bin out.c", "export net.txt - out.c"])
def test_net_or_weights_come_through_a_pipe(trained, start, command):
    name = "net.txt" if command.startswith("export - ") else "w.bin"
    process = start(command, stdin=subprocess.PIPE, text=False)
    output, errors = process.communicate(Path(name).read_bytes())
    assert (process.returncode, errors) == (0, b"")
    assert output.startswith(b"wrote out.c: ")


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("net.txt w.bin out.txt", 2, "out.txt: the name must end with .onnx, .safetensors, .c"),
        ("net.txt out.onnx", 2, "needs NET WEIGHTS OUT of a text net; found 2 of them."),
        ("net.c64 w.bin out.onnx", 2, "needs MODEL.c64 OUT of a text net; found 3 of them."),
        ("net.txt w.bin out.c --half --mean 3", 2, "--mean, --half: for a Caffe net, and this is a text net"),
        ("net.txt w.bin out.onnx --phase train", 2, "--phase: for a Caffe net, and this is a text net"),
        ("net.txt w.bin out.c --seed 3", 2, "--tolerance, --floor and --seed are for .onnx: .c is not compared"),
        ("net.txt w.bin none/out.c", 3, "there is no directory"),
        ("net.txt none.bin out.c", 3, "none.bin"),
        ("net.txt X.txt out.c", 3, "X.txt: is text, expected a weights file"),
        ("net.txt w.bin out.onnx --tolerance 0 --floor 0", 4, "onnxruntime differs: 'y' by"),
    ],
)
def test_what_is_refused(trained, cli, command, code, message):
    caffe64.Bundle(caffe64.Net.read("net.txt").load("w.bin")).save("net.c64")
    result = cli(f"export {command}")
    assert result.exit_code == code, result.output
    assert message in result.stderr
    assert not list(Path().glob("out*"))


def test_a_net_below_a_long_comment_is_a_text_net(trained, cli):
    Path("net.txt").write_text("# a word about it\n" * 100 + Path("net.txt").read_text())
    assert cli("export net.txt w.bin out.c").exit_code == 0
