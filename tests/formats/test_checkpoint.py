import dataclasses
import io
import json
import re
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffe64.errors import FileMissing, InputError
from caffe64.formats.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from caffe64.formats.optimizer import Optimizer

CHECKPOINT = Checkpoint(
    network="3\ninp 2 10\nlin 3 -1\nsce\n",
    optimizer=Optimizer(0.1, 5, 0.1, 1e-5, 0.9, 15),
    seed=7,
    shuffle=True,
    rows=100,
    epoch=2,
    step=3,
    rate=0.1 * 0.1,
    parameters=np.arange(9, dtype=np.float32),
    velocity=np.full(9, 0.1, np.float32),
    losses=np.array([0.1, 0.2, 0.1 + 0.2]),
    history=[{"epoch": 1, "loss": 0.1 + 0.2, "rate": 0.1, "seconds": 1.5, "accuracy": None}],
)
RECORD = CHECKPOINT.history[0]


def contents(checkpoint):
    """All fields, comparable."""
    values = {field.name: getattr(checkpoint, field.name) for field in dataclasses.fields(checkpoint)}
    return {
        name: (value.dtype, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value
        for name, value in values.items()
    }


@pytest.fixture
def data(tmp_path):
    write_checkpoint(tmp_path / "run.ckpt", CHECKPOINT)
    return (tmp_path / "run.ckpt").read_bytes()


def changed(data, fields=None, **arrays):
    """The bytes of a checkpoint with some fields of the header or whole arrays replaced; None leaves one out."""
    members = dict(np.load(io.BytesIO(data)).items()) | arrays
    if fields:
        header = json.loads(members["header"].tobytes()) | fields
        header = {name: value for name, value in header.items() if value is not ...}
        members["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    file = io.BytesIO()
    np.savez(file, **{name: array for name, array in members.items() if array is not None})
    return file.getvalue()


def test_a_checkpoint_reads_back_to_the_last_bit(data, write):
    assert contents(read_checkpoint(write(data))) == contents(CHECKPOINT)
    assert contents(read_checkpoint(write(changed(data)))) == contents(CHECKPOINT)  # so `changed` alone breaks nothing


BEST = dataclasses.replace(CHECKPOINT, best_epoch=1, best=np.linspace(-1, 1, 9, dtype=np.float32))


def test_the_weights_of_the_best_epoch_are_a_member_where_they_are_kept(tmp_path, data):
    write_checkpoint(tmp_path / "best.ckpt", BEST)
    assert contents(read_checkpoint(tmp_path / "best.ckpt")) == contents(BEST)
    assert sorted(np.load(tmp_path / "best.ckpt")) == ["best", "header", "losses", "parameters", "velocity"]
    assert b"best" not in data


@pytest.mark.parametrize(
    ("fields", "arrays", "message"),
    [
        ({}, {"best": None}, "is not a checkpoint: it has no best.npy"),
        ({"best_epoch": 2}, {}, "has a damaged header: epoch 2, the best, is not in its history"),
        ({"best_epoch": -1}, {}, "has a damaged header: best_epoch is '-1'"),
        ({"best_epoch": 1.0}, {}, "has a damaged header: best_epoch is '1.0'"),
        ({}, {"best": np.zeros(8, np.float32)}, "its best array is wrong, expected 9 finite numbers of float32"),
        ({}, {"best": np.zeros(9)}, "its best array is wrong, expected 9 finite numbers of float32"),
        ({}, {"best": np.full(9, np.nan, np.float32)}, "its best array is wrong"),
    ],
)
def test_best_weights_that_do_not_fit_are_refused(tmp_path, write, fields, arrays, message):
    write_checkpoint(tmp_path / "best.ckpt", BEST)
    with pytest.raises(InputError, match=re.escape(message)):
        read_checkpoint(write(changed((tmp_path / "best.ckpt").read_bytes(), fields, **arrays)))


finite = st.floats(0, allow_nan=False, allow_infinity=False)


@given(finite, st.integers(0, 2**64 - 1), st.lists(finite, max_size=4), st.booleans())
def test_any_numbers_read_back_to_the_last_bit(tmp_path_factory, rate, seed, losses, shuffle):
    path = tmp_path_factory.mktemp("checkpoint") / "run.ckpt"
    checkpoint = dataclasses.replace(
        CHECKPOINT,
        rate=rate,
        seed=seed,
        shuffle=shuffle,
        step=len(losses),
        losses=np.array(losses),
        epoch=4,
        history=[RECORD | {"epoch": number, "loss": loss} for number, loss in enumerate(losses, 1)],
    )
    write_checkpoint(path, checkpoint)
    assert contents(read_checkpoint(path)) == contents(checkpoint)


def test_numpy_numbers_are_written_as_numbers(tmp_path):
    checkpoint = dataclasses.replace(
        CHECKPOINT, epoch=np.int64(2), rate=np.float32(0.5), history=[RECORD | {"loss": np.float32(0.5)}]
    )
    write_checkpoint(tmp_path / "run.ckpt", checkpoint)
    back = read_checkpoint(tmp_path / "run.ckpt")
    assert (back.epoch, back.rate, back.history) == (2, 0.5, [RECORD | {"loss": 0.5}])


def test_the_bytes_do_not_depend_on_the_time(data, tmp_path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1e9)
    monkeypatch.setattr("time.localtime", lambda *seconds: (2001, 9, 9, 1, 46, 40, 6, 252, 0))
    write_checkpoint(tmp_path / "later", CHECKPOINT)
    assert (tmp_path / "later").read_bytes() == data


def test_numpy_can_load_a_checkpoint(data):
    members = np.load(io.BytesIO(data), allow_pickle=False)
    assert sorted(members) == ["header", "losses", "parameters", "velocity"]
    assert json.loads(members["header"].tobytes())["format"] == "caffe64 checkpoint"


def test_every_cut_is_refused(data, assert_refuses_every_cut):
    assert_refuses_every_cut(read_checkpoint, data)


def test_a_flipped_bit_is_found_or_harmless(data, write):
    rng = np.random.default_rng(8)
    refused = 0
    for at in range(0, len(data), 2):
        damaged = bytearray(data)
        damaged[at] ^= 1 << rng.integers(8)
        try:
            assert contents(read_checkpoint(write(damaged))) == contents(CHECKPOINT)
        except InputError:
            refused += 1
    assert refused > len(data) / 2 * 0.7  # the rest are dates and attributes, which mean nothing here


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"format": "something"}, "was written by ('something', 1), expected ('caffe64 checkpoint', 1)"),
        ({"version": 2}, "was written by ('caffe64 checkpoint', 2), expected ('caffe64 checkpoint', 1)"),
        ({"network": "1\nrel"}, "has a damaged header: "),
        ({"network": 5}, "has a damaged header: "),
        ({"optimizer": {"rate": 1}}, "has a damaged header: "),
        ({"optimizer": dataclasses.asdict(CHECKPOINT.optimizer) | {"rate": -1}}, "has a damaged header: "),
        ({"rows": -1}, "has a damaged header: rows is '-1'"),
        ({"epoch": True}, "has a damaged header: epoch is 'True'"),
        ({"epoch": 1.5}, "has a damaged header: epoch is '1.5'"),
        ({"shuffle": 1}, "has a damaged header: shuffle is '1'"),
        ({"rate": float("nan")}, "has a damaged header: rate is 'nan'"),
        ({"history": {}}, "has a damaged header: history is '{}'"),
        ({"seed": ...}, "has a damaged header: its fields are network, optimizer, "),
        ({"extra": 1}, "has a damaged header: its fields are network, optimizer, "),
        ({"seed": -1}, "has a damaged header: seed is '-1'"),
        ({"seed": 2**64}, "has a damaged header: seed is '18446744073709551616'"),
        ({"epoch": -1}, "has a damaged header: epoch is '-1'"),
        ({"epoch": 10**30}, "has a damaged header: epoch is '1000000000000000000000000000000'"),
        ({"rows": 0}, "has a damaged header: rows is '0'"),
        ({"rate": [[[[[[[[[[[1]]]]]]]]]]]}, "has a damaged header: rate is '[[[[[[[...]]]]]]]'"),
        ({"step": 10}, "has a damaged header: 10 minibatches of an epoch are done, expected less than the 10 that"),
        ({"rows": 9}, "has a damaged header: 3 minibatches of an epoch are done, expected less than the 0 that"),
        ({"history": [5]}, "has a damaged header: record 1 of its history is '5', expected one with epoch, loss, "),
        ({"history": [{"epoch": 1}]}, "has a damaged header: record 1 of its history is \"{'epoch': 1}\", expected"),
        ({"history": [RECORD, RECORD]}, "has a damaged header: record 2 of its history is of epoch 1, expected one"),
        ({"history": [RECORD | {"epoch": 3}]}, "has a damaged header: record 1 of its history is of epoch 3, expected"),
        ({"history": [RECORD | {"epoch": 0}]}, "has a damaged header: record 1 of its history has the epoch '0'"),
        ({"history": [RECORD | {"loss": None}]}, "has a damaged header: record 1 of its history has the loss 'None'"),
        ({"history": [RECORD | {"loss": float("nan")}]}, "has a damaged header: record 1 of its history has the loss"),
        ({"history": [RECORD | {"rate": -1}]}, "has a damaged header: record 1 of its history has the rate '-1'"),
        ({"history": [RECORD | {"more": "a"}]}, "has a damaged header: record 1 of its history has the more \"'a'\""),
        ({"step": 4}, "is damaged: its losses array is wrong, expected 4 finite numbers of float64"),
    ],
)
def test_a_wrong_header_is_refused(data, error_of, header, message):
    assert error_of(read_checkpoint, changed(data, header)).startswith(message)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"velocity": np.zeros(8, np.float32)},
            "is damaged: its velocity array is wrong, expected 9 finite numbers of float32",
        ),
        ({"velocity": np.zeros((9, 1), np.float32)}, "is damaged: its velocity array is wrong"),
        ({"parameters": np.zeros(9)}, "is damaged: its parameters array is wrong"),
        ({"parameters": np.full(9, np.nan, np.float32)}, "is damaged: its parameters array is wrong"),
        ({"losses": None}, "is not a checkpoint: it has no losses.npy"),
        ({"header": np.frombuffer(b"[1]", np.uint8)}, "has a damaged header: "),
        ({"header": np.frombuffer(b"[" * 5000, np.uint8)}, "has a damaged header: "),
        ({"header": np.frombuffer(b"\xff{}", np.uint8)}, "has a damaged header: "),
    ],
)
def test_wrong_arrays_are_refused(data, error_of, arrays, message):
    assert error_of(read_checkpoint, changed(data, **arrays)).startswith(message)


