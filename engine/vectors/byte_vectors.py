"""Many bytes of text at a time, for kernels that scan and print: LLVM vectors, in the registers that the CPU has.

    text = address(array)         of its first element, an int64: Numba counts references to arrays, not to these
    byte(text, i)                 the byte at text + i, as an int64
    digits, points, minuses, pluses, letters, marks = classes(text, i)
                                  bit k of each is set where byte i + k is 0-9, ".", "-", "+", a-z or A-Z, e or E
    line_ends(text, i)            which bytes are line feeds, as a uint64
    equal_bytes(text, i, code)    which bytes are `code`
    plain_separators(text, i)     which are commas, blanks or control characters
    unusual(text, i)              which bytes are one of  ! " # $ % & ' * / : < = > ? @ \\ ^ _ ` ~  or not ASCII
    first_one(word)  last_one(word)  count_ones(word)    positions from 0; of a word without ones 64, -1, 0
    put(numbers, k, value)        element k of the float32 array becomes `value`
    eight(text, i)                bytes i to i + 7 as a uint64, the lowest first
    put8bytes(text, i, word)      bytes i to i + 7 become those of the uint64 `word`, the lowest first
    offset = scratch()            256 bytes that are the calling function's own until it returns
    last_fours(text, i, fours)    the uint16 at fours + 2*k becomes the number made of the last digits up to byte i + k,
                                  of four at most; 0 where that byte is not a digit
    four(fours, k)                such a uint16, as an int64
    short_numbers(text, i, shorts)
                                  the same for up to three digits, as number % 100 in the lower byte, number // 100 in
                                  the upper one, and the uppermost bit set where a minus stands before
    lasts = put8(numbers, k, shorts, lasts)
                                  elements k to k + 7 become the numbers in `shorts` at the first eight ones of `lasts`,
                                  which are cleared in the result; undefined values where fewer ones are left

`last_fours` and `short_numbers` also read the three bytes before byte i. No bounds are checked.
"""

from __future__ import annotations

import functools

from ..compiler import signatures as types
from ..compiler.jit import intrinsic
from ..compiler.llvm_ir import ir
from .llvm import FLOAT

WINDOW = 64  # bytes, one for each bit of a uint64
SCRATCH = 256  # bytes

_BYTE, _SHORT, _INT, _WORD = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64)
_BIT = ir.IntType(1)
_i64, _u64 = types.int64, types.uint64


def _vector(kind):
    return ir.VectorType(kind, WINDOW)


_WINDOW = _vector(_BYTE)


def _all(kind, value):
    return ir.Constant(_vector(kind), [value] * WINDOW)


def _pointer(builder, address, index, kind):
    """To element `index` of an array of `kind`; of bytes where `kind` is a window or word."""
    size = {FLOAT: 4, _SHORT: 2}.get(kind, 1)
    return builder.inttoptr(builder.add(address, builder.mul(index, _WORD(size))), kind.as_pointer())


def _load(builder, text, i, kind=_WINDOW):
    return builder.load(_pointer(builder, text, i, kind), align=1)


def _is(builder, v, character):
    return builder.icmp_unsigned("==", v, _all(_BYTE, ord(character)))


def _within(builder, v, first, count):
    """Which bytes are one of the `count` characters from `first` on, and the distance of each byte from `first`."""
    distance = builder.sub(v, _all(_BYTE, ord(first)))
    return builder.icmp_unsigned("<", distance, _all(_BYTE, count)), distance


@intrinsic
def address(typingctx, array):
    def codegen(context, builder, signature, args):
        return builder.ptrtoint(context.make_array(signature.args[0])(context, builder, args[0]).data, _WORD)

    return _i64(array), codegen


@intrinsic
def byte(typingctx, text, i):
    def codegen(context, builder, signature, args):
        return builder.zext(_load(builder, *args, _BYTE), _WORD)

    return _i64(_i64, _i64), codegen


@intrinsic
def eight(typingctx, text, i):
    return _u64(_i64, _i64), lambda context, builder, signature, args: _load(builder, *args, _WORD)


@intrinsic
def put(typingctx, numbers, k, value):
    def codegen(context, builder, signature, args):
        builder.store(args[2], _pointer(builder, *args[:2], FLOAT), align=4)
        return context.get_dummy_value()

    return types.void(_i64, _i64, types.float32), codegen


@intrinsic
def put8bytes(typingctx, text, i, word):
    def codegen(context, builder, signature, args):
        builder.store(args[2], _pointer(builder, *args[:2], _WORD), align=1)
        return context.get_dummy_value()

    return types.void(_i64, _i64, _u64), codegen


@intrinsic
def scratch(typingctx):
    def codegen(context, builder, signature, args):
        from numba.core import cgutils

        return builder.ptrtoint(cgutils.alloca_once(builder, _BYTE, SCRATCH), _WORD)

    return _i64(), codegen


@intrinsic
def first_one(typingctx, word):
    return _i64(_u64), lambda context, builder, signature, args: builder.cttz(args[0], _BIT(0))


@intrinsic
def last_one(typingctx, word):
    def codegen(context, builder, signature, args):
        return builder.sub(_WORD(WINDOW - 1), builder.ctlz(args[0], _BIT(0)))

    return _i64(_u64), codegen


@intrinsic
def count_ones(typingctx, word):
    return _i64(_u64), lambda context, builder, signature, args: builder.ctpop(args[0])


@intrinsic
def classes(typingctx, text, i):
    from numba.core import types as numba_types

    def codegen(context, builder, signature, args):
        v = _load(builder, *args)
        small = builder.or_(v, _all(_BYTE, 32))
        found = [_within(builder, v, "0", 10)[0], *(_is(builder, v, c) for c in ".-+")]
        found += [_within(builder, small, "a", 26)[0], _is(builder, small, "e")]
        return context.make_tuple(builder, signature.return_type, [builder.bitcast(f, _WORD) for f in found])

    return types.Signature(numba_types.UniTuple(numba_types.uint64, 6), (_i64, _i64)), codegen


