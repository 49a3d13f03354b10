"""demos/rank: its matrices have the rank they should, its net learns some of it, what it prints is what it draws."""

from __future__ import annotations

import importlib.util
import re

import numpy as np
import pytest
from reference import demo

Image = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def samples():
    """demos/rank/samples.py as a module."""
    spec = importlib.util.spec_from_file_location("rank_samples", demo.DEMOS / "rank" / "samples.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def accuracy(printed: str) -> tuple[float, float]:
    """Per cent right, per cent within one."""
    return tuple(map(float, re.search(r"accuracy ([\d.]+) %, within one ([\d.]+) %", printed).groups()))


def test_matrices_have_their_rank_and_sum_to_one(samples):
    X, Y = samples.make_samples(40, (5, 0), 2)
    assert X.shape == (400, 100)
    assert X.dtype == Y.dtype == np.float32
    np.testing.assert_allclose(X.sum(axis=1), 1, atol=1e-5)
    ranks = np.linalg.matrix_rank(X.reshape(-1, 10, 10), rtol=2e-6)  # float32 leaves 1e-7 of the largest
    assert (ranks == Y + 1).mean() > 0.99
    assert np.array_equal(np.bincount(Y.astype(int)), [40] * 10)


def test_matrices_depend_on_the_key_and_not_on_the_threads(samples, monkeypatch):
    monkeypatch.setattr(samples, "CHUNK", 7)  # so that there are several for each rank
    counts = []
    one, two = samples.make_samples(20, (1, 0), 1)[0], samples.make_samples(20, (1, 0), 2, counts.append)[0]
    assert np.array_equal(one, two)
    assert sum(counts) == 200
    assert len(np.unique(one, axis=0)) == 200
    for other in ((1, 1), (2, 0)):
        assert not np.isin(samples.make_samples(20, other, 1)[0], one).all(axis=1).any()


def test_standardised_entries_have_mean_0_and_deviation_1(samples):
    X, _ = samples.make_samples(300, (0, 0), 1)
    expected = X.astype(np.float64).std()
    assert abs(samples.deviation(X) / expected - 1) < 1e-5
    samples.standardise(X, samples.deviation(X))
    assert abs(X.mean(dtype=np.float64)) < 1e-3
    assert abs(X.std(dtype=np.float64) - 1) < 1e-3


def test_a_small_run_learns_and_draws(tmp_path):
    printed, _ = demo.run("rank", "--samples", 800, "--out", "here", "--seed", 3, folder=tmp_path)
    assert "8000 matrices to train on, 10000 to test on" in printed
    right, close = accuracy(printed)
    assert right > 25, "guessing gives 10; measured: 31"
    assert close > 48, "guessing gives 28; measured: 56"
    with Image.open(tmp_path / "here" / "rank-confusion.png") as picture:
        assert picture.width > 700
        blues = np.asarray(picture.convert("RGB"), int)
    assert ((blues[..., 2] - blues[..., 0]) > 60).mean() > 0.02, "rank 1 is found, so its cell is dark blue"


def test_raw_entries_are_too_small_to_learn_from(tmp_path):
    printed, _ = demo.run("rank", "--samples", 300, "--raw", "--out", tmp_path)
    assert accuracy(printed)[0] < 15


def test_the_same_seed_gives_the_same_result_with_any_threads(tmp_path):
    one, two = (demo.run("rank", "--samples", 60, "--threads", threads, "--out", tmp_path)[0] for threads in (1, 2))
    assert accuracy(one) == accuracy(two)


def test_wrong_options_and_paths_are_named(tmp_path):
    _, problem = demo.run("rank", "--samples", 3, code=2)
    assert "--samples" in problem
    (tmp_path / "file").write_text("")
    _, problem = demo.run("rank", "--samples", 30, "--out", tmp_path / "file" / "below", code=3)
    assert "file/below" in problem
