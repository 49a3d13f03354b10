"""The kind of a file by its first bytes, for messages about a file of the wrong kind."""

from __future__ import annotations

import os
import re

from ..errors import InputError

BUNDLE_SUFFIX = ".c64"
HEAD = 512  # bytes that are read
LFS = b"version https://git-lfs.github.com/spec/"
WEB = (b"<!doctype", b"<html", b"<?xml")
ORDER = "are the files given in the right order?"
UNPACK = "unpack it first"
CUT_SHORT = "was it copied completely?"
SIGNATURES = {
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file", ORDER),
    b"\x93NUMPY": ("a .npy file", ORDER),
    b"\x1f\x8b": ("a .gz file", UNPACK),
    b"PK\3\4": ("a .zip archive", UNPACK),
    b"BZh": ("a .bz2 file", UNPACK),
    b"\xfd7zXZ\0": ("an .xz file", UNPACK),
    b"7z\xbc\xaf\x27\x1c": ("a .7z archive", UNPACK),
    b"Rar!": ("a .rar archive", UNPACK),
    b"\x89PNG": ("a picture", ORDER),
    b"\xff\xd8\xff": ("a picture", ORDER),
    b"\xff\xfe": ("text in UTF-16", "save it anew as UTF-8"),
    b"\xfe\xff": ("text in UTF-16", "save it anew as UTF-8"),
}
CAFFE = "for caffe64 summary, time, run, classify, optimize, verify, draw and export, and test --model"
A_TEXT_NET, ITS_WEIGHTS = "a text net", "the weights of a text net"
A_PROTOTXT, A_MODEL = "a prototxt, the net of a Caffe model", "a .caffemodel, the weights of a Caffe model"
A_TENSOR_FILE = "a .safetensors file"
A_SOLVER, A_MEAN, AN_OPTIMIZER = "a solver of Caffe's", "a .binaryproto", "an optimizer file"
A_STATE = "a .solverstate"
FAMILIES = ({A_TEXT_NET, ITS_WEIGHTS, AN_OPTIMIZER}, {A_PROTOTXT, A_MODEL, A_MEAN})
_TEXT_NET = re.compile(rb"(?:\s|#[^\n]*\n)*[0-9]+[ \t\r]*(?:#[^\n]*)?\n(?:\s|#[^\n]*\n)*inp\b")
_PROTOTXT = re.compile(rb"^\s*(?:name\s*:|input(?:_dim|_shape)?\s*[:{]|layers?\s*:?\s*\{)", re.MULTILINE)
_SOLVER = re.compile(rb"^\s*(?:(?:train_|test_)?net|base_lr|lr_policy|max_iter|solver_mode)\s*:", re.MULTILINE)
_MODEL = re.compile(rb"\x0a(?s:.){0,200}?(?:\xa2\x06|\x12)|\xa2\x06")  # a net's name, its layers: fields 1, 100 or 2
_STATE = re.compile(rb"\x08[\x80-\xff]{0,4}[\0-\x7f][\x12\x1a\x20]")  # iter, then another field
CONTROL = bytes({*range(32)} - set(b"\t\n\r"))


def is_bundle(path: object) -> bool:
    """Whether a file, by its name, is a text net with its weights (`bundle.py`)."""
    return isinstance(path, str | os.PathLike) and os.fspath(path).lower().endswith(BUNDLE_SUFFIX)


def refuse_stand_ins(path: str | os.PathLike[str], head: bytes) -> None:
    """Raises InputError for a page or pointer that a download left in place of a file; no reader accepts it."""
    if head.startswith(LFS):
        raise InputError(path, "is a Git LFS pointer, not the file itself", hint="git lfs pull fetches it")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:10].lower()
    if start.startswith(WEB):
        what = "an XML document" if start.startswith(b"<?xml") else "a web page"
        raise InputError(path, f"is {what}, not the file itself", hint="was the download refused? download it again")


def is_text_net(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a text net."""
    return bool(_TEXT_NET.match(head.removeprefix(b"\xef\xbb\xbf")))


def _of_a_net(head: bytes) -> tuple[str, str] | None:
    """The files of nets: of text nets, and of Caffe's."""
    text = head.removeprefix(b"\xef\xbb\xbf")
    if is_text_net(head):
        return A_TEXT_NET, "for caffe64 info, train, test, eval, score and export"
    layers, parameters = (int.from_bytes(head[at : at + 8], "little") for at in (0, 8))
    if len(head) >= 16 and 1 <= layers <= 10_000 and parameters < 1 << 40:
        return ITS_WEIGHTS, "for caffe64 info, train --init, test, eval, score and export"
    if b"\0" in head and _STATE.match(head):
        return A_STATE, "for caffe64 train --solver, by its option --snapshot"
    if b"\0" in head and _MODEL.match(head):
        return A_MODEL, CAFFE
    if b"\0" in head:
        return None
    if _SOLVER.search(text):
        return A_SOLVER, "for caffe64 train --solver"
    return (A_PROTOTXT, CAFFE) if _PROTOTXT.search(text) else None


def recognise(head: bytes) -> tuple[str, str]:
    """The kind and a hint for a message: "text" or "a binary file" where nothing more is known, "" for either."""
    for magic, kind in SIGNATURES.items():
        if head.startswith(magic):
            return kind
    if head[4:9] == b"\0\0\0\0{" and b"\0" not in head[8:16]:
        return A_TENSOR_FILE, "the weights of a net, in place of a text net's WEIGHTS or of a .caffemodel"
    if known := _of_a_net(head):
        return known
    strange = sum(head.count(byte) for byte in CONTROL)
    if strange > 1 or b"\0" in head:
        return "a binary file", ORDER
    return "" if strange else "text", ORDER


def refuse_others(path: str | os.PathLike[str], head: bytes, expected: str, *own: str) -> None:
    """Raises InputError for a file that is recognised as another kind than `own`, kinds that an `expected` file may
    resemble."""
    is_a, hint = recognise(head)
    if is_bundle(path) and head.startswith(b"PK\3\4"):
        is_a, hint = f"a {BUNDLE_SUFFIX} bundle", "for caffe64 test, eval, predict, info and train --init"
    if is_a not in ("", *own):
        swapped = any(is_a in family and family & {expected, *own} for family in FAMILIES)
        raise InputError(path, f"is {is_a}", expected, ORDER if swapped else hint)
