"""Find the offsets of the numbers of an HDF5 model, or of a solver's state, in its file. Runs as a separate process,
and imports nothing of the package.

    stdin     the file
    argument  model or state
    stdout    JSON, of a model: {"layers": [[name, [[number, dtype, shape, offset], ...]], ...]}, offset None for no
              numbers; of a state: {"numbers": {name: number}, "texts": {name: text}, "history": [[number, ...], ...]};
              or {"refused": [found, expected, hint]}, {"damaged": why}, {"missing": why}

HDF5's library, written in C, crashes on some damaged files, and never ends on others. Here that only ends this process,
whose time and memory are limited (on Windows by its caller). It only finds the datasets, and reads none of them.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import sys
from typing import Any

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
HAS_LIMITS = resource is not None
MOST_SECONDS, MOST_MEMORY = 20, 1 << 30  # of computing, of address space besides the file
MOST_HDF5_LAYERS, MOST_LAYER_BLOBS, MOST_HISTORIES = 100_000, 1000, 100_000
MOST_NAME_BYTES = 1 << 16
OWN_TEXT = "caffe64"  # the attribute


class Refused(Exception):
    """found, expected, hint: the parts of an InputError."""


def main() -> None:
    limit("RLIMIT_CORE", 0)
    limit("RLIMIT_CPU", MOST_SECONDS)
    mapping = mmap.mmap(0, 0, access=mmap.ACCESS_READ)
    try:
        import h5py

        limit("RLIMIT_AS", MOST_MEMORY + len(mapping))
        with h5py.File(mapping, "r") as file:
            reply: dict[str, Any] = find_state(file) if sys.argv[1] == "state" else {"layers": find(file)}
    except ImportError as error:
        reply = {"missing": str(error)}
    except Refused as refused:
        reply = {"refused": refused.args}
    except Exception as error:  # h5py raises many kinds for errors of the library
        reply = {"damaged": str(error)}
    json.dump(reply, sys.stdout)


def limit(what: str, most: int) -> None:
    """Of this process, where the system has such limits; macOS refuses some."""
    if HAS_LIMITS:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(getattr(resource, what), (most, most))


def find(file: Any) -> list[Any]:
    """The layers with datasets of an open h5py.File, as in the module's docstring. Raises Refused."""
    import h5py

    layers = _member(file, "data") if "data" in file else None
    if not isinstance(layers, h5py.Group):
        hint = "snapshots with snapshot_format: HDF5 have it"
        if "learned_net" in file:
            hint = "this is the state of a solver; the weights are in the .caffemodel.h5 beside it"
        elif layers is not None:
            hint = "this looks like training data"
        raise Refused("is an HDF5 file without a group 'data' of layers", "a .caffemodel.h5", hint)
    _check_number("layers", len(layers), MOST_HDF5_LAYERS)
    found = []
    for name in layers:
        if not name.isprintable():
            raise Refused(f"has a layer of the name {_quote(name)}", "a name that can be printed", "")
        group = _member(layers, name)
        if not isinstance(group, h5py.Group):
            raise Refused(f"{_quote(name)} in 'data' is not a group", "a group for each layer", "")
        _check_number(f"datasets in {_quote(name)}", len(group), MOST_LAYER_BLOBS)
        found.append((name, [_blob(name, member, _member(group, member)) for member in group]))
    return found


def find_state(file: Any) -> dict[str, Any]:
    """The parts of a state, as in the module's docstring; without a text that is not there. Raises Refused."""
    import h5py

    group = _member(file, "history") if "history" in file else None
    if "iter" not in file or not isinstance(group, h5py.Group):
        raise Refused("is an HDF5 file without iter and history", "a .solverstate.h5", "")
    _check_number("histories", len(group), MOST_HISTORIES)
    if missing := [str(number) for number in range(len(group)) if str(number) not in group]:
        raise Refused(f"has no history {missing[0]}", "0, 1, ...", "")
    numbers = {name: int(_single(file, name, "iu")) for name in ("iter", "current_step") if name in file}
    texts = {"learned_net": _single(file, "learned_net", "SO")} if "learned_net" in file else {}
    if OWN_TEXT in file.attrs:
        texts[OWN_TEXT] = file.attrs[OWN_TEXT]
    histories = [_location(f"history {number}", number, _member(group, str(number))) for number in range(len(group))]
    return {"numbers": numbers, "texts": {name: _text(text) for name, text in texts.items()}, "history": histories}


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _single(file: Any, name: str, kinds: str) -> Any:
    """The one value of a dataset of one of these kinds of types."""
    import h5py

    dataset = _member(file, name)
    usable = isinstance(dataset, h5py.Dataset) and dataset.dtype.kind in kinds and dataset.size == 1
    if not usable or dataset.is_virtual or dataset.external or dataset.dtype.itemsize > MOST_NAME_BYTES:
        raise Refused(f"has a member {_quote(name)} that is not one value", "a state as Caffe writes it", "")
    value = dataset[()]
    return value.reshape(-1)[0] if hasattr(value, "reshape") else value


def _member(group: Any, name: str) -> Any:
    """A group or dataset of this file, not a link."""
    import h5py

    if group.get(name, getclass=True, getlink=True) is not h5py.HardLink:
        raise Refused(f"{_quote(name)} is a link to another place or file", "a group or dataset of its own", "")
    return group[name]


def _check_number(what: str, number: int, most: int) -> None:
    if number > most:
        raise Refused(f"has {number} {what}", f"at most {most}", "is it a Caffe model?")


def _blob(layer: str, name: str, dataset: Any) -> tuple[Any, ...]:
    if not (
        name.isascii() and name.isdigit() and len(name) < 9 and str(int(name)) == name and int(name) < MOST_LAYER_BLOBS
    ):
        raise Refused(f"layer {_quote(layer)} has a dataset {_quote(name)}", "0, 1, ...: one for each blob", "")
    return _location(f"layer {_quote(layer)} blob {name}", int(name), dataset)


def _location(where: str, number: int, dataset: Any) -> tuple[Any, ...]:
    from h5py import Dataset, h5d

    if not isinstance(dataset, Dataset):
        raise Refused(f"{where} is not a dataset", "a dataset for each blob", "")
    stored = dataset.id.get_create_plist()
    # First of all: the shape of a virtual dataset may depend on other files.
    if stored.get_layout() == h5d.VIRTUAL or stored.get_external_count():
        raise Refused(f"{where} is stored in another file", "its numbers in this one", "")
    if stored.get_layout() != h5d.CONTIGUOUS:
        hint = "h5repack -f NONE -l CONTI makes it so"
        raise Refused(f"{where} is stored in chunks or packed", "in one piece, as Caffe writes it", hint)
    if dataset.shape is None:
        raise Refused(f"{where} has no shape and no numbers", "a shape", "")
    return number, _dtype(where, dataset), dataset.shape, dataset.id.get_offset()


def _dtype(where: str, dataset: Any) -> str:
    from h5py import h5t

    kind = dataset.id.get_type()
    for name, dtype in (("F32", "f4"), ("F64", "f8"), ("F16", "f2")):
        for suffix, order in (("LE", "<"), ("BE", ">")):
            if kind == getattr(h5t, f"IEEE_{name}{suffix}"):
                return order + dtype
    raise Refused(f"{where} is of the type {_quote(str(dataset.dtype))}", "float32 or float64", "")


def _quote(text: str) -> str:
    return ascii(text if len(text) <= 100 else text[:100] + "...")


if __name__ == "__main__":
    main()
