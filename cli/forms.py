"""Commands of two forms: the original's, for text nets, and Caffe's, for its solvers and nets. Options show which one a
command line is. Caffe's may be written as its own program takes them: -solver, --solver=F, --sigint_effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import typer

from .options import Command, examples

HELP = ("--help", "-h")
WrongUsage = typer.BadParameter.__mro__[1]  # of Click, which Typer hides


class TwoForms(Command):
    """A command for text nets, with `caffe_form` as another one."""

    caffe_form: CaffeForm

    def make_context(self, info_name, args, parent=None, **extra):
        spelled = [self.caffe_form.spelled(arg) for arg in args]
        names = [arg.partition("=")[0] for arg in spelled if arg.startswith("-")]
        own = {name for parameter in self.params for name in parameter.opts}
        if not self.caffe_form.options.difference(own).intersection(names):
            return super().make_context(info_name, args, parent, **extra)
        if not {*HELP}.isdisjoint(names):
            spelled = ["--help"]
        wrong = [name for name in names if name in own - self.caffe_form.options and name not in HELP]
        try:
            if wrong:
                raise typer.BadParameter(f"it is for text nets, {self.usage}", param_hint=wrong[0])
            return self.caffe_form.command.make_context(
                f"{info_name} {self.caffe_form.example}", spelled, parent, **extra
            )
        except WrongUsage as error:
            if "unexpected extra" not in str(error):
                raise
            raise WrongUsage(f"{self.caffe_form.takes} none of {self.usage}: {error}", error.ctx) from None

    def format_usage(self, ctx, formatter) -> None:
        super().format_usage(ctx, formatter)
        other = self.caffe_form.command.collect_usage_pieces(ctx)
        formatter.write_usage(f"{ctx.command_path} {self.caffe_form.example}", " ".join(other), "   or: ")

    @property
    def usage(self) -> str:
        """The arguments of the original's form."""
        return " ".join(parameter.metavar for parameter in self.params if parameter.param_type_name == "argument")


class FormCommand(Command):
    """A command whose usage line names the options that it needs, but the first, with which its own name ends."""

    def collect_usage_pieces(self, ctx) -> list[str]:
        needed = [f"{parameter.opts[0]} {parameter.metavar}" for parameter in self.params if parameter.required]
        return [" ".join(needed).partition(" ")[2], *super().collect_usage_pieces(ctx)]


class CaffeForm:
    """Caffe's form of a command: the function with its options, and what the form `takes`, for messages."""

    def __init__(self, function: Callable, lines: Sequence[str], takes: str):
        self._function, self._lines, self.takes = function, lines, takes

    @cached_property
    def example(self) -> str:
        """The option that this form needs."""
        return next(parameter.opts[0] for parameter in self.command.params if parameter.required)

    @cached_property
    def command(self) -> Command:
        app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        app.command(cls=FormCommand, epilog=examples(*self._lines))(self._function)
        return typer.main.get_command(app)

    @cached_property
    def options(self) -> set[str]:
        return {name for parameter in self.command.params for name in parameter.opts if name.startswith("--")}

    def spelled(self, arg: str) -> str:
        """An option in this program's spelling; anything else unchanged."""
        name, equals, value = arg.partition("=")
        long = "--" + name.lstrip("-").replace("_", "-")
        return long + equals + value if name.startswith("-") and long in self.options else arg


def two_forms(form: CaffeForm, kind: type[Command]) -> type[TwoForms]:
    """`kind` is that of the form for text nets."""
    bases = (TwoForms,) if kind is Command else (TwoForms, kind)
    return type("TwoForms", bases, {"caffe_form": form})


class WithCommands(Command):
    """A command whose first argument may be the name of another one, of `commands`."""

    commands: Mapping[str, Command]

    def make_context(self, info_name, args, parent=None, **extra):
        if args and args[0] in self.commands:
            name, *rest = args
            return self.commands[name].make_context(f"{info_name} {name}", rest, parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def format_usage(self, ctx, formatter) -> None:
        super().format_usage(ctx, formatter)
        for name, command in self.commands.items():
            formatter.write_usage(f"{ctx.command_path} {name}", " ".join(command.collect_usage_pieces(ctx)), "   or: ")


def with_commands(commands: Mapping[str, tuple[Callable, Sequence[str]]]) -> type[WithCommands]:
    """`commands`: functions with their options, and examples, by name."""
    made = {}
    for name, (function, lines) in commands.items():
        app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        app.command(cls=Command, epilog=examples(*lines))(function)
        made[name] = typer.main.get_command(app)
    return type("WithCommands", (WithCommands,), {"commands": made})
