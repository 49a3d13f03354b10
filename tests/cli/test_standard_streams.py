"""`-` as a file: stdin for what is read, stdout for what is written."""

from __future__ import annotations

import numpy as np
import pytest

TRAIN = "train net.txt w.bin optim.txt 400 X.txt Y.txt --quiet"


@pytest.fixture
def piped(start):
    """piped(command, stdin) -> (exit code, stdout, stderr), as bytes."""

    def run(command: str, data: bytes = b"") -> tuple[int, bytes, bytes]:
        import subprocess

        process = start(command, stdin=subprocess.PIPE, text=False)
        out, err = process.communicate(data, timeout=300)
        return process.returncode, out, err

    return run


@pytest.fixture
def trained(task, cli):
    assert cli(TRAIN).exit_code == 0
    return task


def read(path) -> bytes:
    return path.read_bytes()


def test_rows_come_from_stdin_and_outputs_go_to_stdout(trained, piped, cli):
    cli("test net.txt w.bin all X.txt out.txt --quiet")
    code, out, _ = piped("test net.txt w.bin all - - --quiet", read(trained / "X.txt"))
    assert (code, out) == (0, read(trained / "out.txt"))


@pytest.mark.parametrize("place", ["net.txt", "optim.txt", "X.txt", "Y.txt"])
def test_any_one_input_may_be_stdin(trained, piped, place):
    code, _, err = piped(TRAIN.replace(place, "-").replace("w.bin", "v.bin"), read(trained / place))
    assert code == 0, err
    assert read(trained / "v.bin") == read(trained / "w.bin")


def test_weights_go_to_stdout_and_come_from_stdin(trained, piped):
    code, out, _ = piped(TRAIN.replace("w.bin", "-"))
    assert (code, out) == (0, read(trained / "w.bin"))
    code, out, _ = piped("info net.txt -", out)
    assert code == 0
    assert b"fits" in out


def test_convert_writes_text_to_stdout(trained, piped):
    code, out, _ = piped("convert - -", read(trained / "X.txt"))
    assert code == 0
    np.testing.assert_allclose(np.loadtxt(out.decode().splitlines()), np.loadtxt(trained / "X.txt"), atol=1e-5)


def test_a_caffe_net_comes_from_stdin(trained, piped):
    net = b'input: "data" input_shape { dim: 1 dim: 3 dim: 5 dim: 6 }\nlayer { type: "ReLU" bottom: "data" top: "r" }'
    code, out, _ = piped("summary -", net)
    assert code == 0
    assert b"1x3x5x6" in out


@pytest.mark.parametrize("command", [TRAIN.replace("X.txt", "-").replace("Y.txt", "-"), "info - -", "convert - - -"])
def test_two_inputs_cannot_both_be_stdin(trained, piped, command):
    code, out, err = piped(command)
    assert (code, out) == (2, b"")
    assert b"Traceback" not in err


def test_a_checkpoint_cannot_be_a_stream(trained, piped):
    code, _, err = piped(f"{TRAIN} --checkpoint -")
    assert code == 2
    assert b"'-' is no file here" in err


def test_a_file_called_minus_is_reached_by_its_folder(trained, piped):
    (trained / "-").write_bytes(read(trained / "net.txt"))
    code, out, err = piped("info ./-")
    assert code == 0, err
    assert b"lin" in out
