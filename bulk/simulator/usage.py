"""What `bulk simulator` says of itself: its limits, faults and switches, and how a second terminal begins.

The lists come from the types that read them, so that what is shown is what is taken.
"""

import shlex
import textwrap
from collections.abc import Iterator
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import orjson

from bulk.simulator.faults import FaultKind
from bulk.simulator.iam_server import Identity
from bulk.simulator.switches import Switches

LIMITS = {
    "token:20/s,burst=5": "a bucket that is filled with 20 a second and holds 5",
    "fixed:60/60s": "60 in each minute of the clock",
    "sliding:100/10s": "100 in any 10 seconds",
    "concurrency:8": "8 at a time",
}
"""A limit of each shape, and what it means."""

OPTIONS = {
    "for=writes": "PUTs only; or reads",
    "policy=ip": "whom the refusal names; or user, api, none",
    "http=400": "the form of the refusal: EndPoint.0022; or 429",
    "retry_after=seconds": "a refusal says when to come back; or date, none",
    "count_refusals=true": "what is refused counts as well",
}
"""What may follow a limit behind a comma."""

RATES = {
    **{str(kind): 0.02 for kind in FaultKind if kind not in {FaultKind.CODE, FaultKind.EDIT}},
    "EndPoint.2004": 0.02,
}
"""A probability of each fault that can have one."""

RULE = {"kind": "error_504_0013", "after": True, "method": "PUT", "nth": 3, "times": 2}
EDIT = {"kind": "edit", "services": [{"id": "4189d3c2-8882-4871-a3c2-000000000001"}]}
"""Rules, which name requests exactly."""

_SWITCHES: dict[str, Any] = {
    "modify_omits": ["description"],
    "closed_projects": ["6e9dfd51d1124e8d8498dce894923a0d"],
    "duplicates_code": "EndPoint.2028",
}
"""Examples of switches that take any text."""


def epilog(demo: Identity) -> str:
    """Return what follows the flags in `--help`: an example of each limit, fault and switch, and the keys."""
    meanings = {str(kind): kind.meaning for kind in FaultKind}
    return "\n".join(
        [
            "limits (--limit SPEC, can be given several times):",
            *(_row(spec, meaning, 22) for spec, meaning in LIMITS.items()),
            "  and behind any of them, with commas between:",
            *(_row(f",{option}", meaning, 22) for option, meaning in OPTIONS.items()),
            "",
            'faults (--faults \'{"seed": 7, "rates": {...}}\'), each with its probability;',
            "NAME_after where the request shall take effect first:",
            *(
                _row(f'"{name}": {rate}', meanings.get(name, FaultKind.CODE.meaning), 22)
                for name, rate in RATES.items()
            ),
            "  or for one request (--faults '{\"rules\": [...]}'):",
            f"  {_json(RULE)}",
            "  where a rule may have service_id, rate, delay_s, http, code, for as well;",
            f"  {_json(EDIT)}",
            f"    {FaultKind.EDIT.meaning}",
            "",
            "switches (--switches '{...}'), each with an example and what holds without it:",
            *(_row(f'"{name}": {_json(value)}', rest, 35) for name, value, rest in switches()),
            "",
            "Credentials come from BULK_SIMULATOR_AK, _SK, _USER, _PASSWORD and _DOMAIN;",
            f"without them it accepts AK {demo.ak} with SK\n{demo.sk},",
            f"and user {demo.user} of {demo.domain} with password {demo.password}.",
        ]
    )


def switches() -> Iterator[tuple[str, Any, str]]:
    """Yield each switch: its name, a value that it may have and, in words, what else there is."""
    for name, field in Switches.model_fields.items():
        kind, default = field.annotation, field.default
        others = [choice for choice in get_args(kind) if choice not in {default, NoneType}]
        value = _SWITCHES.get(name, _example(kind, default, others))
        more = [str(choice) for choice in others if choice != value] if get_origin(kind) is Literal else []
        usual = "none" if default in {None, frozenset()} else _json(default)
        yield name, value, usual + (f"; or {', '.join(more)}" if more else "")


def _example(kind: Any, default: Any, others: list[Any]) -> Any:
    """Return a value that is not the usual one."""
    if get_origin(kind) is Literal:
        return others[0]
    if isinstance(default, bool):
        return not default
    return 1.5 if isinstance(default, float) else 32


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _row(example: str, meaning: str, width: int) -> str:
    """Return an example and its meaning, which goes on below itself; below a long example it begins."""
    indent = " " * (width + 4)
    text = textwrap.fill(meaning, 80, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    if len(example) > width:
        return f"  {example}\n{text}"
    return f"  {example:<{width}}  {text.lstrip()}"


def second_terminal(url: str, identity: Identity, *, is_empty: bool) -> str:
    """Return the lines that a second terminal needs; a key that the environment named stays unwritten."""
    demo = Identity()
    is_demo = (identity.ak, identity.sk) == (demo.ak, demo.sk)
    ak, sk = (demo.ak, demo.sk) if is_demo else ('"$BULK_SIMULATOR_AK"', '"$BULK_SIMULATOR_SK"')
    where = f"--endpoint {shlex.quote(url)}"
    lines = [
        "In a second terminal:",
        f"  export HUAWEICLOUD_SDK_AK={ak}",
        f"  export HUAWEICLOUD_SDK_SK={sk}",
        f"  export HUAWEICLOUD_SDK_IAM_ENDPOINT={shlex.quote(url)}",
        f"  bulk export --all-projects {where} --out fleet.csv",
        f"  bulk plan fleet.csv {where}",
    ]
    if is_empty:
        lines.append("The fleet is empty: `bulk simulator --seed-fleet 100` begins with 100 services.")
    return "".join(f"{line}\n" for line in [*lines, "Ctrl-C ends it."])
