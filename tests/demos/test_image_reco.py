"""demos/image_reco: a small picture is learned, its files say what was printed, wrong pictures are named."""

from __future__ import annotations

import re
import struct
import zlib

import numpy as np
import pytest
from reference import demo
from support import SHARED, needs_shared

Image = pytest.importorskip("PIL.Image")
EPOCHS = {"wide": 20, "deep": 75, "joint": 40}
REACHED = {"wide": 20, "deep": 28, "joint": 30}  # dB; measured: 22.9, 32.2, 35.0; the best single colour: 14.5


def number(pattern: str, text: str) -> float:
    return float(re.search(pattern, text).group(1))


@pytest.fixture(scope="module")
def sunset(tmp_path_factory):
    """A smooth sky with a sharp red sun, 96 x 64, as a PNG file."""
    y, x = np.mgrid[0:64, 0:96]
    pixels = np.stack([255 - 2 * y, 60 + x, 40 + 3 * y], axis=-1).astype(np.uint8)
    pixels[(x - 60) ** 2 + (y - 30) ** 2 < 200] = (230, 40, 20)
    path = tmp_path_factory.mktemp("pictures") / "sunset.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("net", EPOCHS)
def test_a_picture_is_learned_and_drawn(net, sunset, tmp_path):
    printed, _ = demo.run("image_reco", sunset, "--net", net, "--size", 64, "--out", "here", folder=tmp_path)
    assert "sunset.png: 64 x 43 pixels" in printed
    assert number(r"trained (\d+) epochs", printed) == EPOCHS[net]
    assert number(r"PSNR ([\d.]+) dB", printed) > REACHED[net]
    weights = list((tmp_path / "here").glob(f"image_reco-sunset-{net}-*.bin"))
    assert len(weights) == (1 if net == "joint" else 3)
    assert number(r"weights (\d+) bytes", printed) == sum(file.stat().st_size for file in weights)
    assert f"{sunset.stat().st_size} bytes as a file, {64 * 43 * 3} as pixels" in printed
    with Image.open(tmp_path / "here" / f"image_reco-sunset-{net}.gif") as film:
        assert film.n_frames == EPOCHS[net] + 1
        film.seek(EPOCHS[net])
        frame = np.asarray(film.convert("RGB"), float)[:43]
    assert np.abs(frame[:, :64] - frame[:, 68:]).mean() < 25  # original and the last reconstruction, side by side
    with Image.open(tmp_path / "here" / f"image_reco-sunset-{net}.png") as figure:
        assert figure.width > 800


def test_weights_depend_on_the_seed_and_not_on_the_threads(sunset, tmp_path):
    runs = (("a", 1, 0), ("b", 2, 0), ("c", 2, 1))
    for name, threads, seed in runs:
        options = ("--size", 32, "--threads", threads, "--seed", seed, "--out", tmp_path / name)
        demo.run("image_reco", sunset, *options)
    a, b, c = ((tmp_path / name / "image_reco-sunset-joint-colours.bin").read_bytes() for name, _, _ in runs)
    assert a == b
    assert a != c


@needs_shared
def test_the_originals_picture_is_found_by_itself(tmp_path):
    printed, _ = demo.run("image_reco", "--quick", "--out", tmp_path, data=SHARED)
    assert "hopper_sm.jpg: 100 x 70 pixels" in printed
    assert number(r"PSNR ([\d.]+) dB", printed) > 20  # reached: 22.0


def huge_png(side: int) -> bytes:
    """A valid PNG file of 45 bytes that says it has side x side pixels."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.png", None, "No such file"),
        ("text.png", lambda picture: b"no picture at all", "cannot identify"),
        ("half.png", lambda picture: picture[: len(picture) // 2], "half.png: "),
        ("large.png", lambda picture: huge_png(10000), "10000 x 10000 pixels, expected at most 64000000"),
        ("huge.png", lambda picture: huge_png(60000), "3600000000 pixels"),
    ],
)
def test_a_wrong_picture_is_named(name, content, message, sunset, tmp_path):
    if content:
        (tmp_path / name).write_bytes(content(sunset.read_bytes()))
    _, errors = demo.run("image_reco", tmp_path / name, "--out", tmp_path / "out", code=3)
    assert message in errors
    assert name in errors
    assert not (tmp_path / "out").exists()


def test_wrong_options_and_missing_data(sunset, tmp_path):
    assert "'deeper'" in demo.run("image_reco", "--net", "deeper", code=2)[1]
    _, errors = demo.run("image_reco", "df.jpg", "--data", tmp_path, code=3)
    assert f"{tmp_path} does not hold df.jpg" in errors


def test_too_few_pixels_for_a_minibatch(tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "dot.png")
    _, errors = demo.run("image_reco", tmp_path / "dot.png", "--net", "wide", "--out", tmp_path, code=2)
    assert "there are 81 rows, but a minibatch of the net takes 100" in errors
