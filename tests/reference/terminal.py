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
