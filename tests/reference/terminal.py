"""The program on a pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import termios

OVERRIDES = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"}  # what Rich looks at
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_terminal(command: str, columns: int = 80, **environment: str) -> tuple[int, str]:
    """Exit code and everything that was drawn, in a terminal of that width."""
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        # Not the inherited environment: pytest's readline has put COLUMNS there, past os.environ.
        inherited = {name: value for name, value in os.environ.items() if name not in OVERRIDES}
        program = [sys.executable, "-m", "caffe64", *command.split()]
        os.execve(sys.executable, program, {**inherited, "TERM": "xterm-256color", **environment})
    drawn = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux: the other end is closed
            break
        if not part:
            break
        drawn += part
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), drawn.decode()


def screen(drawn: str, columns: int) -> list[str]:
    """The lines that a terminal of that width shows in the end, those that have scrolled off included."""
    lines, y, x = [[]], 0, 0
    for parameter, command, character in re.findall(r"\x1b\[([0-9;?]*)([A-Za-z])|(.)", drawn, re.DOTALL):
        if command == "A":
            y = max(0, y - int(parameter or 1))
        elif command == "K":
            lines[y] = [] if parameter == "2" else lines[y][:x]
        elif command:
            assert command in "mhl", command  # colours and the cursor's looks
        elif character == "\r":
            x = 0
        else:
            if character == "\n" or x == columns:
                y, x = y + 1, x if character == "\n" else 0
                lines += [[]] * (y == len(lines))
            if character != "\n":
                lines[y] = [*lines[y][:x], *" " * (x - len(lines[y])), character, *lines[y][x + 1 :]]
                x += 1
    return ["".join(line) for line in lines]
