"""Files beside a net's own that its layers name, and layers that would write one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..engine.graph.ir.graph import Graph, Node
from ..formats.caffe import read_binaryproto

MOST_MATRIX_BYTES = 1 << 28  # 8192 by 8192 numbers


def read_beside(graph: Graph) -> list[str]:
    """Give each InfogainLoss that names a file the matrix in it; notices about layers that write none here.

    The file lies in the net's folder or below it (of a net from a pipe, in the current folder). Raises InputError for
    one elsewhere, missing, or of more than 256 MiB.
    """
    for node in graph.nodes:
        if node.type == "InfogainLoss" and node.attributes.source and len(node.bottoms) == 2:
            numbers = read_binaryproto(_file_beside(graph.path, node))
            node.attributes = replace(node.attributes, matrix=np.ascontiguousarray(numbers, np.float32).tobytes())
    silent = [node for node in graph.nodes if node.type == "HDF5Output"]
    return [
        f"{graph.path}: {node.name!r} (HDF5Output) writes no file: read its bottoms from the net" for node in silent
    ]


def _file_beside(net: str, node: Node) -> Path:
    source = Path(node.attributes.source)
    folder = (Path(net).parent if Path(net).is_file() else Path()).resolve()
    path = (folder / source).resolve()
    if source.is_absolute() or not path.is_relative_to(folder):
        raise node.error(f"has the source {str(source)!r}", "a .binaryproto in the net's folder, by its relative name")
    if not path.is_file():
        raise node.error(f"has the source {str(source)!r}: there is no such file in {str(folder)!r}", "a .binaryproto")
    if (size := path.stat().st_size) > MOST_MATRIX_BYTES:
        raise node.error(f"has the source {str(source)!r} of {size} bytes", f"at most {MOST_MATRIX_BYTES}")
    return folder / source
