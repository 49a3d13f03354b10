"""Arrays that end exactly where inaccessible memory begins: to touch one byte past the end is a segmentation fault."""

from __future__ import annotations

import ctypes
import mmap

import numpy as np

PAGE = mmap.PAGESIZE
_C = ctypes.CDLL(None, use_errno=True)
_C.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_kept = []  # the mappings: freed, they could be handed out again


def guarded(array) -> np.ndarray:
    """A float32 copy of `array` with an inaccessible page behind its last value."""
    array = np.ascontiguousarray(array, np.float32)
    size = -(-max(array.nbytes, 1) // PAGE) * PAGE
    memory = mmap.mmap(-1, size + PAGE)
    _kept.append(memory)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if _C.mprotect(start + size, PAGE, 0):
        raise OSError(ctypes.get_errno(), "mprotect")
    place = (ctypes.c_float * array.size).from_address(start + size - array.nbytes)
    copy = np.ctypeslib.as_array(place).reshape(array.shape)
    copy[...] = array
    return copy
