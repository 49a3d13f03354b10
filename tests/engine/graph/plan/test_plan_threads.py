"""Plans and threads: the same bits from any number of them, several plans at a time, other processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import plan_children
from reference.caffe_graphs import data, graph_of
from reference.child import run_json
from reference.plans import draw_inputs, real_net, run_plan, same_bits
from reference.random_nets import MORE, OTHERS, net_of, steps
from support import needs_shared

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.plan import Plan


def check_threads(graph, **options):
    """The same from 1, 2 and 3 threads, several times each."""
    inputs = draw_inputs(graph)
    plans = [Plan(graph, threads=threads, **options) for threads in (1, 2, 3)]
    expected = run_plan(plans[0], inputs)
    for plan in plans:
        assert all(same_bits(run_plan(plan, inputs), expected) for _ in range(3))


@settings(max_examples=40)
@given(chosen=steps({**OTHERS, **MORE}), channels=st.sampled_from([3, LANES, 4 * LANES]), pictures=st.integers(1, 3))
def test_random_nets(chosen, channels, pictures):
    check_threads(graph_of(data(f"{pictures} {channels} 9 8"), *net_of(chosen, channels)))


@needs_shared
@pytest.mark.parametrize("name", ["resnet18_deploy", "mobilenet_v1_deploy", "cifar10_full_train_test"])
def test_real_nets(name):
    check_threads(real_net(name))


def test_two_plans_at_the_same_time():
    """Each of two Python threads has a plan of its own, whose team is larger than it could be alone."""
    expected = plan_children.new_results(1)
    plans = [Plan(plan_children.several_kinds(), threads=2) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(plan_children.results, plan, 60) for plan in plans]
        assert [each.result(plan_children.PATIENCE) for each in found] == [expected, expected]


MORE_THREADS_THAN_CPUS = """
import json, os
from concurrent.futures import ThreadPoolExecutor
from reference import plan_children
from caffe64.engine.graph.plan import Plan
threads = os.cpu_count() + 2
plans = [Plan(plan_children.several_kinds(), threads=threads) for _ in range(3)]
with ThreadPoolExecutor(3) as pool:
    found = list(pool.map(plan_children.results, plans))
print(json.dumps([each == plan_children.new_results(1) for each in found]))
"""


def test_more_threads_than_cpus():
    """Threads of a team wait for each other: none may wait for another one's end. In a process that can be ended."""
    assert run_json(MORE_THREADS_THAN_CPUS, timeout=plan_children.PATIENCE) == [True, True, True]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_started_after_a_run(method):
    expected = plan_children.new_results(2)
    assert plan_children.in_process(method, plan_children.new_results, 2) == expected


def test_a_forked_process_goes_on_with_its_parents_plans(monkeypatch):
    plans = [Plan(plan_children.several_kinds(), threads=threads) for threads in (1, 2)]
    expected = [plan_children.results(plan) for plan in plans]
    monkeypatch.setattr(plan_children, "inherited", plans)
    assert plan_children.in_process("fork", plan_children.inherited_results) == expected
    assert [plan_children.results(plan) for plan in plans] == expected


@pytest.mark.parametrize("threads", [1, 2])
def test_timed_runs_and_single_actions_give_the_same(threads):
    plan = Plan(plan_children.several_kinds(), threads=threads)
    inputs = draw_inputs(plan.graph)
    expected = run_plan(plan, inputs)

    def write():
        for blob, x in inputs.items():
            plan.inputs[blob][...] = x

    write()
    whole, shares = plan.timed_forward()
    assert same_bits(plan.outputs, expected)
    assert {node for owner, _ in shares if owner for node in owner.nodes} == set(plan.graph.nodes[1:])
    assert all(share >= 0 for share in shares.values())
    assert 0 < sum(shares.values()) <= whole
    write()
    for number in range(len(plan.actions)):
        plan.run_action(number)
    assert same_bits(plan.outputs, expected)
