"""Signals while the program is imported, before a command takes care of them itself (`signals.py`), and after it.

This is imported first and imports next to nothing. The start of Python itself, before that, is out of reach: there
Ctrl-C ends the process by Python's own means, with a traceback or by the signal.
"""

import contextlib
import os
import signal

NAMES = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
if hasattr(signal, "SIGHUP"):  # not on Windows
    NAMES[signal.SIGHUP] = "terminal closed"


def leave_on_signals() -> None:
    """From now on, a signal ends the process at once with exit code 128 + its number; one that is ignored stays so.

    No exception: raised within an import it could be taken for the import's failure, or vanish.
    """
    for number in NAMES:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)


def _leave(number: int, frame) -> None:
    with contextlib.suppress(OSError):  # stderr may be closed
        os.write(2, f"caffe64: {NAMES[number]}\n".encode())
    os._exit(128 + number)