def test_a_zip_bomb_is_refused_before_it_goes_off(error_of):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.npy", bytes(1 << 24))
    assert "header.npy is compressed or too large" in error_of(read_checkpoint, file.getvalue())


def test_other_files_are_refused(error_of, tmp_path):
    assert error_of(read_checkpoint, b"1 2 3").startswith("is not a checkpoint: File is not a zip file")
    assert error_of(read_checkpoint, b"").startswith("is not a checkpoint: File is not a zip file")
    with pytest.raises(FileMissing):
        read_checkpoint(tmp_path / "run.ckpt")


def test_what_adam_needs_reads_back_and_is_needed(tmp_path, write, error_of):
    adam = dataclasses.replace(
        CHECKPOINT,
        optimizer=Optimizer(0.1, 0, 1, 0, 0.9, 15, rule="adam", schedule="cosine", clip=2),
        second=np.full(9, 0.5, np.float32),
        updates=20,
        remainder=True,
        row_weights="ab12",
        scheduled=True,
        rows=95,
    )
    write_checkpoint(tmp_path / "adam.ckpt", adam)
    data = (tmp_path / "adam.ckpt").read_bytes()
    assert contents(read_checkpoint(tmp_path / "adam.ckpt")) == contents(adam)
    assert error_of(read_checkpoint, changed(data, second=None)) == "is not a checkpoint: it has no second.npy"
    wrong = changed(data, second=np.ones(8, np.float32))
    assert (
        error_of(read_checkpoint, wrong)
        == "is damaged: its second array is wrong, expected 9 finite numbers of float32"
    )
    for fields in ({"updates": -1}, {"remainder": 1}, {"row_weights": 5}, {"scheduled": "yes"}):
        assert error_of(read_checkpoint, changed(data, fields)).startswith(
            f"has a damaged header: {next(iter(fields))} is"
        )
    assert read_checkpoint(write(changed(data, {"step": 3}))).step == 3
