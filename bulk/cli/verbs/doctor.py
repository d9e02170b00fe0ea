"""`bulk doctor`."""

import sys
from typing import TYPE_CHECKING, Any

from bulk.cli import options, output
from bulk.cli.verbs.shared import environment
from bulk.errors import ExitCode
from bulk.reports.words import Line, Span, Style

if TYPE_CHECKING:
    from bulk.app.examining import Finding

_COLUMN = 12
_SIGILS = {True: ("+", Style.GOOD), False: ("!", Style.BAD), None: ("?", Style.CHANGE)}


@options.takes(*(name for name in options.WHERE if name != "via"), *options.READING)
def doctor(
    projects: options.Projects = False,
    output_form: options.PlainOutput = options.PlainForm.TABLE,
    **flags: Any,
) -> int:
    """Examine credentials, addresses, clock, TLS and the API's replies; it only reads.

    Its output has no secret in it, but names and ids: send it with a request for help.
    """
    from bulk.app import examining
    from bulk.cli import running

    here = environment(flags, can_ask=sys.stdin.isatty())
    found: list[Finding] = []

    async def examine() -> None:
        async for finding in examining.examine(flags, here, lists_projects=projects):
            found.append(finding)
            if output_form is options.PlainForm.TABLE:
                output.show(_lines(finding))

    running.run(examine())
    if output_form is options.PlainForm.JSON:
        output.write_json({"findings": [_json(finding) for finding in found]})
    return max((finding.exit_code for finding in found), key=bool, default=ExitCode.OK)


def _lines(finding: "Finding") -> list[Line]:
    sigil, style = _SIGILS[finding.is_well]
    first = (Span(f"{sigil} {finding.topic:<{_COLUMN}} ", style), Span(finding.message))
    return [first, *([(Span(f"  {'':<{_COLUMN}} {finding.hint}", Style.FAINT),)] if finding.hint else [])]


def _json(finding: "Finding") -> dict[str, Any]:
    return {
        "topic": finding.topic,
        "is_well": finding.is_well,
        "message": finding.message,
        "hint": finding.hint,
        "facts": dict(finding.facts),
    }
