"""The link by which an editable install finds the package, where there is none yet: in an unpacked sdist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Link(BuildHookInterface):
    """Makes src/caffe64, a link to the repository root, before an editable wheel is built; other wheels need none."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        link = Path(self.root, "src", "caffe64")
        if version == "editable" and not link.is_symlink():
            link.symlink_to("..")
