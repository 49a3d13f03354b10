"""demos/facades: patches against NumPy's, pairs in both forms, what is printed, errors."""

from __future__ import annotations

import importlib.util
import re

import numpy as np
import pytest
from reference import demo
from support import SHARED, needs_shared

Image = pytest.importorskip("PIL.Image")
SIDE = 128
BRIEF = ("--quick", "--threads", 1)


@pytest.fixture(scope="module")
def patches():
    """The demo's module of that name."""
    found = importlib.util.spec_from_file_location("facade_patches", demo.DEMOS / "facades" / "patches.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 40), (31, 5)])
def test_patches_are_the_neighbours_with_zeros_around(patches, height, width):
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)
    framed = np.zeros((height + 16, width + 16, 3))
    framed[8:-8, 8:-8] = pixels
    windows = np.lib.stride_tricks.sliding_window_view(framed, (17, 17), axis=(0, 1))  # [h, w, 3, 17, 17]
    expected = (windows.transpose(0, 1, 3, 4, 2).reshape(-1, 867) - 128) / 128
    np.testing.assert_array_equal(patches.gather_patches(pixels), expected)
    places = np.array([height * width - 1, 0, height * width // 2])
    out = np.full((3, 867), np.nan, np.float32)
    assert patches.gather_patches(pixels, places, out) is out
    np.testing.assert_array_equal(out, expected[places])
    for place in (-1, height * width):
        with pytest.raises(IndexError):
            patches.gather_patches(pixels, np.array([place]))


def facade(seed: int):
    """(labels, photo): windows on a wall; the photo's colours follow from the labels, with some noise."""
    random = np.random.default_rng(seed)
    windows = np.zeros((SIDE, SIDE), bool)
    for top, left in random.integers(5, SIDE - 30, (12, 2)):
        windows[top : top + 24, left : left + 12] = True
    labels = np.where(windows[..., None], (250, 170, 0), (0, 30, 230)).astype(np.uint8)
    photo = np.where(windows[..., None], (60, 70, 90), (200, 170, 120)) + random.integers(-9, 10, (SIDE, SIDE, 3))
    return labels, photo.astype(np.uint8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The same three facades as pairs of files and as one picture each, photo left."""
    pairs, doubles = tmp_path_factory.mktemp("pairs"), tmp_path_factory.mktemp("doubles")
    for name in "abc":
        labels, photo = facade(ord(name))
        Image.fromarray(labels).save(pairs / f"{name}-inputs.png")
        Image.fromarray(photo).save(pairs / f"{name}-targets.png")
        Image.fromarray(np.hstack([photo, labels])).save(doubles / f"{name}.png")
    return pairs, doubles


def qualities(printed: str) -> dict[str, float]:
    return {name: float(value) for name, value in re.findall(r"^(\w+) .*?PSNR ([\d.]+) dB", printed, re.MULTILINE)}


@pytest.mark.parametrize(("direction", "reached"), [("photo", 22), ("labels", 21)])
def test_a_held_out_facade_is_drawn(folders, direction, reached, tmp_path):
    """Measured: 28.3 and 25.5 dB; the best single colour has 16.5 and 10.1."""
    printed, errors = demo.run("facades", *BRIEF, "--direction", direction, "--data", folders[0], "--out", tmp_path)
    assert "no better" not in errors
    assert "2 pairs to train on, 1 held out" in printed
    assert "trained 30 epochs on 600 patches" in printed
    assert "c        held out" in printed
    assert set(qualities(printed)) == {"a", "b", "c"}
    assert qualities(printed)["c"] > reached
    with Image.open(tmp_path / f"facades-{direction}.png") as figure:
        assert figure.width > 600


def test_one_picture_of_both_is_the_same_pair(folders, tmp_path):
    outputs = [demo.run("facades", *BRIEF, "--data", folder, "--out", "here", folder=tmp_path)[0] for folder in folders]
    assert qualities(outputs[0]) == qualities(outputs[1])


@needs_shared
def test_the_facades_and_the_originals_own_result(tmp_path):
    printed, _ = demo.run("facades", *BRIEF, "--out", tmp_path, data=SHARED)
    assert list(qualities(printed)) == ["1", "5", "51", "95", "000048"]
    assert qualities(printed)["000048"] > 15  # reached: 16.2
    assert "the original's 18.04 dB" in printed


def test_a_rate_too_high_is_reported(folders, tmp_path):
    options = (*BRIEF, "--data", folders[0], "--out", tmp_path)
    _, errors = demo.run("facades", *options, "--rate", 1e6)
    assert "no better than the mean colour" in errors
    _, errors = demo.run("facades", *options, "--rate", 1e30, code=5)
    assert "training diverged" in errors
    assert "the net of red; try a smaller --rate" in errors


def test_wrong_folders_and_options(folders, tmp_path):
    def failure(folder):
        return demo.run("facades", "--data", folder, "--out", tmp_path / "out", code=3)[1]

    assert "is not a folder" in failure(tmp_path / "none")
    labels, photo = facade(1)
    Image.fromarray(labels).save(tmp_path / "x-inputs.png")
    assert "x-targets.png: No such file" in failure(tmp_path)
    Image.fromarray(photo).save(tmp_path / "x-targets.png")
    assert "holds 1 pairs, expected at least two" in failure(tmp_path)
    Image.fromarray(photo).save(tmp_path / "y.jpg")
    assert "y.jpg: 128 x 128 pixels, expected a photo and its labels" in failure(tmp_path)
    demo.run("facades", "--pixels", 16385, code=2)
    assert not (tmp_path / "out").exists()
