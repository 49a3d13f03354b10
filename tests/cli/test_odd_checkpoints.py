"""Checkpoints whose archive is whole and whose fields are anything: a run goes on, or says in a line what is wrong."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caffe64.formats.checkpoint import read_checkpoint

TRAIN = "train net.txt w.bin optim.txt 400 X.txt Y.txt --resume odd.ckpt --log log.csv"

numbers = st.one_of(
    st.integers(-3, 45),
    st.sampled_from([2**31, 2**53, 2**53 + 1, 2**63, 2**64 - 1, 2**64, 10**30, 10**400, -1]),
    st.floats(),
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=3)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
RECORD_FIELDS = ["epoch", "loss", "rate", "seconds", "minibatches", "validation_loss", "more"]


@st.composite
def oddities(draw):
    """What to change: fields of the header, of the optimizer and of a record (None: leave out), and whole arrays."""
    fields = draw(
        st.dictionaries(
            st.sampled_from(["seed", "shuffle", "rows", "epoch", "step", "rate", "history", "network", "more"]),
            anything | numbers | st.just(...),
            max_size=2,
        )
    )
    record = draw(st.dictionaries(st.sampled_from(RECORD_FIELDS), anything | numbers | st.just(...), max_size=2))
    optimizer = draw(
        st.dictionaries(
            st.sampled_from(["rate", "step", "factor", "decay", "momentum", "epochs", "more"]), anything, max_size=1
        )
    )
    dtype = st.sampled_from([np.float32, np.float64, np.float16, np.int64, np.uint8, bool, ">f4"])
    kinds = st.tuples(dtype, st.sampled_from([1, 0, -1, 3]))
    arrays = draw(st.dictionaries(st.sampled_from(["parameters", "velocity", "losses"]), kinds, max_size=1))
    return fields, record, optimizer, arrays


def replaced(values: dict, changes: dict) -> dict:
    return {name: value for name, value in (values | changes).items() if value is not ...}


def write_odd(data: bytes, fields, record, optimizer, arrays) -> None:
    members = dict(np.load(io.BytesIO(data)).items())
    header = json.loads(members["header"].tobytes())
    header["history"] = [*header["history"][:-1], replaced(header["history"][-1], record)]
    header["optimizer"] = replaced(header["optimizer"], optimizer)
    members["header"] = np.frombuffer(json.dumps(replaced(header, fields)).encode(), np.uint8)
    for name, (dtype, longer) in arrays.items():
        members[name] = np.resize(members[name], max(0, members[name].size + longer - 1)).astype(dtype)
    with open("odd.ckpt", "wb") as file:
        np.savez(file, **members)


@pytest.fixture
def whole(cli, task) -> bytes:
    (task / "optim.txt").write_text("0.1 1 2 0.0001 0.9 1")
    assert cli("train net.txt w.bin optim.txt 400 X.txt Y.txt --checkpoint run.ckpt").exit_code == 0
    (task / "optim.txt").write_text("0.05 1 2 0.0001 0.9 2")  # another schedule: the rate is computed anew
    return (task / "run.ckpt").read_bytes()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(oddities())
def test_any_fields_are_read_or_refused_in_one_line(whole, cli, odd):
    write_odd(whole, *odd)
    result = cli(TRAIN)
    lines = [line for line in result.stderr.splitlines() if "error" in line]
    # 2: another net or number of rows; 5: a rate that diverges
    assert result.exit_code in (0, 2, 3, 5), result.stderr
    assert len(lines) == (result.exit_code != 0)
    assert "Error:" not in result.stderr


def test_a_checkpoint_of_other_parameters_than_its_nets_is_refused(whole, cli):
    state = read_checkpoint("run.ckpt")
    write_odd(whole, {}, {}, {}, {"parameters": (np.float32, 2), "velocity": (np.float32, 2)})
    result = cli(TRAIN)
    assert result.exit_code == 3
    size = state.parameters.size
    assert f"error: the checkpoint: holds {size + 1} parameters, expected {size}, as its net has\n" in result.stderr


def test_a_rate_that_overflows_on_the_way_is_infinite(whole, cli):
    write_odd(whole, {"epoch": 2**52, "history": []}, {}, {}, {})
    result = cli(TRAIN)  # whose schedule doubles the rate 2**52 times
    assert result.exit_code == 0
    assert "already finished at epoch 4503599627370496" in result.stderr
