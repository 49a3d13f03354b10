"""demos/sheet.py: one sheet of whatever pictures there are, no wider and no larger than a README can bear."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reference.demo import DEMOS, Done, run_script

RED, GREEN, BLUE, WHITE = (200, 0, 0), (0, 150, 0), (0, 0, 200), (255, 255, 255)


@pytest.fixture(scope="module")
def sheet():
    """The names that sheet.py defines."""
    sys.path.insert(0, str(DEMOS))
    yield runpy.run_path(str(DEMOS / "sheet.py"))
    sys.path.remove(str(DEMOS))
    del sys.modules["all"]


def run(folder: Path, output: Path) -> Done:
    return run_script(DEMOS / "sheet.py", "--pictures", folder, "--output", output)


def where(picture: np.ndarray, colour) -> np.ndarray:
    """bool [height, width]: the pixels of that colour, or nearly that."""
    return abs(picture.astype(int) - colour).max(axis=2) < 8


def framed(colour, size=(300, 200), margin=40) -> Image.Image:
    """A rectangle of `colour` with a white margin."""
    picture = Image.new("RGB", (size[0] + 2 * margin, size[1] + 2 * margin), WHITE)
    picture.paste(Image.new("RGB", size, colour), (margin, margin))
    return picture


def test_pictures_lie_side_by_side_in_the_order_of_the_demos(tmp_path):
    framed(RED).save(tmp_path / "rank-confusion.png")
    framed(GREEN).save(tmp_path / "mnist-digits.png")
    framed(BLUE).save(tmp_path / "zebra-other.png")
    (tmp_path / "sheet.png").write_bytes(b"an older sheet, which is not a picture of a demo")
    done = run(tmp_path, tmp_path / "new" / "sheet.png")
    assert done.returncode == 0, done.stderr
    made = np.asarray(Image.open(tmp_path / "new" / "sheet.png").convert("RGB"))
    assert made.shape[1] == 1600
    assert f"3 pictures, 1600 x {made.shape[0]}" in done.stdout
    columns = [np.flatnonzero(where(made, colour).any(axis=0)) for colour in (GREEN, RED, BLUE)]
    assert all(len(each) > 450 for each in columns), "margins are cut off, and the row is filled"
    assert columns[0].max() < columns[1].min() < columns[1].max() < columns[2].min()
    assert 0.2 < where(made, GREEN).mean() == pytest.approx(where(made, RED).mean(), rel=0.01)


def test_every_picture_is_labelled_below(sheet):
    pictures = [Image.new("RGB", (300, 200), RED)] * 2
    plain, labelled = (sheet["compose"](pictures, [text, ""], 1000) for text in ("", "rank: confusion"))
    changed = np.argwhere((np.asarray(plain) != np.asarray(labelled)).any(axis=2))
    red = np.argwhere((np.asarray(labelled) == RED).all(axis=2))
    assert len(changed) > 100
    assert changed[:, 0].min() > red[:, 0].max(), "below the picture"
    assert changed[:, 1].max() < 500, "not below the other"


def test_a_label_is_cut_to_the_width_of_its_picture(sheet):
    font = sheet["ImageFont"].truetype(sheet["findfont"]("DejaVu Sans"), 15)
    assert sheet["fitting"]("short", 100, font) == "short"
    cut = sheet["fitting"]("a label that is much too long", 100, font)
    assert cut.endswith("…")
    assert 60 < font.getlength(cut) <= 100


def test_rows_are_of_like_height(sheet):
    assert sheet["split_rows"]([1.0] * 8, 1600) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert sheet["split_rows"]([4.0, 1.0, 1.0, 1.0, 1.0, 4.0], 1600) == [[0], [1, 2, 3, 4], [5]]
    for shapes in ([3.0], [0.7, 0.7], [0.7, 3.5, 1.3, 1.0, 1.0, 2.2, 6.0]):
        rows = sheet["split_rows"](shapes, 1600)
        assert [n for row in rows for n in row] == list(range(len(shapes)))
        for row in rows:
            width = sheet["row_height"]([shapes[n] for n in row], 1600) * sum(shapes[n] for n in row)
            assert width + 16 * (len(row) + 1) <= 1600 + 1e-6


def test_tall_pictures_lose_their_lower_end_and_transparent_ones_lie_on_white(sheet, tmp_path):
    tall = Image.new("RGB", (100, 1000), RED)
    tall.paste(BLUE, (0, 500, 100, 1000))
    tall.paste(GREEN, (0, 0, 10, 10))  # a corner of its own, so that nothing of it is a margin
    tall.save(tmp_path / "a-tall.png")
    read = sheet["read_picture"](tmp_path / "a-tall.png")
    assert read.size == (100, 150)
    assert not where(np.asarray(read), BLUE).any()
    glass = Image.new("RGBA", (50, 40), (0, 0, 0, 0))
    glass.paste((*RED, 255), (10, 10, 40, 30))
    glass.save(tmp_path / "a-glass.png")
    read = sheet["read_picture"](tmp_path / "a-glass.png")
    assert (read.size, read.getpixel((0, 0))) == ((30, 20), RED)


def test_the_sheet_of_noise_still_fits_600_kb(tmp_path):
    random = np.random.default_rng(0)
    for number in range(6):
        noise = random.integers(0, 256, (500, 700, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"facades-{number}.png")
    done = run(tmp_path, tmp_path / "sheet.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "sheet.png").stat().st_size < 600_000
    assert 400 <= Image.open(tmp_path / "sheet.png").width < 1600


def test_without_pictures_or_with_something_else_it_says_so(tmp_path):
    done = run(tmp_path, tmp_path / "sheet.png")
    assert done.returncode == 3
    assert "make demos" in done.stderr
    (tmp_path / "rank-x.png").write_text("no picture")
    done = run(tmp_path, tmp_path / "sheet.png")
    assert done.returncode == 3
    assert "rank-x.png is not a picture" in done.stderr
    assert not (tmp_path / "sheet.png").exists()


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    framed(RED).save(tmp_path / "rank-x.png")
    done = run(tmp_path, tmp_path / "rank-x.png" / "sheet.png")
    assert done.returncode == 3
    assert "rank-x.png" in done.stderr
