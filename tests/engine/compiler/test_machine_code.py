"""Kernels that are kept run without Numba in the process; those that cannot are left to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from reference.child import run_json

from caffe64.cli.compiling import every_kernel
from caffe64.engine.compiler import jit, kernel_file, machine_code
from caffe64.engine.compiler.jit import F1, F1_IN, F2_IN, f32, f64, i64, kernel, void

TRAIN = """
import json, sys
import numpy as np
import caffe64
net = caffe64.Net("inp 9 8 / lin 7 -1 / rel / lin 6 -1 / smx / tnh / lin 4 -1 / sce")
X, Y = np.sin(np.arange(720)).reshape(80, 9), np.arange(80) % 4
loss = net.fit(X, Y, caffe64.Optimizer(0.1, 0, 1, 0, 0.5, 3), threads=2).loss
print(json.dumps([loss, net.predict(X).tolist(), sorted({"numba", "llvmlite.binding"} & set(sys.modules))]))
"""


def test_a_second_training_imports_neither_numba_nor_llvm_and_gives_the_same(tmp_path):
    settings = {"XDG_CACHE_HOME": tmp_path, "NUMBA_CACHE_DIR": None}
    *results, modules = run_json(TRAIN, **settings)
    assert "numba" in modules
    assert run_json(TRAIN, **settings) == [*results, []]


def test_no_kernel_of_a_plan_or_a_layer_is_left_to_numba():
    """A step that the compiler takes for one that may raise, by a range of a step that could be 0, or allocates: each
    process would import Numba for it. Of those that are kept here; `make test` compiles all of them before."""
    of_graphs = [each for each in every_kernel() if each.py_func.__module__.startswith("caffe64.engine.graph")]
    kept = {each.__name__: each.file.read() for each in of_graphs if each.file.path and each.file.path.exists()}
    assert [name for name, parts in kept.items() if parts and parts[0] is None] == []


@pytest.fixture
def again(tmp_path, monkeypatch):
    """again(function, signature): the kernel as a second process has it."""
    monkeypatch.setattr(kernel_file, "cache_directory", lambda: tmp_path)
    monkeypatch.setattr(jit, "KERNELS", [])

    def compile_twice(function, signature):
        kernel(signature)(function).compile()
        second = kernel(signature)(function)
        second.compile()
        assert second.compile_seconds == 0
        return second

    return compile_twice


def weigh(x, matrix, y, factor, scale, rows):
    total = 0.0
    for i in range(rows):
        for j in range(matrix.shape[1]):
            y[i] += factor * matrix[i, j] * x[j]
            total += scale * matrix[i, j]
    return total


def test_arrays_and_scalars_of_all_types_arrive(again):
    weighing = again(weigh, f64(F1_IN, F2_IN, F1, f32, f64, i64))
    assert "made" not in vars(weighing), "Numba was asked"
    x, matrix, y = np.arange(3, dtype=np.float32), np.arange(12, dtype=np.float32).reshape(4, 3), np.ones(4, np.float32)
    x.flags.writeable = False
    assert weighing.run(x, matrix, y, 0.5, 2.0, 3) == 2 * matrix[:3].sum()
    np.testing.assert_array_equal(y, 1 + 0.5 * (matrix @ x) * [1, 1, 1, 0])


def fill(y):
    for i in range(y.size):
        y[i] = 1


@pytest.mark.parametrize(
    "wrong",
    [[1.0, 2.0], np.zeros(4), np.zeros((2, 2), np.float32), np.zeros(8, np.float32)[::2], np.zeros(4, np.int32)],
    ids=["list", "float64", "2d", "strided", "int32"],
)
def test_other_arrays_are_refused(again, wrong):
    with pytest.raises(TypeError, match=r"expected array\(float32, 1d, C\), got"):
        again(fill, void(F1)).run(wrong)


def test_an_array_that_must_not_be_written_is_refused(again):
    fixed = np.zeros(4, np.float32)
    fixed.flags.writeable = False
    with pytest.raises(TypeError, match="readonly"):
        again(fill, void(F1)).run(fixed)
    assert not fixed.any()


def refuse(x):
    if x.size > 3:
        raise ValueError("too long")
    return x.size


def allocate(x):
    return np.empty(x.size).size


@pytest.mark.parametrize("function", [refuse, allocate])
def test_a_kernel_that_needs_pythons_memory_or_exceptions_is_left_to_numba(again, function):
    made = again(function, i64(F1_IN))
    assert "made" in vars(made)
    assert made.run(np.zeros(3, np.float32)) == 3


def test_an_exception_reaches_the_caller(again):
    with pytest.raises(ValueError, match="too long"):
        again(refuse, i64(F1_IN)).run(np.zeros(4, np.float32))


def test_code_for_a_function_that_the_c_library_lacks_is_not_loaded():
    assert machine_code.load((b"\xc3" * 64, 0, (), ((8, "no_such_function"),))) is None
    assert machine_code.load((b"\xc3" * 64, 0, (), ((8, "sched_yield"),))) > 0


def test_an_object_file_of_another_compiler_gives_the_same_code_or_none(tmp_path):
    """What LLVM emits in the small code model has other relocations: it is refused, not misread."""
    import llvmlite.binding as llvm

    text = """
        declare i64 @strlen(ptr)
        define i64 @twice(ptr %x) { %n = call i64 @strlen(ptr %x)  %m = add i64 %n, %n  ret i64 %m }
    """
    triple = llvm.get_process_triple()
    for model, loads in (("large", True), ("small", False)):
        machine = llvm.Target.from_triple(triple).create_target_machine(codemodel=model, reloc="static")
        found = machine_code._from_object(machine.emit_object(llvm.parse_assembly(text)), "twice")
        assert (found is not None) == loads
        if found:
            call = machine_code.ctypes.CFUNCTYPE(machine_code.ctypes.c_int64, machine_code.ctypes.c_char_p)
            assert call(machine_code.load(found))(b"seven") == 10


def test_memory_of_code_is_not_writable(again):
    address = again(fill, void(F1)).address
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(end, 16) for end in line.split()[0].split("-"))
        if first <= address < last:
            assert line.split()[1].startswith("r-x")
            return
    raise AssertionError("the code is nowhere")
