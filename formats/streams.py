"""The names of a process's own open files: /dev/stdin, /dev/stdout, /dev/stderr, /dev/fd/N."""

from __future__ import annotations

import os
import re

STDIN, STDOUT, STDERR = "/dev/stdin", "/dev/stdout", "/dev/stderr"
DESCRIPTORS = {STDIN: 0, STDOUT: 1, STDERR: 2}


def stream_number(path: str) -> int | None:
    """The open descriptor named by `path`, if any."""
    path = path.replace(os.sep, "/")  # as these names are written on all systems
    match = re.fullmatch(r"/(?:dev|proc/self)/fd/([0-9]{1,9})", path)
    return int(match[1]) if match else DESCRIPTORS.get(path)
