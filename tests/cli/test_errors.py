"""Every kind of wrong input: one line on stderr, exit 3 (or 2), nothing on stdout that looks like success."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest

TRAIN = "train net.txt w.bin optim.txt 400 X.txt Y.txt"
TEST = "test net.txt w.bin 400 X.txt out.txt"
NET = "inp 4 10|lin 8 -1|rel|lin 3 -1|sce"


def net(lines: str, count: int | None = None) -> str:
    lines = lines.split("|")
    return f"{len(lines) if count is None else count}\n" + "\n".join(lines) + "\n"


def fails(result, pattern: str, exit_code: int = 3) -> None:
    """One line that matches, after the notice about compiling that a first run may give."""
    assert result.exit_code == exit_code, result.output
    *notices, line = [text for text in result.stderr.splitlines() if text]
    assert re.fullmatch(f"caffe64: error: {pattern}", line), line
    assert all(re.match("caffe64: (compil|seed)", notice) for notice in notices)
    assert "Finished" not in result.stdout


@pytest.mark.parametrize("name", ["net.txt", "optim.txt", "X.txt", "Y.txt"])
class TestFiles:
    def test_missing(self, cli, task, name):
        (task / name).unlink()
        fails(cli(TRAIN), f"Couldn't find file {name}")

    def test_empty(self, cli, task, name):
        (task / name).write_bytes(b"")
        fails(cli(TRAIN), rf"{name}: (is empty|holds 0 numbers).*")

    def test_directory(self, cli, task, name):
        (task / name).unlink()
        (task / name).mkdir()
        fails(cli(TRAIN), f"{name}: is a directory, expected a file")

    def test_binary_junk(self, cli, task, name):
        (task / name).write_bytes(bytes(range(256)) * 4)
        fails(cli(TRAIN), rf"{name}:.*")

    def test_unreadable(self, cli, task, name):
        (task / name).chmod(0)
        if os.access(name, os.R_OK):
            pytest.skip("root may read everything")
        fails(cli(TRAIN), f"{name}: cannot be read: Permission denied")


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        (net("inp 4 10|lim 8 -1|sce"), r"net.txt:3:1: found 'lim', expected .*did you mean 'lin'\?\)"),
        (net("inp 4 10|lin 8|sce"), r"net.txt:3:\d: the line ends after '8'.*"),
        (net("inp 4 10|lin 8 -1 2|sce"), r"net.txt:3:10: found '2', .*"),
        (net("inp 4 10|lin eight -1|sce"), r"net.txt:3:5: found 'eight', .*"),
        (net(NET, count=4), r"net.txt:1:1: found '4', but 5 layers follow.*"),
        (net("lin 8 -1|sce"), r"net.txt:2:1: found 'lin' as the first layer, .*"),
        (net("inp 4 10|inp 4 10|sce"), r"net.txt:3:1: found a second 'inp', .*"),
        (net("inp 4 10|sce|lin 3 -1"), r"net.txt:3:1: found 'sce' before another layer, .*"),
        (net("inp 0 10|sce"), r"net.txt:2:5: found '0', .*"),
        (net("inp 4 -10|sce"), r"net.txt:2:7: found '-10', .*"),
        (net("inp 4 10|lin 99999999999 -1|sce"), r"net.txt:3:5: found '99999999999', .*"),
        (
            net("inp 16777216 1|lin 16777216 -1|l2l"),
            r"net.txt: has 281474993487872 parameters, .* expected less than this machine's .*",
        ),
    ],
)
def test_a_wrong_network_is_named_by_line_and_column(cli, task, text, pattern):
    (task / "net.txt").write_text(text)
    fails(cli(TRAIN), pattern)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("0.1 2 0.5 0.0001 0.9", r"optim.txt: holds 5 numbers, expected six: .*"),
        ("0.1 2 0.5 0.0001 0.9 3 4", r"optim.txt: holds 7 numbers, expected six: .*"),
        ("-0.1 2 0.5 0.0001 0.9 3", r"optim.txt:1:1: .*"),
        ("0.1 2.5 0.5 0.0001 0.9 3", r"optim.txt:1:5: .*"),
        ("0.1 2 0.5 0.0001 nan 3", r"optim.txt:1:\d+: .*"),
    ],
)
def test_a_wrong_optimizer_is_named_by_line_and_column(cli, task, text, pattern):
    (task / "optim.txt").write_text(text)
    fails(cli(TRAIN), pattern)


@pytest.mark.parametrize(
    ("name", "line", "pattern"),
    [
        ("X.txt", "1 2 3 4.5.6", r"X.txt:3:7: .*4\.5\.6.*"),
        ("X.txt", "1 2 nan 4", r"X.txt:3:5: .*nan.*"),
        ("X.txt", "1 2 1e99 4", r"X.txt:3:5: .*1e99.*"),
        ("Y.txt", "3", r"Y.txt:3:1: .*expected a class, a whole number from 0 to 2.*"),
        ("Y.txt", "-1", r"Y.txt:3:1: .*expected a class.*"),
        ("Y.txt", "0.5", r"Y.txt:3:1: .*expected a class.*"),
    ],
)
@pytest.mark.parametrize("command", ["train", "eval", "validation"])
def test_a_wrong_value_is_named_by_line_and_column(cli, task, name, line, pattern, command):
    if command == "eval":
        cli(TRAIN)
    good = {each: (task / each).read_text() for each in ("X.txt", "Y.txt")}
    lines = good[name].splitlines()
    lines[2] = line
    (task / name).write_text("\n".join(lines) + "\n")
    if command == "validation":
        for each, text in good.items():
            (task / f"good{each}").write_text(text)
        fails(cli("train net.txt w.bin optim.txt all goodX.txt goodY.txt --val-x X.txt --val-y Y.txt"), pattern)
    else:
        fails(cli(TRAIN if command == "train" else "eval net.txt w.bin 400 X.txt Y.txt"), pattern)


def test_more_rows_than_the_data_holds(cli, task):
    fails(cli(TRAIN.replace(" 400 ", " 401 ")), r"X.txt.*1600.*1604.*")


def test_fewer_targets_than_rows(cli, task):
    np.savetxt("Y.txt", np.zeros(399), fmt="%d")
    fails(cli(TRAIN), r"Y.txt.*399.*400.*")


def test_all_rows_of_data_that_is_not_a_whole_number_of_rows(cli, task):
    (task / "X.txt").write_text((task / "X.txt").read_text() + "1 2 3")
    fails(cli(TRAIN.replace(" 400 ", " all ")), r"X.txt.*1603.*")


def test_fewer_rows_than_a_minibatch(cli, task):
    result = cli(TRAIN.replace(" 400 ", " 9 ") + " --quiet")
    fails(result, r"there are 9 rows, but a minibatch of the net takes 10", 2)


def weights_of(sizes) -> bytes:
    parts = [np.uint64(len(sizes)).tobytes()]
    for size in sizes:
        parts += [np.uint64(size).tobytes(), np.zeros(size, np.float32).tobytes()]
    return b"".join(parts)


GOOD = weights_of([0, 40, 0, 27, 0])


@pytest.mark.parametrize("command", [TEST, "eval net.txt w.bin 400 X.txt Y.txt", "info net.txt w.bin"])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:-1],
        GOOD[:30],
        GOOD + b"\0",
        weights_of([0, 40, 0, 36, 0]),
        weights_of([0, 40, 0, 27]),
        b"\xff" * 100,
        GOOD[:-12] + np.float32("nan").tobytes() + GOOD[-8:],
    ],
    ids=["empty", "truncated", "cut", "too long", "another net", "fewer layers", "absurd", "nan"],
)
def test_wrong_weights(cli, task, data, command):
    (task / "w.bin").write_bytes(data)
    fails(cli(command), r"w.bin: .*")


def test_the_good_weights_are_good(cli, task):
    (task / "w.bin").write_bytes(GOOD)
    assert cli(TEST).exit_code == 0


def test_an_output_that_cannot_be_written_is_found_before_the_work(cli, task):
    (task / "w.bin").write_bytes(GOOD)
    result = cli(TEST.replace("out.txt", "nowhere/out.txt"))
    fails(result, r"nowhere/out.txt: there is no directory .*/nowhere \(mkdir -p makes it\)")
    assert result.stdout == ""


# --------------------------------------------------------------------------------------- seeds and labels
@pytest.mark.parametrize("option", ["--seed", "--threads"])
@pytest.mark.parametrize("value", ["-1", "1.5", "18446744073709551616", "x"])
def test_a_number_that_an_option_does_not_take_is_a_wrong_command_line(cli, task, option, value):
    result = cli(f"{TRAIN} {option}={value}")
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.stderr


def test_the_largest_seeds_are_taken_and_differ(cli, task):
    found = set()
    for seed in (2**63, 2**63 + 1, 2**64 - 1):
        assert cli(f"{TRAIN} --quiet --seed {seed}").exit_code == 0
        found.add((task / "w.bin").read_bytes())
    assert len(found) == 3


def test_labels_from_1_get_a_hint(cli, task):
    Y = np.loadtxt("Y.txt") + 1
    np.savetxt("Y.txt", Y, fmt="%d")
    first = int(np.flatnonzero(Y == 3)[0]) + 1
    hint = r"\(they run from 1 to 3, but classes count from 0: subtract 1\)"
    fails(cli(TRAIN), rf"Y\.txt:{first}:1: row {first} holds 3, expected a class, a whole number from 0 to 2 {hint}")


@pytest.mark.parametrize(
    ("loss", "row", "place", "message"),
    [
        ("bce", "1 0 1.5", "3:5", "row 3, column 3 holds 1.5, expected a number from 0 to 1"),
        ("sft", "0.5 0.25 0.5", "3:1", "row 3 sums to 1.25, expected probabilities that sum to 1"),
    ],
)
def test_a_target_that_is_no_share_is_named_by_line_and_column(cli, task, loss, row, place, message):
    (task / "net.txt").write_text(f"3\ninp 4 10\nlin 3 he\n{loss}\n")
    lines = ["0 0 1"] * 400
    lines[2] = row
    (task / "Y.txt").write_text("\n".join(lines))
    fails(cli(TRAIN), rf"Y\.txt:{place}: {message}.*")