@intrinsic
def line_ends(typingctx, text, i):
    return _u64(_i64, _i64), lambda context, builder, signature, args: builder.bitcast(
        _is(builder, _load(builder, *args), "\n"), _WORD
    )


@intrinsic
def equal_bytes(typingctx, text, i, code):
    def codegen(context, builder, signature, args):
        *place, code = args
        first = builder.insert_element(ir.Constant(_WINDOW, ir.Undefined), builder.trunc(code, _BYTE), _INT(0))
        wanted = builder.shuffle_vector(first, first, ir.Constant(_vector(_INT), [0] * WINDOW))
        return builder.bitcast(builder.icmp_unsigned("==", _load(builder, *place), wanted), _WORD)

    return _u64(_i64, _i64, _i64), codegen


@intrinsic
def plain_separators(typingctx, text, i):
    def codegen(context, builder, signature, args):
        v = _load(builder, *args)
        blank = builder.icmp_unsigned("<=", v, _all(_BYTE, ord(" ")))
        return builder.bitcast(builder.or_(blank, _is(builder, v, ",")), _WORD)

    return _u64(_i64, _i64), codegen


@intrinsic
def unusual(typingctx, text, i):
    def codegen(context, builder, signature, args):
        v = _load(builder, *args)
        ranges = (("!", 7), ("<", 5), ("^", 3), ("~", 130))
        found = [_within(builder, v, first, count)[0] for first, count in ranges]
        found += [_is(builder, v, character) for character in "*/:\\"]
        return builder.bitcast(functools.reduce(builder.or_, found), _WORD)

    return _u64(_i64, _i64), codegen


@intrinsic
def short_numbers(typingctx, text, i, shorts):
    def codegen(context, builder, signature, args):
        text, i, shorts = args
        ones, tens, hundreds, before = (_load(builder, text, builder.sub(i, _WORD(back))) for back in range(4))
        ones = builder.sub(ones, _all(_BYTE, ord("0")))
        two, ten = _within(builder, tens, "0", 10)
        three, hundred = _within(builder, hundreds, "0", 10)
        sign = builder.select(two, builder.select(three, before, hundreds), tens)
        ten = builder.select(two, ten, _all(_BYTE, 0))
        hundred = builder.select(builder.and_(two, three), hundred, _all(_BYTE, 0))
        two_digits = builder.add(ones, builder.mul(ten, _all(_BYTE, 10)))
        negative = builder.select(_is(builder, sign, "-"), _all(_BYTE, 0x80), _all(_BYTE, 0))
        order = [lane for k in range(WINDOW) for lane in (k, WINDOW + k)]
        pairs = builder.shuffle_vector(
            two_digits, builder.or_(hundred, negative), ir.Constant(ir.VectorType(_INT, 2 * WINDOW), order)
        )
        builder.store(pairs, builder.inttoptr(shorts, pairs.type.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(_i64, _i64, _i64), codegen


@intrinsic
def put8(typingctx, numbers, k, shorts, lasts):
    def codegen(context, builder, signature, args):
        numbers, k, shorts, lasts = args
        pairs = ir.Constant(ir.VectorType(_SHORT, 8), ir.Undefined)
        for lane in range(8):
            last = builder.cttz(lasts, _BIT(0))
            pair = builder.load(_pointer(builder, shorts, last, _SHORT), align=2)
            pairs = builder.insert_element(pairs, pair, _INT(lane))
            lasts = builder.and_(lasts, builder.sub(lasts, _WORD(1)))
        short, wide = (lambda value: ir.Constant(pairs.type, [value] * 8)), ir.VectorType(_INT, 8)
        whole = builder.mul(builder.and_(builder.lshr(pairs, short(8)), short(0x7F)), short(100))
        whole = builder.add(whole, builder.and_(pairs, short(0xFF)))
        value = builder.sitofp(builder.zext(whole, wide), ir.VectorType(FLOAT, 8))
        # The sign goes to the float's own bit: an integer has no -0.
        sign = builder.shl(builder.zext(builder.and_(pairs, short(0x8000)), wide), ir.Constant(wide, [16] * 8))
        value = builder.bitcast(builder.or_(builder.bitcast(value, wide), sign), value.type)
        pointer = _pointer(builder, numbers, k, FLOAT)
        builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=4)
        return lasts

    return _u64(_i64, _i64, _i64, _u64), codegen


@intrinsic
def last_fours(typingctx, text, i, fours):
    def codegen(context, builder, signature, args):
        text, i, fours = args
        digits, run = [], None
        for back in range(4):
            v = _load(builder, text, builder.sub(i, _WORD(back)))
            here, digit = _within(builder, v, "0", 10)
            run = here if run is None else builder.and_(run, here)
            digits.append(builder.select(run, digit, _all(_BYTE, 0)))
        two, hundreds = (
            builder.zext(builder.add(digits[k], builder.mul(digits[k + 1], _all(_BYTE, 10))), _vector(_SHORT))
            for k in (0, 2)
        )
        value = builder.add(two, builder.mul(hundreds, _all(_SHORT, 100)))
        builder.store(value, builder.inttoptr(fours, value.type.as_pointer()), align=2)
        return context.get_dummy_value()

    return types.void(_i64, _i64, _i64), codegen


@intrinsic
def four(typingctx, fours, k):
    def codegen(context, builder, signature, args):
        return builder.zext(builder.load(_pointer(builder, *args, _SHORT), align=2), _WORD)

    return _i64(_i64, _i64), codegen
