"""Ctrl-C, SIGTERM and a lost terminal end a command in an orderly way: exit 128 + number of the signal.

A signal raises `Stopped` at once, or within a `deferred` block only sets a flag: training checks it
(`requested`, `poll`) between minibatches and epochs. The second signal raises in any case. There a signal may also ask
for a snapshot, or for nothing. A signal that the caller ignores (nohup, a background job of a script) stays ignored,
unless it asks for a snapshot.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from ..errors import Interrupted
from .early import NAMES


class Stopped(KeyboardInterrupt):
    """Raised by the handlers. No `Exception`: a signal must not vanish in a library's `except Exception`."""


STOP, SNAPSHOT, NONE = EFFECTS = ("stop", "snapshot", "none")


class _State:
    deferring = False
    received: int | None = None
    raised = False  # by the handlers
    effects: Mapping[int, str] = {}
    snapshot = False  # asked for
    told = False  # that a signal was received


@contextlib.contextmanager
def handled() -> Iterator[None]:
    """Install the handlers for the time of one command. Does nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _State.deferring, _State.received, _State.raised = False, None, False
    before = {number: signal.getsignal(number) for number in NAMES}
    report_lost = sys.unraisablehook

    def forget_stopped(lost) -> None:
        # In a finalizer or a C callback (LLVM has them) Python drops exceptions with a traceback; `check` raises anew.
        if not isinstance(lost.exc_value, Stopped):
            report_lost(lost)

    sys.unraisablehook = forget_stopped
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _receive)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = report_lost


@contextlib.contextmanager
def deferred(effects: Mapping[int, str] = MappingProxyType({})) -> Iterator[None]:
    """Within this block the first signal raises nothing. `effects`: what signals ask for, one of EFFECTS, if not STOP.
    Of a snapshot it hears from the start, even where the caller ignores it."""
    _State.deferring, _State.effects, _State.snapshot, _State.told = True, effects, False, False
    main = threading.current_thread() is threading.main_thread()
    taken = [number for number, effect in effects.items() if effect == SNAPSHOT and main]
    before = {number: signal.signal(number, _receive) for number in taken}
    try:
        yield
    finally:
        _State.deferring, _State.effects = False, {}
        for number, handler in before.items():
            signal.signal(number, handler)


def poll() -> str | None:
    """What signals have asked for since the last call: SNAPSHOT, then STOP, None if for nothing."""
    if _State.snapshot:
        _State.snapshot = False
        return SNAPSHOT
    if requested() and not _State.told:
        _State.told = True
        return STOP
    return None


def requested() -> bool:
    """True if a signal asked the command to end."""
    return _State.received is not None


def raised() -> bool:
    """True if a signal has raised Stopped, even if the exception was lost."""
    return _State.raised


def check() -> None:
    """Raises Stopped if a signal asked the command to end and the handler's own exception got lost."""
    if requested():
        raise Stopped


def received() -> int:
    """The number of the signal that asked the command to end, 0 if there was none."""
    return _State.received or 0


def interruption(where: str = "", number: int = 0) -> Interrupted:
    """The error that names the signal, the one of this `number` if it came to another process, ends with its exit code,
    and adds `where` the work ended."""
    number = number or received() or signal.SIGINT
    return Interrupted(f"{NAMES[number]} {where}".rstrip(), 128 + number)


def _receive(number: int, frame) -> None:
    effect = _State.effects.get(number, STOP)
    if effect != STOP:
        _State.snapshot |= effect == SNAPSHOT
        return
    again, _State.received = requested(), number
    if again or not _State.deferring:
        _State.raised = True
        raise Stopped
