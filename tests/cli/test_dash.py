"""- is stdin where a file is read and stdout where one is written."""

from __future__ import annotations

import socket
import typing
from pathlib import Path

import numpy as np
import pytest
from reference.small_caffe_net import write_net, write_picture

from caffe64.cli import options
from caffe64.cli.app import app

TRAIN = "train net.txt w.bin optim.txt 400 X.txt Y.txt --quiet"
BY_SUFFIX = {("train", "log"), ("train", "plot"), ("draw", "output")}  # - has none, and is refused for that


def path_parameters():
    for each in app.registered_commands:
        for name, hint in typing.get_type_hints(each.callback, include_extras=True).items():
            kinds = typing.get_args(hint)
            if kinds and kinds[0] in (Path, Path | None, list[Path], list[Path] | None):
                yield each.name, name, kinds[1].callback


def test_every_file_of_every_command_knows_it():
    found = list(path_parameters())
    assert len(found) > 30
    for command, name, callback in found:
        known = callback in (options.from_stdin, options.to_stdout, options.no_stream)
        assert known or (command, name) in {*BY_SUFFIX, ("export", "paths")}, (command, name)


@pytest.fixture
def trained(task, cli):
    assert cli(TRAIN).exit_code == 0
    assert cli("test net.txt w.bin all X.txt out.txt --quiet").exit_code == 0
    np.save("X.npy", np.loadtxt("X.txt", np.float32))
    return task


def output(start, command, source, redirected):
    """What the process writes with the content of `source` on stdin, redirected from the file or in a pipe."""
    if redirected:
        with open(source, "rb") as file:
            process = start(command, stdin=file, text=False)
            written, errors = process.communicate(timeout=60)
    else:
        process = start(command, stdin=-1, text=False)
        written, errors = process.communicate(Path(source).read_bytes(), timeout=60)
    assert process.returncode == 0, errors
    return written


@pytest.mark.parametrize("redirected", [True, False])
@pytest.mark.parametrize(
    ("command", "source"),
    [
        ("test net.txt w.bin all - - --quiet", "X.txt"),
        ("test net.txt w.bin all - - --quiet", "X.npy"),
        ("test - w.bin all X.txt - --quiet", "net.txt"),
        ("test net.txt - all X.txt - --quiet", "w.bin"),
    ],
)
def test_test_reads_stdin_and_writes_stdout(trained, start, command, source, redirected):
    assert output(start, command, source, redirected) == Path("out.txt").read_bytes()


@pytest.mark.parametrize("source", ["X.txt", "Y.txt", "net.txt", "optim.txt"])
def test_train_takes_each_file_from_stdin_and_writes_weights_to_stdout(trained, start, source):
    command = TRAIN.replace("w.bin", "-").replace(source, "-")
    assert output(start, command, source, False) == Path("w.bin").read_bytes()


def test_convert_writes_text_to_stdout(trained, start):
    lines = output(start, "convert - -", "X.npy", True).splitlines()
    assert np.array_equal(np.loadtxt(lines, np.float32), np.load("X.npy"))


def test_what_a_shell_has_read_already_is_not_read_again(trained, start):
    text = Path("X.txt").read_text()
    Path("table.txt").write_text(f"a b c d 1 2 3\n{text}")
    with open("table.txt", "rb", buffering=0) as file:
        file.seek(len("a b c d 1 2 3\n"))
        process = start("test net.txt w.bin all - - --quiet", stdin=file, text=False)
        assert process.communicate(timeout=60)[0] == Path("out.txt").read_bytes()


def test_a_socket_is_as_good_as_a_pipe(trained, start):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = start("info - --json", stdin=theirs)
        ours.sendall(Path("net.txt").read_bytes())
        ours.shutdown(socket.SHUT_WR)
        assert '"parameters": 67' in process.communicate(timeout=60)[0]


def test_caffe_nets_too(tmp_path, monkeypatch, start):
    monkeypatch.chdir(tmp_path)
    write_net(tmp_path)
    write_picture(tmp_path / "a.png")
    command = "run small.prototxt small.caffemodel -i a.png -o"
    expected = output(start, f"{command} -", "a.png", True)
    output(start, f"{command} y.npy", "a.png", True)
    assert Path("y.npy").read_bytes() == expected
    for source in ("small.prototxt", "small.caffemodel", "a.png"):
        for redirected in (True, False):
            assert output(start, f"{command} -".replace(source, "-"), source, redirected) == expected
    assert output(start, "run small.prototxt small.caffemodel -i data=- -o -", "a.png", False) == expected


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("test - - all X.txt out.txt", "'WEIGHTS': only one file can be '-', stdin."),
        ("verify a b - -", "'NET MODEL NET2 MODEL2': only one file can be '-', stdin."),
        ("run net model -i a=- -i b=-", "'--input' / '-i': only one file can be '-', stdin."),
        ("classify net model - -", "'NET [MODEL] IMAGE...': only one file can be '-', stdin."),
        ("export - - out.onnx", "only one file can be '-', stdin."),
        (f"{TRAIN} --checkpoint -", "'--checkpoint': '-' is not a file here"),
        ("optimize net model -o -", "'--output' / '-o': '-' is not a file here"),
        (f"{TRAIN} --log -", "--log -: the name must end with .jsonl or .csv"),
        ("export net model -", "-: the name must end with .onnx or .safetensors"),
    ],
)
def test_what_cannot_be_is_said(task, cli, command, message):
    result = cli(command)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert not Path("-").exists()


def test_a_file_of_that_name_is_called_otherwise(trained, cli):
    Path("X.txt").rename("-")
    assert cli("test net.txt w.bin all ./- again.txt --quiet").exit_code == 0
    assert Path("again.txt").read_bytes() == Path("out.txt").read_bytes()
    assert cli("convert ./- .//- --columns 4").exit_code == 2  # which has no suffix
    assert cli(f"{TRAIN.replace('X.txt', './-')} --checkpoint ./-").exit_code == 2  # it would be overwritten
