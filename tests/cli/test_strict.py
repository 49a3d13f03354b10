"""What train, test, eval and convert say of text that looks as if other numbers were meant; --strict."""

from __future__ import annotations

import pytest

TRAIN = "train net.txt w.bin optim.txt 400 X.txt Y.txt"
COMMANDS = {
    "train": TRAIN.replace("w.bin", "v.bin"),
    "test": "test net.txt w.bin 400 X.txt out.txt",
    "eval": "eval net.txt w.bin 400 X.txt Y.txt",
    "convert": "convert X.txt X.npy",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_warns_once_on_stderr_and_refuses_with_strict(cli, task, command):
    assert cli(TRAIN).exit_code == 0
    lines = (task / "X.txt").read_text().splitlines()
    (task / "X.txt").write_text("\n".join([f"a1,{lines[0]}".replace("1,", "", 1), *lines[1:]]))
    result = cli(COMMANDS[command])
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count("warning: X.txt:1:1: found 'a' beside numbers") == 1
    assert "'a'" not in result.stdout
    result = cli(f"{COMMANDS[command]} --strict")
    assert result.exit_code == 3
    assert "error: X.txt:1:1: found 'a' beside numbers" in result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_clean_files_say_nothing(cli, task, command):
    assert cli(TRAIN).exit_code == 0
    result = cli(f"{COMMANDS[command]} --strict")
    assert result.exit_code == 0
    assert "warning" not in result.stderr


def test_quiet_says_nothing_of_it(cli, task):
    (task / "X.txt").write_text((task / "X.txt").read_text() + "7 8 9 10\n")
    result = cli(f"{TRAIN} --quiet")
    assert (result.exit_code, result.stderr) == (0, "")


def test_validation_files_are_looked_at_as_well(cli, task):
    (task / "V.txt").write_text("1 2 3 4 5\n1 2 3\n")
    (task / "W.txt").write_text("0\n1\n")
    result = cli(f"{TRAIN} --val-x V.txt --val-y W.txt")
    assert "warning: V.txt:1: holds 5 numbers, a row of 4 ends among them" in result.stderr
    assert cli(f"{TRAIN} --val-x V.txt --val-y W.txt --strict").exit_code == 3
