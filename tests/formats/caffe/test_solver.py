"""Solver files: the values that Caffe dies of are refused with their line, those that it lives with are taken."""

from __future__ import annotations

import re

import pytest

from caffe64.errors import InputError
from caffe64.formats.caffe.solver import parse_solver

GOOD = {"net": '"net.prototxt"', "base_lr": 0.01, "lr_policy": '"fixed"', "max_iter": 20}
TESTED = {"test_iter": 5, "test_interval": 10}


def text_of(**changes: object) -> str:
    """The values changed, and last of all those that are new; None for a field that is left out."""
    return "".join(f"{name}: {value}\n" for name, value in (GOOD | changes).items() if value is not None)


@pytest.mark.parametrize(
    ("changes", "more", "message"),
    [
        ({}, "base_lr: 1", r'5:\d+: .*should not have multiple "base_lr" fields'),
        ({}, "colour: 1", "5:1: unknown field 'colour', expected a field of SolverParameter"),
        ({"base_lr": '"a"'}, "", r"2:10: Couldn.*t parse float"),
        ({"display": 1.5}, "", "5:"),
        ({"net": None}, "", "names no net, expected one of net, net_param, train_net and train_net_param"),
        ({}, 'train_net: "a"', "5:1: has net and train_net"),
        ({}, "net_param {}", "has net and net_param"),
        (TESTED, 'test_net: "a" test_net: "b"', "5:1: has 1 test_iter, expected 2, one per test net, or more"),
        ({"net": None, "train_net": '"a"'} | TESTED, "", "has 1 test_iter, expected 0, one per test net"),
        (TESTED, "test_state {} test_state {}", "7:1: has 2 test_state, expected 1"),
        (TESTED | {"test_interval": None}, "", "test_interval: 0, expected a positive number, with test nets"),
        (TESTED | {"test_interval": -1}, "", "6:1: test_interval: -1"),
        (TESTED | {"test_iter": -1}, "", "5:1: test_iter: -1, expected numbers from 0"),
        ({"lr_policy": None}, "", "has no lr_policy, expected one of fixed, step, exp, inv, multistep, poly, sigmoid"),
        ({"lr_policy": '"cosine"'}, "", "3:1: lr_policy: 'cosine'"),
        ({"lr_policy": '"step"', "gamma": 0.1}, "", "stepsize: 0, expected positive, for lr_policy step"),
        ({"lr_policy": '"sigmoid"', "gamma": 0.1, "stepsize": -3}, "", "6:1: stepsize: -3"),
        *(
            ({"lr_policy": f'"{policy}"', "stepsize": 2, "gamma": gamma}, "", f"6:1: gamma: {gamma}")
            for policy in ("step", "exp", "inv", "multistep", "sigmoid")
            for gamma in (-0.1, "nan")
        ),
        ({"type": '"Adagrad"'}, "", "5:1: type: 'Adagrad', expected one of SGD, Nesterov, AdaGrad"),
        ({"solver_type": "LBFGS"}, "", "5:1: solver_type: 'LBFGS' is unknown"),
        ({"type": '"SGD"', "solver_type": "SGD"}, "", "6:1: has both solver_type and type"),
        ({"type": '"AdaGrad"', "momentum": 0.9}, "", "6:1: momentum: 0.9, expected none, for AdaGrad"),
        ({"solver_type": "RMSPROP", "momentum": 0.9}, "", "6:1: momentum: 0.9, expected none, for RMSProp"),
        ({"type": '"RMSProp"', "rms_decay": 1}, "", "6:1: rms_decay: 1, expected from 0 up to below 1"),
        ({"type": '"RMSProp"', "rms_decay": -0.5}, "", "6:1: rms_decay: -0.5"),
        ({"weight_decay": 0.1, "regularization_type": '"L3"'}, "", "6:1: regularization_type: 'L3', expected L1 or L2"),
        ({"average_loss": 0}, "", "5:1: average_loss: 0, expected a number from 1"),
        ({"iter_size": 0}, "", "5:1: iter_size: 0, expected a number from 1"),
        ({"max_iter": -1}, "", "4:1: max_iter: -1, expected a number from 0"),
    ],
)  # fmt: skip
def test_what_caffe_dies_of_is_refused_with_its_line(changes, more, message):
    with pytest.raises(InputError) as found:
        parse_solver(text_of(**changes) + more + "\n", "s.prototxt")
    assert re.search(rf"^s\.prototxt:( |.*){message}", str(found.value)), str(found.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"base_lr": None},
        {"max_iter": None},
        {"lr_policy": '"step"', "stepsize": 1},
        {"lr_policy": '"multistep"'},
        {"lr_policy": '"poly"'},
        {"regularization_type": '"L3"'},
        {"solver_type": "ADAM", "momentum": 0.9},
        {"type": '"AdaDelta"', "rms_decay": 2},
        {"test_interval": 3},
        {"clip_gradients": 0},
        {"snapshot_prefix": '"no/where"'},
        {"layer_wise_reduce": "false", "device_id": 3},
    ],
)
def test_what_caffe_lives_with_is_taken(changes):
    parse_solver(text_of(**changes))
