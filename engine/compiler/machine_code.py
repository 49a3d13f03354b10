"""Machine code that is called without Numba and LLVM in the process.

stand_alone   a compiled kernel -> StandAlone, plain values that can be kept in a file
load          StandAlone -> the address of its entry point in this process

Numba's library of a kernel also holds a wrapper for calls from Python, and the C wrapper reports exceptions of Python.
Where a kernel raises none and allocates nothing, LLVM can see that: with everything but the C wrapper made internal,
constant propagation across functions removes all references to Python. What is left is one block of code and
constants that holds absolute addresses (the large code model, which Numba's JIT compiles for): of bytes of the block
itself, or of functions of the C library. A kernel that needs more is not loaded this way, nor is one for another CPU
than x86-64, whose code lies in memory in another way; Numba runs it.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import struct
from typing import NamedTuple

R_X86_64_64 = 1  # the relocation of an absolute address: eight bytes, symbol + addend
ALLOCATED, EXECUTABLE = 0x2, 0x4  # section flags
PROGRAM, SYMBOLS, RELOCATIONS = 1, 2, 4  # section types
SECTION_ALIGNMENT = 64  # bytes, at least: a cache line
# A kernel frees no array argument: the caller holds a reference, or the array has no owner (a view).
FREEING = "NRT_MemInfo_call_dtor"
NEVER_FREED = "define void @NRT_MemInfo_call_dtor(ptr %x) { ret void }"


class StandAlone(NamedTuple):
    """`image`, whose entry point is byte `entry`. `inner` holds pairs (offset, target): at byte `offset` belongs the
    address of byte `target`. `outer` holds pairs (offset, name): there, that of a function of the C library."""

    image: bytes
    entry: int
    inner: tuple[tuple[int, int], ...]
    outer: tuple[tuple[int, str], ...]


# ------------------------------------------------------------------------------------------------- keeping
def stand_alone(library, entry: str) -> tuple | None:
    """The function `entry` of a library of Numba's as a plain tuple of StandAlone's fields; None if it needs more."""
    import llvmlite.binding as llvm

    machine = library.codegen._tm
    if not machine.triple.startswith("x86_64"):
        return None
    module = llvm.parse_bitcode(library._final_module.as_bitcode())
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration and value.name != entry:
            value.linkage = "internal"
    if FREEING in {function.name for function in module.functions if function.is_declaration}:
        module.link_in(llvm.parse_assembly(NEVER_FREED))
        module.get_function(FREEING).linkage = "internal"
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.add_ipsccp_pass()
    passes.add_simplify_cfg_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    made = _from_object(machine.emit_object(module), entry)
    return tuple(made) if made and _addresses(made.outer) is not None else None


def _from_object(data: bytes, entry: str) -> StandAlone | None:
    """The loaded sections of an ELF relocatable file, one behind the other; None if they are not all as expected."""
    table, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
    sections = [_Section(*struct.unpack_from("<IIQQQQIIQQ", data, table + 64 * n)) for n in range(count)]
    image, starts = bytearray(), {}
    for number, section in enumerate(sections):
        if section.type == PROGRAM and section.flags & ALLOCATED:
            image += bytes(-len(image) % max(SECTION_ALIGNMENT, section.alignment))
            starts[number] = len(image)
            image += data[section.offset : section.offset + section.size]
    symbols = _symbols(data, sections)
    inner, outer = [], []
    for section in sections:
        if section.type != RELOCATIONS or section.info not in starts:
            continue  # of .eh_frame: no exception passes through a kernel
        for at in range(section.offset, section.offset + section.size, 24):
            offset, info, addend = struct.unpack_from("<QQq", data, at)
            name, home, value = symbols[info >> 32]
            offset += starts[section.info]
            if info & 0xFFFFFFFF != R_X86_64_64:
                return None
            if home in starts:
                inner.append((offset, starts[home] + value + addend))
            elif home == 0 and addend == 0:
                outer.append((offset, name))
            else:
                return None
    (found,) = [starts[home] + value for name, home, value in symbols if name == entry]
    return StandAlone(bytes(image), found, tuple(inner), tuple(outer))


class _Section(NamedTuple):
    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int


def _symbols(data: bytes, sections: list[_Section]) -> list[tuple[str, int, int]]:
    """Name, number of the section (0: not defined here) and offset in it of each symbol."""
    (table,) = [section for section in sections if section.type == SYMBOLS]
    names = sections[table.link].offset
    found = []
    for at in range(table.offset, table.offset + table.size, 24):
        name, _, _, section, value, _ = struct.unpack_from("<IBBHQQ", data, at)
        found.append((data[names + name : data.index(b"\0", names + name)].decode(), section, value))
    return found


# ------------------------------------------------------------------------------------------------- loading
def load(kept: tuple) -> int | None:
    """The address of the entry point of a kept `stand_alone`; None where this process cannot map it."""
    code = StandAlone(*kept)
    addresses = _addresses(code.outer)
    if addresses is None:
        return None
    try:
        memory = mmap.mmap(-1, len(code.image))
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        memory[: len(code.image)] = code.image
        for offset, target in code.inner:
            struct.pack_into("<Q", memory, offset, start + target)
        for offset, name in code.outer:
            struct.pack_into("<Q", memory, offset, addresses[name])
        # Never writable and executable at once, which some systems refuse.
        if _libc().mprotect(ctypes.c_void_p(start), ctypes.c_size_t(len(code.image)), mmap.PROT_READ | mmap.PROT_EXEC):
            return None
    except OSError:
        return None
    _MAPPED.append(memory)
    return start + code.entry


_MAPPED: list[mmap.mmap] = []  # for good: addresses into them are handed out


def _addresses(outer) -> dict[str, int] | None:
    """The addresses of the functions of `outer` in the C library; None if one of them, or the library, is missing."""
    try:
        return {name: ctypes.cast(getattr(_libc(), name), ctypes.c_void_p).value for _, name in outer}
    except (AttributeError, OSError):
        return None


@functools.cache
def _libc() -> ctypes.CDLL:
    """The C library of this process, and its mathematical part."""
    return ctypes.CDLL("libm.so.6")  # finds the symbols of libc, which it needs, as well
