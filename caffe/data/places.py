"""Where the files are that a net or a list names."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import InputError


class Places:
    """Names count from the working directory, as in Caffe. What is not there is looked for beside the file that names
    it (`namer`): each that is found there adds a line to `notices`."""

    def __init__(self, namer: str | os.PathLike[str], notices: list[str]):
        self.namer, self.notices = Path(namer), notices

    def find(self, name: str) -> Path:
        """Raises InputError for a file that is in neither place."""
        path, beside = Path(name), self.namer.parent / name
        if os.path.exists(path):
            return path
        if not os.path.exists(beside):
            hint = "" if path.is_absolute() else f"names count from the working directory, {os.getcwd()}"
            raise InputError(self.namer, f"names {name!r}, which does not exist", hint=hint)
        notice = f"{name} is not in the working directory: {beside} is taken, beside the file that names it"
        if notice not in self.notices:
            self.notices.append(notice)
        return beside

    def root(self, prefix: str, name: str) -> str:
        """What comes before `prefix` + `name`, the first of many files, and all the others: `prefix`, or that beside
        the file that names them."""
        path = prefix + name
        return prefix if self.find(path) == Path(path) else os.path.join(self.namer.parent, prefix)

    def at(self, namer: Path) -> Places:
        """Of what another file names, a list for one."""
        return Places(namer, self.notices)
