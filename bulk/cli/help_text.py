"""The help of a verb as plain text: usage, arguments, examples, then its flags, group by group in one order.

Of each flag: its forms, the values that it takes, what it means, and on one line its default and variable.
"""

import os
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from bulk.cli import examples
from bulk.settings import SETTINGS, Group

_COLUMNS_MAX = 80
_COLUMNS_MIN = 40
_FLAG_CHARS = 26
"""Width up to which the meaning of a flag stands beside it."""


def help_of(usage: str, text: str, params: Iterable[Any], verb: str, epilog: str) -> str:
    """Return the help of a verb; `params` are those of Typer."""
    width = max(_COLUMNS_MIN, min(_COLUMNS_MAX, _columns()))
    known = list(params)
    arguments = [each for each in known if each.param_type_name == "argument"]
    parts = [
        "\n".join(_filled(usage, width)),
        *("\n".join(_filled(each, width)) for each in text.split("\n\n")),
    ]
    if arguments:
        parts.append(
            "\n".join(line for each in arguments for line in _entry(each.metavar, each.help, "", width))
        )
    if example_lines := examples.lines(verb):
        parts.append("\n".join(["Examples:", *(f"  {line}" for line in example_lines)]))
    for group in Group:
        flags = [each for each in known if each.param_type_name == "option" and each.rich_help_panel == group]
        if flags:
            parts.append("\n".join([f"{group}:", *(line for each in flags for line in _flag(each, width))]))
    return "\n\n".join([*parts, "\n".join(_filled(epilog, width))]) + "\n"


def _columns() -> int:
    return (
        int(os.environ["COLUMNS"])
        if os.environ.get("COLUMNS", "").isdecimal()
        else shutil.get_terminal_size().columns
    )


def _flag(param: Any, width: int) -> list[str]:
    short = [each for each in param.opts if not each.startswith("--")]
    long = [each for each in (*param.opts, *param.secondary_opts) if each.startswith("--")]
    name = (f"{short[0]}, " if short else "    ") + ", ".join(long)
    return list(_entry(f"{name} {param.metavar or ''}".rstrip(), param.help or "", _facts(param), width))


def _facts(param: Any) -> str:
    """Return the default of a flag and its variable, in brackets."""
    default = _default(param)
    facts = [f"default: {default}" if default else "", param.envvar or ""]
    found = "; ".join(filter(None, facts))
    return f"[{found}]" if found else ""


def _default(param: Any) -> str:
    """Return the default as it would be typed; none for what is off or empty without the flag."""
    setting = SETTINGS.get(param.name)
    value = setting.form.written(setting.default) if setting and setting.has_flag else param.default
    if value in (None, False, "") or not isinstance(value, str | int | float):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _entry(name: str, meaning: str, facts: str, width: int) -> Iterator[str]:
    """Yield the lines of one entry: its name, and beside or below it what it means."""
    indent = " " * (_FLAG_CHARS + 4)
    # A blank within the brackets does not break a line.
    text = " ".join(filter(None, [_plain(meaning), facts.replace(" ", "\0")]))
    lines = [each.replace("\0", " ") for each in _wrap(text, width, indent)]
    if len(name) > _FLAG_CHARS or not lines:
        yield f"  {name}"
    else:
        yield f"  {name:<{_FLAG_CHARS}}  {lines.pop(0).lstrip()}"
    yield from lines


def _filled(text: str, width: int) -> list[str]:
    return _wrap(_plain(" ".join(text.split())), width, "")


def _wrap(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _plain(markdown: str) -> str:
    return markdown.replace("`", "")
