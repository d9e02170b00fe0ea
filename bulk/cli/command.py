"""The command and its verbs as Typer runs them, where Typer's own way does not suit.

What is done here to the insides of Typer makes the command quicker and its help narrower. With a Typer that
has other insides it still works; then the tests of what an offline verb imports and of the help fail.
"""

import os
from contextlib import suppress
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, get_origin

from typer.core import TyperArgument, TyperCommand, TyperGroup

from bulk.cli import help_text, variables
from bulk.errors import UsageError
from bulk.model import Issue
from bulk.settings import SETTINGS, Group
from bulk.settings.forms import shown

EPILOG = """The variable of a flag is `BULK_` and its name, such as `BULK_MAX_FAILURES`; `--yes`, `--apply`,
`--new-run`, `--despite` and `--retry` have none. A flag beats its variable, which beats job.toml."""

# The words for a switch's variable, in upper and lower case.
_SWITCH = dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True) | dict.fromkeys(
    ("0", "false", "f", "no", "n", "off"), False
)


class FromVariable(str):  # noqa: SLOT000 - `place` is the reason for the class
    """A text that came from a variable, whose name is its `place` in messages."""

    place: str

    @classmethod
    def of(cls, value: Any, place: str) -> Any:
        """Return a text, or each text of a list, with its place."""
        if isinstance(value, list):
            return [cls.of(each, place) for each in value]
        text = cls(value)
        text.place = place
        return text


def place_of(value: str, flag: str) -> str:
    """Return what a message calls the place of a value: its variable if it came from one, else the flag."""
    return getattr(value, "place", flag)


class Conversion:
    """The way from text to the type of a parameter; Typer's own imports pydantic for it (80 ms)."""

    def coerce(self, value: Any, *, param: Any, ctx: Any) -> Any:
        """Return the value of a parameter; raises UsageError for one that cannot be used.

        What is empty is refused: a variable that a script left empty may have been meant to be anything.
        """
        source = getattr(ctx.get_parameter_source(param.name), "name", "")
        if source not in {"COMMANDLINE", "ENVIRONMENT"}:
            return value
        is_variable = source == "ENVIRONMENT"
        place = param.envvar if is_variable else _word_of(param)
        texts = value if isinstance(value, list | tuple) else [value]
        if "" in texts or (is_variable and not texts):
            raise UsageError(f"{place} is empty", hint="give it a value, or leave it out")
        for text in texts:
            if isinstance(text, str):
                _must_be_text(text, place)
        kind = param.type_descriptor.annotation
        if isinstance(value, get_origin(kind) or kind):
            _must_be_read(param.name, value, place)
            return FromVariable.of(value, place) if is_variable else value
        try:
            return _SWITCH[value.strip().lower()] if kind is bool else kind(value)
        except (KeyError, ValueError) as error:
            choices = "true, false" if kind is bool else ", ".join(kind)
            message = f"{place}: {shown(value)} is not one of {choices}"
            raise UsageError(message, hint=f"see {ctx.command_path} --help") from error


def _must_be_text(text: str, place: str) -> None:
    """Raise UsageError for surrogates, as which Python keeps the bytes that it could not read."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise UsageError(
            f"{place}: {shown(text)} has bytes that are no text in this locale",
            hint="rename what it names, or set LC_ALL=C.UTF-8 if its name is UTF-8",
        )


def _word_of(param: Any) -> str:
    """Return what a message calls a parameter that stands on the command line."""
    return str(param.metavar if isinstance(param, TyperArgument) else param.opts[-1])


def _must_be_read(name: str, value: Any, place: str) -> None:
    """Raise UsageError where the parameter is a setting and cannot have this value."""
    setting = SETTINGS.get(name)
    if setting and setting.has_flag and isinstance(issue := setting.form.read(value), Issue):
        raise UsageError(f"{place}: {issue.message}", hint=issue.hint)


class Verb(TyperCommand):
    """A verb, whose help is plain text and whose variables are all known."""

    def get_short_help_str(self, limit: int = 0) -> str:  # noqa: ARG002 - sentences are not cut
        """Return the first sentence of the help, for the list of verbs."""
        return " ".join((self.help or "").partition("\n\n")[0].split())

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters, `--help` among the flags of a panel that every verb has."""
        params = _quick(super().get_params(ctx))
        if self.add_help_option:
            params[-1].rich_help_panel = Group.OUTPUT
        return params

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help: each switch as `--[no-]strict`, and as plain text."""
        for each in self.params:
            if each.secondary_opts:
                each.opts, each.secondary_opts = [f"--[no-]{each.opts[0][2:]}"], []
        usage = f"Usage: {' '.join([ctx.command_path, *self.collect_usage_pieces(ctx)])}"
        params = self.get_params(ctx)
        formatter.write(help_text.help_of(usage, self.help or "", params, self.name or "", self.epilog or ""))

    def invoke(self, ctx: Any) -> Any:
        """Run the verb, once the folder and all variables that are meant for this command are known."""
        with suppress(FileNotFoundError):  # the folder was removed: no path has to be below it
            _must_be_text(str(Path.cwd()), "the current folder")
        variables.must_be_known(os.environ, ctx.parent.command.commands.values())
        return super().invoke(ctx)


class Verbs(TyperGroup):
    """The command `bulk`, which lists its verbs by the phase of a change."""

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters."""
        return _quick(super().get_params(ctx))

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as Typer has it
        """Write the verbs by the phase of a change in which they are used."""
        longest = max(map(len, self.commands))
        phase_of = attrgetter("rich_help_panel")
        for phase, named in groupby(self.commands.items(), key=lambda item: phase_of(item[1])):
            with formatter.section(phase):
                formatter.write_dl([(f"{name:{longest}}", verb.get_short_help_str()) for name, verb in named])


def _variable(name: str | None, _: Any) -> str | None:
    """Return the value of a parameter's variable, also an empty one, which Typer takes for none."""
    return os.environ.get(name) if name else None


def _quick(params: Any) -> Any:
    for each in params:
        each._runtime_param = Conversion()  # noqa: SLF001 - a parameter has no other place for it
        each.resolve_envvar_value = partial(_variable, each.envvar)
        if each.type_descriptor.annotation is bool:
            each.metavar = ""  # not <bool>
    return params
