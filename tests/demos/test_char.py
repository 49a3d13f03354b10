"""The character demo as a user runs it: train, sample, the original's models, wrong input."""

from __future__ import annotations

import gzip
import importlib.util
import sys

import numpy as np
import pytest
from reference.demo import DEMOS, run_script
from support import SHARED, needs_shared

CHAR = DEMOS / "char"
LINES = "it is a way i have of driving off the spleen.\nCall\tme  Ishmael; some years ago - never mind how long!\n"


def run(*arguments, cwd, data=None):
    return run_script(CHAR / "run.py", *arguments, folder=cwd, data=data)


@pytest.fixture(scope="module")
def text():
    """demos/char/text.py as a module."""
    spec = importlib.util.spec_from_file_location("char_text", CHAR / "text.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["char_text"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model that was trained on two lines, over and over."""
    folder = tmp_path_factory.mktemp("char")
    with gzip.open(folder / "text.gz", "wt") as file:
        file.write(LINES * 200)
    done = run("train", "text.gz", "model", "--epochs", 8, "--out", "pictures", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_training_writes_the_pair_of_files_and_the_picture(trained):
    folder, done = trained
    assert done.stdout.startswith("trained 8 epochs on 20200 characters")
    assert (folder / "pictures" / "char-model.png").read_bytes().startswith(b"\x89PNG")
    alphabet = (folder / "model.txt").read_text()
    assert alphabet.startswith("abcdefghijklmnopqrstuvwxyz ")
    assert set(alphabet[26:]) == set(" .;-!\n")
    assert (folder / "model.bin").stat().st_size == 141096


def test_a_line_learned_by_heart_is_written(trained):
    folder, done = trained
    assert float(done.stdout.split("right in ")[1].split()[0]) > 90
    written = run("sample", "model", "--seed-text", "it is a way ", "--temperature", 0, "--length", 60, cwd=folder)
    assert "it is a way i have of driving off the spleen.\ncall me ishmael" in written.stdout


def test_a_seed_makes_samples_repeatable(trained):
    folder, _ = trained
    first, again, other = (
        run("sample", "model", "--length", 80, "--temperature", 2, "--seed", seed, cwd=folder) for seed in (1, 1, 2)
    )
    assert first.stdout == again.stdout != other.stdout
    assert len(first.stdout) == len("the ") + 80 + 1


@needs_shared
@pytest.mark.parametrize("name", ["c64", "moby", "title", "aeneid"])
def test_the_originals_models_write(name, tmp_path):
    done = run("sample", name, "--length", 50, "--seed", 0, cwd=tmp_path, data=SHARED)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == 55


@needs_shared
def test_quick_learns_something_from_the_titles(tmp_path):
    done = run("quick", "--out", tmp_path, cwd=tmp_path, data=SHARED)
    assert done.returncode == 0, done.stderr
    held_out = float(done.stdout.split("not trained on, ")[1].split()[0])
    assert held_out < 3, "the titles' own letters, without their neighbours, have 4.2 bits"
    assert (tmp_path / "char-quick.png").exists()


def test_text_becomes_symbols_as_in_the_original(text):
    assert text.normalise("A\tb  C\r\n  dé") == "a b c\n d?"
    alphabet = text.Alphabet.of("zz  ..  ,," + "".join(map(chr, range(33, 90))).lower())
    assert alphabet.symbols[:27] == "abcdefghijklmnopqrstuvwxyz "
    assert len(alphabet.symbols) == 49
    np.testing.assert_array_equal(alphabet.encode("ab~z"), [0, 1, 49, 25])
    assert [alphabet.decode(symbol) for symbol in (0, 26, 49)] == ["a", " ", "~"]


def test_windows_and_what_follows_them(text):
    X, Y = text.windows(np.arange(13, dtype=np.uint8))
    np.testing.assert_array_equal(X.ones[2], np.arange(2, 12) + 50 * np.arange(10))
    np.testing.assert_array_equal(Y, [10, 11, 12])


def test_what_cannot_be_used_is_said(tmp_path):
    (tmp_path / "short.txt").write_text("too short")
    (tmp_path / "bad.gz").write_bytes(b"\x1f\x8bnothing")
    (tmp_path / "m.bin").write_bytes(b"")
    (tmp_path / "m.txt").write_text("aa")
    for arguments, code, message in (
        (("train", "none.txt", "x"), 3, "none.txt: cannot be read: No such file"),
        (("train", "short.txt", "x"), 3, "9 characters, expected more than 10"),
        (("train", "bad.gz", "x"), 3, "bad.gz: cannot be read"),
        (("sample", "none"), 3, "there is no none.bin; train a model, or name one of aeneid, c64"),
        (("sample", "m"), 3, "m.txt: expected up to 49 different characters"),
        (("sample", "c64", "--data", tmp_path), 3, "does not hold c64.bin, c64.txt"),
        (("sample", "m", "--temperature", "-1"), 2, "greater than or equal to"),
        (("write",), 2, "No such command"),
    ):
        done = run(*arguments, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        assert message in " ".join(done.stderr.replace("│", " ").split())
