"""The command and its verbs as Typer runs them, where Typer's own way does not suit.

What is done here to the insides of Typer makes the command quicker and its help narrower. With a Typer that
has other insides it still works; then the tests of what an offline verb imports and of the help fail.
"""

from typing import Any, get_origin

from typer.core import TyperArgument, TyperCommand, TyperGroup

from bulk.core.errors import UsageError
from bulk.core.job import Group
from bulk.core.job.forms import shown

EPILOG = """The variable of a flag is `BULK_` and its name, such as `BULK_MAX_FAILURES`; `--yes`, `--apply`
and `--new-run` have none. A flag beats its variable, which beats job.toml."""

# The words for a switch's variable, in upper and lower case.
_SWITCH = dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True) | dict.fromkeys(
    ("0", "false", "f", "no", "n", "off"), False
)


class FromVariable(str):  # noqa: SLOT000 - `place` is the reason for the class
    """A text that came from a variable, whose name is its `place` in messages."""

    place: str


def place_of(value: str, flag: str) -> str:
    """Return what a message calls the place of a value: its variable if it came from one, else the flag."""
    return getattr(value, "place", flag)


class Conversion:
    """The way from text to the type of a parameter; Typer's own imports pydantic for it (80 ms)."""

    def coerce(self, value: Any, *, param: Any, ctx: Any) -> Any:
        """Return the value of a parameter; raises UsageError with the choices that there are."""
        kind = param.type_descriptor.annotation
        is_variable = getattr(ctx.get_parameter_source(param.name), "name", "") == "ENVIRONMENT"
        if is_variable and kind is str:
            value = FromVariable(value)
            value.place = param.envvar
            return value
        if value is None or isinstance(value, get_origin(kind) or kind):
            return value
        try:
            return _SWITCH[value.strip().lower()] if kind is bool else kind(value)
        except (KeyError, ValueError) as error:
            place = param.envvar if is_variable else param.opts[-1]
            choices = "true, false" if kind is bool else ", ".join(kind)
            message = f"{place}: {shown(value)} is not one of {choices}"
            raise UsageError(message, hint=f"see {ctx.command_path} --help") from error


class Verb(TyperCommand):
    """A verb."""

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
        """Write the help: each switch as `--[no-]strict` and not in two columns, arguments without a type."""
        for each in self.params:
            if each.secondary_opts:
                each.opts, each.secondary_opts = [f"--[no-]{each.opts[0][2:]}"], []
            if isinstance(each, TyperArgument):
                each.display_type_rich = lambda **_: None  # type: ignore[method-assign]
        super().format_help(ctx, formatter)


class Verbs(TyperGroup):
    """The command itself."""

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters."""
        return _quick(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help as plain text: the panels of the verbs would take it 80 ms longer."""
        self.rich_markup_mode = None
        super().format_help(ctx, formatter)


def _quick(params: Any) -> Any:
    for each in params:
        each._runtime_param = Conversion()  # noqa: SLF001 - a parameter has no other place for it
        if each.type_descriptor.annotation is bool:
            each.metavar = ""  # not <bool>
    return params
