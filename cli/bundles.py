"""Commands that take a .c64 bundle in place of NET WEIGHTS, or a table; and the net that is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..formats.content import is_bundle
from .options import Command

if TYPE_CHECKING:
    from ..api import Net
    from ..tables.columns import TableColumns

PAIR = "NET WEIGHTS"


class BundleCommand(Command):
    """A command whose first two arguments, NET and WEIGHTS, may be one bundle: it then stands for both."""

    def parse_args(self, ctx, args):
        return super().parse_args(ctx, self._with_pair(args))

    def _with_pair(self, args: Sequence[str]) -> list[str]:
        """The arguments with the bundle twice, where the first one that is not an option's is a bundle."""
        flags = {name for each in self.params if getattr(each, "is_flag", False) for name in _names(each)}
        options = {name for each in self.params for name in _names(each)} - flags
        place = 0
        while place < len(args):
            arg = args[place]
            if arg == "--":
                place += 1
                break
            if arg == "-" or not arg.startswith("-"):
                break
            place += 2 if arg in options else 1
        doubled = args[place : place + 1] if place < len(args) and is_bundle(args[place]) else []
        return [*args[:place], *doubled, *args[place:]]

    def format_usage(self, ctx, formatter) -> None:
        super().format_usage(ctx, formatter)
        pieces = " ".join(self.collect_usage_pieces(ctx))
        formatter.write_usage(ctx.command_path, pieces.replace(PAIR, "MODEL.c64"), "   or: ")


class TrainCommand(Command):
    """The command that also learns from a table: then there is no Y."""

    def collect_usage_pieces(self, ctx) -> list[str]:
        return [piece.replace("[Y]", "Y") for piece in super().collect_usage_pieces(ctx)]

    def format_usage(self, ctx, formatter) -> None:
        super().format_usage(ctx, formatter)
        form = "NET MODEL.c64 OPTIM N TABLE --target COLUMN [OPTIONS]"
        formatter.write_usage(ctx.command_path, form, "   or: ")


def _names(parameter) -> list[str]:
    return [*parameter.opts, *parameter.secondary_opts] if parameter.param_type_name == "option" else []


def read_net(net: Path, weights: Path) -> tuple[Net, TableColumns | None]:
    """The net of the two files with its weights, or of a bundle, and what that has of columns. Raises InputError,
    and UsageError for a bundle beside a net."""
    from ..api import Net

    if is_bundle(weights) and not is_bundle(net):
        raise UsageError(f"{weights} holds its net itself: leave {net} out")
    if not is_bundle(net):
        return Net.read(net).load(weights), None
    from ..tables.bundle import Bundle

    bundle = Bundle.read(net)
    return bundle.net, bundle.columns
