"""Where demos get their data: the folder given, else $CAFFE64_DATA, else data/ of this checkout, else download."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import urllib.error
import urllib.request
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

HERE = Path(__file__).resolve().parents[2] / "data"
TIMEOUT = 20  # seconds without a byte
LARGEST = 64 << 20  # bytes of a file, unpacked
# Pictures, texts and models that are in the original's repository.
ORIGINAL = "https://raw.githubusercontent.com/dfouhey/caffe64/master/"


class DataMissing(Exception):
    """The data was not found, and could not be downloaded; the text says what to do by hand."""


def find_folder(name: str, files: tuple[str, ...], given: Path | None) -> Path | None:
    """The folder `name` that holds all `files`: `given` itself, else below $CAFFE64_DATA (in name/ or caffe64/name/),
    else below data/ of this checkout.

    Raises DataMissing if a folder was given that does not hold them.
    """
    folders = [HERE / name]
    if os.environ.get("CAFFE64_DATA"):
        base = Path(os.environ["CAFFE64_DATA"])
        folders = [base, base / name, base / "caffe64" / name, *folders]
    if given is not None:
        folders = [given, given / name]
    for folder in folders:
        if all((folder / file).is_file() for file in files):
            return folder
    if given is not None:
        raise DataMissing(f"{given} does not hold {', '.join(files)}")
    return None


def download(name: str, files: dict[str, str], mirrors: tuple[str, ...]) -> Path:
    """Fetch files into data/`name`; from the first mirror that works.

    files: {name: SHA-256 of the bytes, for .gz of the unpacked ones}.
    Raises DataMissing when offline or when a file is not the expected one.
    """
    folder = HERE / name
    folder.mkdir(parents=True, exist_ok=True)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for file, digest in files.items():
            if not (folder / file).is_file():
                packed = _fetch(file, mirrors, folder, progress)
                if hashlib.sha256(_unpacked(packed) if file.endswith(".gz") else packed).hexdigest() != digest:
                    raise DataMissing(f"{file} from the mirror is not the file that was expected (SHA-256 differs)")
                aside = folder / f"{file}.part{os.getpid()}"
                aside.write_bytes(packed)
                aside.replace(folder / file)
    return folder


def _unpacked(packed: bytes) -> bytes:
    with gzip.open(io.BytesIO(packed)) as stream:
        return stream.read(LARGEST)


def _fetch(file: str, mirrors: tuple[str, ...], folder: Path, progress: Progress) -> bytes:
    problems = []
    for mirror in mirrors:
        try:
            with urllib.request.urlopen(mirror + file, timeout=TIMEOUT) as response:
                size = int(response.headers.get("Content-Length") or 0)
                task, parts = progress.add_task(f"downloading {file}", total=size or None), []
                while (part := response.read(1 << 16)) and sum(map(len, parts)) < LARGEST:
                    parts.append(part)
                    progress.advance(task, len(part))
                return b"".join(parts)
        except (urllib.error.URLError, OSError, ValueError) as error:
            problems.append(f"{mirror}: {getattr(error, 'reason', error)}")
    raise DataMissing(
        f"could not download {file} ({'; '.join(problems)}).\n"
        f"Put it into {folder} by hand, or set CAFFE64_DATA to a folder that holds it."
    )
