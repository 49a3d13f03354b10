"""States of solvers, of both kinds: written and read again, those of real Caffe, and damaged or hostile ones."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.child import PACKAGES
from reference.solver_cases import SOLVERS
from support import needs_shared

from caffe64.errors import InputError, UsageError
from caffe64.formats.caffe import hdf5_offsets, read_caffemodel
from caffe64.formats.caffe.solver_state import HDF5Layer, SolverState, read_state, write_hdf5_model, write_state

h5py = pytest.importorskip("h5py")
ENDS = ("solverstate", "solverstate.h5")
TEXT = '{"seed": 1}'
LIMITED = """
import resource, signal, sys, numpy
from caffe64.errors import OutputError
from caffe64.formats.caffe.solver_state import SolverState, write_state
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
try:
    write_state(sys.argv[2], SolverState(1, "", [numpy.ones(100_000, numpy.float32)] * 2))
except OutputError as error:
    print(error)
"""
STATE = SolverState(7, "s_iter_7.caffemodel", [np.arange(6, dtype=np.float32).reshape(2, 3), np.float32([8])], 2, TEXT)


def written(folder, end, state=STATE):
    write_state(folder / f"s.{end}", state)
    return folder / f"s.{end}"


def check_same(found: SolverState, state: SolverState) -> None:
    assert (found.iteration, found.learned_net, found.current_step, found.own) == (
        state.iteration, state.learned_net, state.current_step, state.own,
    )  # fmt: skip
    for one, other in zip(found.history, state.history, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


SHAPES = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple), max_size=5)


@pytest.mark.parametrize("end", ENDS)
@given(st.integers(0, 2**31 - 1), SHAPES, st.integers(0, 9), st.sampled_from(["", TEXT, "a" * 100_000]))
@settings(max_examples=8, deadline=None)
def test_a_state_is_the_same_when_it_is_read_again(tmp_path_factory, end, iteration, shapes, step, own):
    draws = np.random.default_rng(0)
    history = [draws.normal(size=shape).astype(np.float32) for shape in shapes]
    state = SolverState(iteration, "näher/s.caffemodel", history, step, own)
    check_same(read_state(written(tmp_path_factory.mktemp("state"), end, state)), state)


def test_nets_of_thousands_of_layers(tmp_path):
    """HDF5's library then reads what it has written before."""
    state = SolverState(1, "s.caffemodel", [np.full(2, number, np.float32) for number in range(3000)])
    check_same(read_state(written(tmp_path, ENDS[1], state)), state)
    layers = [HDF5Layer(f"layer {number}", [array], [True]) for number, array in enumerate(state.history)]
    write_hdf5_model(tmp_path / "s.caffemodel.h5", layers)
    found = {name: arrays for name, _, arrays in read_caffemodel(tmp_path / "s.caffemodel.h5").blobs}
    assert all(found[f"layer {number}"][0].tolist() == [number, number] for number in range(3000))


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of files")
@pytest.mark.parametrize("size", [100, 3000, 40_000, 399_000, 401_000])
def test_a_full_disk_is_an_error_of_this_package(tmp_path, size):
    """Of every place where the library may notice it."""
    command = [sys.executable, "-c", LIMITED, str(size), str(tmp_path / "s.h5")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(PACKAGES)})
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/s.h5: cannot be written: File too large\n"), done.stderr
    assert not list(tmp_path.iterdir())


@needs_shared
def test_a_state_of_real_caffe():
    found = read_state(SOLVERS / "snapshot_hdf5" / "snap_iter_10.solverstate.h5")
    assert (found.iteration, found.current_step, found.own) == (10, 0, "")
    assert found.learned_net.endswith("snap_iter_10.caffemodel.h5")
    assert {array.dtype for array in found.history} == {np.dtype("f4")}
    assert any(array.any() for array in found.history)


@pytest.mark.parametrize(("end", "count"), [("solverstate", 2000), ("solverstate.h5", 40)])
def test_damaged_states_are_errors_or_read(tmp_path, end, count):
    path, draws, refused = written(tmp_path, end), random.Random(2), 0
    data = path.read_bytes()
    places = [at for at, byte in enumerate(data) if byte]  # most of an HDF5 file are zeros that nothing reads
    for _ in range(count):
        mutant = bytearray(data)
        for _ in range(draws.choice([1, 2, 8])):
            mutant[draws.choice(places)] = draws.choice([0, 1, 255, draws.randrange(256)])
        path.write_bytes(mutant[: draws.randrange(1, len(data))] if draws.randrange(4) == 0 else mutant)
        try:
            read_state(path)
        except InputError:
            refused += 1
    assert count / 8 < refused < count


def linked(file):
    file["history"]["0"] = h5py.ExternalLink("/etc/passwd", "x")


def external(file):
    file["history"].create_dataset("0", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def virtual(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,), "f4")
    file["history"].create_virtual_dataset("0", layout)


def shared(file):
    file["history"]["0"] = np.ones(1000, np.float32)
    for number in range(1, 20):
        file["history"][str(number)] = file["history"]["0"]


def replaced(name, value):
    def fill(file):
        del file[name]
        if value is not None:
            file[name] = value

    return fill


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (linked, "'0' is a link"),
        (external, "history 0 is stored in another file"),
        (virtual, "history 0 is stored in another file"),
        (shared, "has datasets that share their numbers"),
        (replaced("iter", None), "without iter and history"),
        (replaced("iter", np.float32([3])), "has a member 'iter' that is not one value"),
        (replaced("iter", np.int32([3, 4])), "has a member 'iter' that is not one value"),
        (replaced("iter", np.int32([-3])), "is of iteration -3"),
        (replaced("history", np.float32([3])), "without iter and history"),
        (replaced("learned_net", np.int32([1])), "has a member 'learned_net' that is not one value"),
        (lambda file: file["history"].create_dataset("1", data=np.ones(2, "f4")), "has no history 0"),
        (lambda file: file["history"].create_group("0"), "history 0 is not a dataset"),
        (lambda file: file["history"].create_dataset("0", data=[1, 2]), "history 0 is of the type 'int64'"),
        (lambda file: file["history"].create_dataset("0", (1 << 40,), "f4", chunks=(9,)), "is stored in chunks"),
        (lambda file: file["history"].create_dataset("0", (1 << 40,), "f4"), "but not its numbers"),
    ],
)  # fmt: skip
def test_hostile_and_wrong_states_are_refused(tmp_path, fill, message):
    path = written(tmp_path, ENDS[1], SolverState(1, "s.caffemodel", []))
    with h5py.File(path, "r+") as file:
        fill(file)
    with pytest.raises(InputError, match=message):
        read_state(path)


def test_a_state_that_hdf5s_library_dies_of_is_damaged(tmp_path, monkeypatch):
    path = written(tmp_path, ENDS[1])
    (tmp_path / "script.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setattr(hdf5_offsets, "__file__", str(tmp_path / "script.py"))
    with pytest.raises(InputError, match="is a damaged HDF5 file"):
        read_state(path)


def test_without_h5py_it_says_what_to_install(tmp_path, monkeypatch):
    path = written(tmp_path, ENDS[1])
    monkeypatch.setitem(sys.modules, "h5py", None)
    for run in (lambda: read_state(path), lambda: write_state(path, STATE)):
        with pytest.raises(UsageError, match=r"h5py: pip install 'caffe64\[hdf5\]'"):
            run()
