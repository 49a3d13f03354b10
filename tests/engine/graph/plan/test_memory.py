"""The arena: what is alive stays, nothing else is read, little is wasted, and a run allocates nothing."""

from __future__ import annotations

import re
import tracemalloc
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import data, graph_of, layer
from reference.plans import NAN_BYTE, REAL_NETS, draw_inputs, real_net, run_plan, same_bits
from reference.random_nets import MORE, OTHERS, net_of, steps
from support import assert_close, needs_shared

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.plan import Plan
from caffe64.engine.graph.plan.plan import ARENA_LIMIT
from caffe64.engine.graph.plan.storage import Memory, assign_offsets
from caffe64.engine.graph.reference import Interpreter
from caffe64.errors import InputError

real_nets = pytest.mark.parametrize("name", REAL_NETS)
WASTE = 1.3  # of the arena, to what lives at the same time at the worst
SMALL = 20_000  # bytes that a run may allocate: a few Python objects
TIMES = 500  # more for each action, whose time is kept


def run_poisoned(plan, inputs):
    """The outputs of a run, before each action of which all memory that is not alive is NaN, scratch too."""
    everything = np.ones(plan.arena.size, bool)
    plan.arena.fill(NAN_BYTE)
    for blob, x in inputs.items():
        plan.inputs[blob][...] = x
    for number in range(len(plan.actions) + 1):
        dead = everything.copy()
        for memory in plan.memories:
            if memory.first < max(number, 1) and memory.last >= number:  # inputs are there before the first action
                dead[memory.offset : memory.offset + memory.size] = False
        plan.arena[dead] = NAN_BYTE
        if number < len(plan.actions):
            plan.run_action(number)
    return {blob: values.copy() for blob, values in plan.outputs.items()}


def check_offsets(plan):
    """Memories that live at the same time lie apart, inside the arena; the figures of `bytes` are theirs."""
    for one, other in combinations(plan.memories, 2):
        if one.first <= other.last and other.first <= one.last:
            first, second = sorted((one, other), key=lambda each: each.offset)
            assert first.offset + first.size <= second.offset, (vars(one), vars(other))
    assert all(memory.offset >= 0 for memory in plan.memories)
    ends = [memory.offset + memory.size for memory in plan.memories]
    alive = [
        sum(memory.size for memory in plan.memories if memory.first <= number <= memory.last)
        for number in range(len(plan.actions) + 1)
    ]
    assert (plan.bytes.arena, plan.bytes.live) == (max(ends), max(alive))
    assert plan.bytes.live <= plan.bytes.arena
    assert plan.bytes.arena + plan.bytes.scratch <= plan.arena.nbytes


def check_lives(plan, inputs):
    """All that an action reads and writes lives at that time, and nothing else is needed."""
    for number, action in enumerate(plan.actions):
        for storage in (*action.bottoms, *action.tops):
            assert storage.memory.first <= number <= storage.memory.last
            assert storage.size <= storage.memory.size
    expected = run_plan(plan, inputs)
    assert same_bits(run_poisoned(plan, inputs), expected)
    return expected


@cache
def real_plan(name, fuse=True):
    return Plan(real_net(name), fuse=fuse)


@settings(max_examples=80)
@given(
    chosen=steps({**OTHERS, **MORE}),
    channels=st.sampled_from([3, LANES, 2 * LANES, 2 * LANES + 1]),
    fuse=st.booleans(),
    threads=st.integers(1, 2),
)
def test_random_nets_read_only_what_is_alive(chosen, channels, fuse, threads):
    graph = graph_of(data(f"2 {channels} 6 5"), *net_of(chosen, channels))
    inputs, plan = draw_inputs(graph), Plan(graph, fuse=fuse, threads=threads)
    check_offsets(plan)
    found, interpreter = check_lives(plan, inputs), Interpreter(graph)
    for blob, x in inputs.items():
        interpreter.arrays[blob][...] = x
    interpreter.forward()
    for blob, values in found.items():
        expected = interpreter.arrays[blob]
        assert_close(blob.name, values, expected, 1e-4 * np.abs(expected).max())


@needs_shared
@real_nets
def test_real_nets_read_only_what_is_alive(name):
    plan = real_plan(name)
    check_offsets(plan)
    check_lives(plan, draw_inputs(plan.graph))


@needs_shared
@pytest.mark.parametrize("fuse", [True, False])
@real_nets
def test_real_nets_waste_little(name, fuse):
    plan = real_plan(name, fuse=fuse)
    print(f"\n{name}, fuse {fuse}: {plan.bytes}, arena / live {plan.bytes.arena / plan.bytes.live:.3f}")
    assert plan.bytes.arena <= WASTE * plan.bytes.live


@needs_shared
@real_nets
def test_a_run_allocates_nothing(name):
    plan = real_plan(name)
    run_plan(plan, draw_inputs(plan.graph))
    peaks = []
    for run in (plan.forward, plan.timed_forward):
        tracemalloc.start()
        run()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] <= SMALL < max(4 * np.prod(shape) for shape in plan.shapes.values())
    assert peaks[1] <= SMALL + TIMES * len(plan.actions)


def test_a_net_that_does_not_fit_is_refused_before_anything_is_allocated():
    copies = [layer(f"a{number}", "AbsVal", "data") for number in range(6)]
    graph = graph_of(data("2 3 8 8"), *copies, layer("s", "Eltwise", "a0 a1 a2 a3 a4 a5"))
    with pytest.raises(InputError, match=r"needs [0-9,]{14,} bytes for its blobs and scratch"):
        Plan(graph, {"data": (16, 3, 6000, 6000)})


sizes = st.tuples(st.integers(1, 9), st.integers(0, 12), st.integers(0, 5))


@settings(max_examples=200)
@given(sizes=st.lists(sizes, max_size=25))
def test_offsets_of_any_memories(sizes):
    memories = [Memory(size, first, first + more) for size, first, more in sizes]
    total = assign_offsets(memories, 1 << 20)
    taken = np.zeros((20, total), int)
    for memory in memories:
        taken[memory.first : memory.last + 1, memory.offset : memory.offset + memory.size] += 1
    assert taken.max(initial=0) <= 1
    assert total == max((memory.offset + memory.size for memory in memories), default=0)
    assert total <= sum(memory.size for memory in memories)


def test_a_limit_on_offsets():
    assert assign_offsets([Memory(3, 0, 1), Memory(4, 1, 2)], 7) == 7
    assert assign_offsets([Memory(3, 0, 1), Memory(4, 1, 2)], 9, 2) == 7
    for limit, besides in ((6, 0), (8, 2)):
        with pytest.raises(InputError):
            assign_offsets([Memory(3, 0, 1), Memory(4, 1, 2)], limit, besides)


def test_a_net_whose_scratch_is_too_large_is_refused_before_anything_is_allocated():
    """4 GiB per thread for the row of the intermediate result, at any number of lanes, beside blobs that would fit."""
    wide, threads = (1 << 30) // LANES, 64
    graph = graph_of(
        data(f"1 2 1 {wide}"),
        layer("d", "Convolution", "data", more="convolution_param { num_output: 2 group: 2 kernel_size: 1 }"),
        layer("p", "Convolution", "d", more="convolution_param { num_output: 1 kernel_size: 1 }"),
    )
    with pytest.raises(InputError, match="bytes for its blobs and scratch") as refusal:
        Plan(graph, threads=threads)
    needed = int(re.search(r"needs ([\d,]+) bytes", str(refusal.value))[1].replace(",", ""))
    scratch = threads * 4 * LANES * wide
    assert scratch < needed < scratch + ARENA_LIMIT
