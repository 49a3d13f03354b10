"""The compile cache: what it keeps between processes, when it must not be believed, where it lies."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from reference.caching import RECTIFIED, RELU, REPORT, kept, run
from reference.child import TESTS, run_python

from caffe64.engine.compiler import jit, kernel_file, sealed
from caffe64.engine.compiler.cpu import LANES  # noqa: F401 (found out once, and kept beside the kernels: not in a test's folder)

ROOT = TESTS.parent
TRAIN = REPORT.format(
    work="""
    import hashlib
    import caffe64
    net = caffe64.Net("inp 9 8 / lin 7 -1 / rel / lin 6 -1 / smx / tnh / lin 4 -1 / sce")
    X, Y = np.sin(np.arange(720)).reshape(80, 9), np.arange(80) % 4
    loss = net.fit(X, Y, caffe64.Optimizer(0.1, 0, 1, 0, 0.5, 3)).loss[-1]
    result = [loss, hashlib.sha256(net.parameters.tobytes() + net.predict(X).tobytes()).hexdigest()]
"""
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A cache that two processes filled at once, and what both reported."""
    home = tmp_path_factory.mktemp("cache")
    environment = {**os.environ, "XDG_CACHE_HOME": str(home), "PYTHONPATH": str(TESTS)}
    environment.pop("NUMBA_CACHE_DIR", None)
    start = lambda: subprocess.Popen([sys.executable, "-c", TRAIN], env=environment, stdout=subprocess.PIPE)  # noqa: E731
    processes = [start(), start()]
    reports = [json.loads(process.communicate(timeout=300)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return home, reports


def test_two_processes_may_fill_one_cache_at_once(trained):
    home, (one, other) = trained
    assert one["result"] == other["result"]
    assert one["seconds"] > 0
    files = {path.name for path in Path(one["directory"]).iterdir()}
    kernels = {path.name for path in kept(home)}
    assert files == kernels | {"lanes"}, "something was left beside the kernels and the CPU's width"
    assert len(kernels) == one["used"]


def test_a_second_process_compiles_nothing(trained):
    home, (first, _) = trained
    second = run(TRAIN, home)
    assert (second["seconds"], second["functions"]) == (0, 0)
    assert first["functions"] > 0
    for name in ("directory", "used", "result"):
        assert second[name] == first[name]


# ----------------------------------------------------------------------------------------------- damage
@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """fresh() is a new kernel, as another process would have it; its file lies in tmp_path."""
    monkeypatch.setattr(kernel_file, "cache_directory", lambda: tmp_path)
    kernel_file._warn_once.cache_clear()
    monkeypatch.setattr(jit, "KERNELS", [])
    return lambda: jit.kernel(jit.f32(jit.f32))(add_one)


def add_one(x):
    return x + np.float32(1)


def flip(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def seal(payload: bytes, path: Path) -> bytes:
    """A cache file as it would be at `path`."""
    name = f"{path.parent.name}/{path.name}\0".encode()
    return sealed.SEAL_MAGIC + hashlib.sha256(name + payload).digest() + payload


DAMAGE = {
    "empty": lambda data, path: b"",
    "short": lambda data, path: data[:20],
    "truncated": lambda data, path: data[:-1],
    "longer": lambda data, path: data + b"\0",
    "garbage": lambda data, path: b"\x80garbage" * 1000,
    "other_magic": lambda data, path: flip(data, 7),
    "flipped_checksum": lambda data, path: flip(data, 20),
    "flipped_first": lambda data, path: flip(data, 40),
    "flipped_middle": lambda data, path: flip(data, len(data) // 2),
    "flipped_last": lambda data, path: flip(data, len(data) - 1),
    "no_pickle": lambda data, path: seal(b"nothing", path),
    "other_object": lambda data, path: seal(pickle.dumps([1, 2, 3]), path),
    "other_kernel": lambda data, path: seal(data[40:], path.with_name(f"other{path.name}")),
    "other_cpu": lambda data, path: seal(data[40:], path.parent.with_name("other") / path.name),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_removed_and_rebuilt(damage, fresh, tmp_path):
    first = fresh()
    assert first(2) == 3
    assert first.compile_seconds > 0
    (file,) = kept(tmp_path)
    good = file.read_bytes()
    file.write_bytes(DAMAGE[damage](good, file))
    assert file.read_bytes() != good

    again = fresh()
    assert again(2) == 3
    assert again.compile_seconds > 0
    assert kept(tmp_path) == list(tmp_path.iterdir()) == [file]

    third = fresh()
    assert third.is_ready
    assert third(2) == 3
    assert third.compile_seconds == 0


def test_compiling_does_not_look_for_garbage(fresh):
    dispatcher, phases = fresh().made, []
    gc.callbacks.append(note := lambda phase, info: phases.append(phase))
    try:
        dispatcher.compile()
    finally:
        gc.callbacks.remove(note)
    assert phases.count("start") <= 1  # when it may again
    assert gc.isenabled()


def test_a_file_is_not_unpickled_unless_its_checksum_fits(fresh, tmp_path):
    class Harmful:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    fresh()(2)
    (file,) = kept(tmp_path)
    file.write_bytes(flip(seal(pickle.dumps(Harmful()), file), 20))
    assert fresh()(2) == 3
    assert not (tmp_path / "executed").exists()


def test_a_kernel_is_ready_once_it_is_kept(fresh, tmp_path):
    assert not fresh().is_ready
    fresh()(2)
    assert fresh().is_ready
    (file,) = kept(tmp_path)
    file.unlink()
    assert not fresh().is_ready


def test_a_folder_that_vanished_is_made_again(fresh, tmp_path):
    made = fresh()
    assert made.file.path
    shutil.rmtree(tmp_path)
    assert made(2) == 3
    assert fresh().is_ready


COMPILE = """
import resource, signal, sys
from caffe64 import kernels
kernels.{0}.file.path
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for name in sys.argv[1:]:
    getattr(kernels, name).compile()
"""


def test_a_full_disk_costs_one_warning_however_many_kernels_are_not_kept(tmp_path):
    """The limit of a file's size stands in for the disk's."""
    names = ("rel_forward", "rel_backward", "sce_loss")
    settings = {"XDG_CACHE_HOME": tmp_path, "NUMBA_CACHE_DIR": None}
    done = run_python(COMPILE.format(names[0]), *names, **settings)
    assert done.stderr.count("compiled kernels are not kept in") == 1
    assert "File too large" in done.stderr
    assert not kept(tmp_path)


def test_the_machine_code_of_another_kernel_under_a_kernels_name_is_not_run(tmp_path):
    settings = {"XDG_CACHE_HOME": tmp_path, "NUMBA_CACHE_DIR": None}
    run(RELU, tmp_path)
    (relu,) = kept(tmp_path)
    run_python("from caffe64 import kernels; kernels.tnh_backward.compile()", **settings)
    (other,) = set(kept(tmp_path)) - {relu}
    shutil.copy(other, relu)
    assert run(RELU, tmp_path)["result"] == RECTIFIED


def test_of_a_kernels_old_files_a_few_are_kept(fresh, tmp_path):
    fresh()(2)
    (file,) = kept(tmp_path)
    old = [file.with_name(f"{file.stem[:-16]}{number:016x}.c64k") for number in range(9)]
    other = file.with_name(f"other.{file.name}")
    for age, path in enumerate([*old, other]):
        shutil.copy(file, path)
        os.utime(path, (time.time() - 90_000 - age,) * 2)
    file.unlink()
    fresh()(2)
    assert set(kept(tmp_path)) == {file, other, *old[:3]}


def test_a_folder_that_cannot_be_written_any_more_costs_one_warning(fresh, tmp_path):
    made = fresh()
    assert made.file.path
    shutil.rmtree(tmp_path)
    tmp_path.write_text("a file now")
    with pytest.warns(UserWarning, match="compiled kernels are not kept") as warned:
        assert made(2) == 3
    assert len(warned) == 1


# ------------------------------------------------------------------------------------------------- edits
@pytest.fixture
def copied(tmp_path):
    """A copy of the package, to be edited; (its folder, the settings with which a process imports it)."""
    package = tmp_path / "copy" / "caffe64"
    package.mkdir(parents=True)
    for path in ROOT.glob("*.py"):
        shutil.copy(path, package)
    for folder in ("engine", "formats"):
        shutil.copytree(ROOT / folder, package / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return package, {"PYTHONPATH": tmp_path / "copy"}


def test_an_edit_in_what_verbs_are_built_of_reaches_a_kernel_that_was_cached(copied, tmp_path):
    package, settings = copied
    first = run(RELU, tmp_path, **settings)
    assert first["result"] == RECTIFIED
    verbs = package / "engine" / "vectors" / "llvm.py"
    upright = verbs.read_text()
    verbs.write_text(upright.replace('fcmp_ordered(">", v, w)', 'fcmp_ordered("<", v, w)'))
    edited = run(RELU, tmp_path, **settings)
    assert edited["result"] == [[-2.0, 0.0, -1.0]]
    assert edited["seconds"] > 0

    verbs.write_text(upright)
    back = run(RELU, tmp_path, **settings)
    assert (back["result"], back["directory"], back["functions"]) == (RECTIFIED, first["directory"], 0)


def test_an_edit_of_what_no_kernel_uses_costs_no_compilation(copied, tmp_path):
    package, settings = copied
    first = run(RELU, tmp_path, **settings)
    for edited in ("formats/idx.py", "engine/products/gemm.py", "engine/graph/passes/drop_no_ops.py"):
        with (package / edited).open("a") as file:
            file.write("\nEDITED = True\n")
    again = run(RELU, tmp_path, **settings)
    assert (again["directory"], again["functions"]) == (first["directory"], 0)


USERS_KERNEL = """
from numba import types
from caffe64.engine.vectors import simd
from caffe64.engine.compiler.jit import F1, F1_IN, f32, kernel

@kernel(f32(F1_IN))
def extreme(x):
    return simd.reduce_add(simd.maximum(simd.load_part(x, 0, 2), simd.zeros()))
"""


def test_an_edit_of_a_users_own_kernel_reaches_it(tmp_path):
    """`maximum` and `minimum` give the same bytecode: only the names that it refers to differ."""
    code = REPORT.format(work="from users import extreme; result = extreme(np.array([2, -3], np.float32))")
    (tmp_path / "users.py").write_text(USERS_KERNEL)
    settings = {"PYTHONPATH": f"{tmp_path}:{ROOT.parent}", "PYTHONDONTWRITEBYTECODE": "1"}
    assert run(code, tmp_path, **settings)["result"] == 2
    assert run(code, tmp_path, **settings)["functions"] == 0
    (tmp_path / "users.py").write_text(USERS_KERNEL.replace("maximum", "minimum"))
    assert run(code, tmp_path, **settings)["result"] == -3


def test_a_kernel_of_a_notebook_or_a_prompt_is_compiled_anew(tmp_path):
    """No file holds it, so nothing would tell the edit from the kernel before."""
    for verb, extreme in (("maximum", 2), ("minimum", -3)):
        kernel = f"""names = {{"__name__": "__main__"}}; exec({USERS_KERNEL.replace("maximum", verb)!r}, names)"""
        code = REPORT.format(work=f"{kernel}; result = names['extreme'](np.array([2, -3], np.float32))")
        assert run(code, tmp_path)["result"] == extreme
    assert not kept(tmp_path)
