"""The program in a process that takes this machine for another, without what that one lacks.

    elsewhere("windows", "summary net.prototxt", ...)     as `caffe64 summary net.prototxt` there, and further commands

Of the other systems, what their Python does not have is removed, and what they refuse is refused: files that are open
are neither renamed nor removed on Windows. Numba and llvmlite cannot be imported; a file that is opened without an
encoding, which other systems would guess, raises.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from reference.child import run_json

MACHINES = ("linux", "macos", "windows")

CODE = r"""
import builtins, ctypes, io, json, mmap, os, pathlib, platform, signal, subprocess, sys, sysconfig, tempfile, warnings
import zoneinfo
import numpy, onnx, onnxruntime, PIL.Image, rich, typer
sysconfig.get_config_vars()  # of the Python that this is
machine, missing, commands = *sys.argv[1:3], json.loads(sys.argv[3])

def refused(*arguments, **options):
    raise AssertionError("is not there on this machine")

def remove(owner, *names):
    for name in names:
        if hasattr(owner, name):
            delattr(owner, name)

def hidden(function):
    def call(path, *arguments, **options):
        if str(path).startswith(("/proc", "/sys")):
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return function(path, *arguments, **options)
    return call

def is_open(path, listdir=os.listdir, readlink=os.readlink):
    path = os.path.realpath(path)
    links = [f"/proc/self/fd/{name}" for name in listdir("/proc/self/fd")]
    return path in [readlink(link) for link in links if os.path.islink(link)]

def unless_open(function):
    def call(path, *arguments, **options):
        if is_open(path) or arguments and is_open(arguments[0]):
            raise PermissionError(32, "The process cannot access the file", str(path))
        return function(path, *arguments, **options)
    return call

class Mapping(mmap.mmap):
    def __getattribute__(self, name):
        if name == "madvise":
            raise AttributeError(name)
        return super().__getattribute__(name)

for name in ("numba", "llvmlite", *missing.split()):
    sys.modules[name] = None
warnings.filterwarnings("error", category=EncodingWarning, module=r"caffe64(\..*)?")
remove(os, "sched_getaffinity", "sched_setaffinity", "process_cpu_count")
if machine != "linux":
    builtins.open, io.open, os.open, os.stat = map(hidden, (open, io.open, os.open, os.stat))
    sys.platform, ctypes.CDLL = {"macos": "darwin", "windows": "win32"}[machine], refused
    platform.system = lambda: {"macos": "Darwin", "windows": "Windows"}[machine]
    platform.machine = lambda: {"macos": "arm64", "windows": "AMD64"}[machine]
if machine == "windows":
    for name in ("fcntl", "resource", "termios", "pwd"):
        sys.modules[name] = None
    os.replace, os.unlink, os.rename = map(unless_open, (os.replace, os.unlink, os.rename))
    remove(os, "fchmod", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_DIRECTORY", "getuid", "geteuid", "sysconf", "fork",
           "register_at_fork", "mkfifo", "killpg")
    remove(signal, "SIGHUP", "SIGKILL", "SIGALRM", "SIGPIPE")
    remove(mmap, "MADV_DONTNEED", "PROT_READ", "PROT_EXEC", "MAP_PRIVATE")
    mmap.mmap = Mapping

from caffe64.__main__ import main
results, standard = [], (sys.stdout, sys.stderr)
for words in commands:
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="cp1252") for _ in standard]
    sys.argv[:], (sys.stdout, sys.stderr) = ["caffe64", *words], streams
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    for stream in streams:
        stream.flush()
    results.append([code, *(stream.buffer.getvalue().decode("cp1252") for stream in streams)])
sys.stdout, sys.stderr = standard
print(json.dumps(results))
"""


class Done(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


def elsewhere(machine: str, *commands: str | list[str], missing: str = "") -> list[Done]:
    """`missing`: other packages that are not installed there."""
    words = [command.split() if isinstance(command, str) else command for command in commands]
    found = run_json(CODE, machine, missing, json.dumps(words), PYTHONWARNDEFAULTENCODING="1")
    return [Done(*each) for each in found]
