"""The forms of settings: how each kind of value is written, read and described.

A form reads what stands in job.toml, on the command line or in a ledger: text, or what TOML and JSON
have for it. It returns the value, or an issue that says what is wrong and what to write instead.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from bulk.model import Format, Issue
from bulk.operations.notices import BotForm, Event, Events
from bulk.operations.windows import NotReadable, read_blackout, read_window
from bulk.settings.quantities import Duration, JudgeSetting, Rate, Share, Waves, WavesBy

T_co = TypeVar("T_co", covariant=True)
N = TypeVar("N", int, float)

SIMULATOR = "simulator"  # the endpoint that means the bundled one
SHOWN_CHARS_MAX = 60
SOAK_S_MAX = 86_400
_PERIODS_S = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_JSON_TYPES: Mapping[type, str] = {
    int: "integer",
    float: "number",
    bool: "boolean",
    date: "string",
    datetime: "string",
    str: "string",
    list: "array",
}
_ITEMS = frozenset({int, str, date, datetime})
_TEXTS: Mapping[str, Any] = {"minItems": 1, "items": {"type": "string"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingForm(Generic[T_co]):
    """How the value of a setting is written, in job.toml, on the command line and in a ledger alike.

    * pattern: what a text must match as a whole; `value` then returns its value, or raises ValueError
    * types: besides text; a value of one of them means what its text means, as 10 and "10" do
    * joined: returns the items of a list as one text
    * what, hint: what a value is called (`a rate`), and what to write
    * bounds: what JSON Schema says of a number, or of the items of a list
    * metavar: what stands for the value in `--help`; empty for a switch
    * flag_type: what the command line makes of a flag before it is read: a bool, the enum of a choice
    * unset: the word for None, where there is one
    * hides: whether a value that cannot be used stays out of messages: it may be a secret in the wrong place
    * table: the dataclass whose settings stand in a TOML table of their own; everything else is refused
    * is_named: whether there are tables of that kind, as many as wanted, each below a name of its own
    * rules: what is wrong with a table whose values are all usable, with the key that it is about
    """

    pattern: str
    value: Callable[[re.Match[str]], T_co]
    what: str
    hint: str
    types: tuple[type, ...] = ()
    joined: Callable[[Iterable[str]], str] = ",".join
    bounds: Mapping[str, Any] = field(default_factory=dict)
    metavar: str = ""
    flag_type: type = str
    unset: str = ""
    hides: bool = False
    table: type | None = None
    is_named: bool = False
    rules: Callable[[Any], Iterable[tuple[str, Issue]]] = lambda _: ()

    def read(self, raw: object) -> T_co | Issue:
        """Return the value of what is written, or an issue without its place."""
        text = raw
        if type(raw) in self.types:
            text = _as_text(raw, self.joined)
        found = re.fullmatch(self.pattern, text) if isinstance(text, str) else None
        try:
            if found:
                return self.value(found)
        except NotReadable as error:
            which = f": {error}" if str(error) else ""
            return wrong(f"{shown(error.text)} is not {self.what}{which}", error.hint or self.hint)
        except ValueError:
            pass  # such as a number beyond its bounds
        return wrong(f"{'the value' if self.hides else shown(raw)} is not {self.what}", self.hint)

    def written(self, value: object) -> object:
        """Return a value as `read` takes it and JSON can hold it; None for one that is not set."""
        if value is None:
            return self.unset or None
        return value if type(value) in self.types else str(value)

    @property
    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what may be written."""
        if issubclass(self.flag_type, Enum):
            return {"enum": [member.value for member in self.flag_type]}
        text = {} if self.flag_type is bool else {"pattern": f"^({self.pattern})$"}
        types = dict.fromkeys(_JSON_TYPES[each] for each in (*self.types, *([str] if text else [])))
        return {"type": list(types), **text, **self.bounds}


def _as_text(raw: object, joined: Callable[[Iterable[str]], str]) -> str:
    """Return what a person would write for a value of TOML or JSON: 0.00001 and not 1e-05."""
    match raw:
        case float():
            return format(Decimal(str(raw)), "f")
        case list():
            return joined(str(each) if type(each) in _ITEMS else "?" for each in raw)
        case _:
            return str(raw)


def wrong(message: str, hint: str) -> Issue:
    """Return an issue whose place is known elsewhere."""
    return Issue(place="", field="", message=message, hint=hint)


def shown(raw: object) -> str:
    """Return a value as a message may show it: quoted, printable, bounded, without user and password."""
    user_info, at, rest = str(raw).rpartition("@")
    text = bounded(f"[redacted]@{rest}" if ":" in user_info else f"{user_info}{at}{rest}")
    return f'"{text}"' if isinstance(raw, str) else text


def bounded(text: str) -> str:
    """Return the beginning of a text, printable."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:SHOWN_CHARS_MAX])


def _text(pattern: str, what: str, example: str, metavar: str) -> SettingForm[str]:
    hint = f'write, for example, "{example}"'
    return SettingForm(pattern=pattern, value=lambda found: found[0], what=what, hint=hint, metavar=metavar)


def _seconds(low: float, high: float) -> SettingForm[float]:
    return SettingForm(
        pattern=r"\s*[0-9]{1,6}(\.[0-9]+)?\s*",
        value=lambda found: _between(low, float(found[0]), high),
        what="a time in seconds",
        hint=f"write a number from {low:g} to {high:g}",
        metavar="SECONDS",
        types=(int, float),
        bounds={"minimum": low, "maximum": high},
    )


def _between(low: N, number: N, high: N) -> N:
    """Return a number that is within its bounds; raises ValueError for others."""
    if not low <= number <= high:
        raise ValueError
    return number


def _origin(found: re.Match[str]) -> str:
    """Return scheme, host and port, without a slash at the end."""
    _between(1, int(found[3] or 443), 65_535)
    return found[1] or found[0]


FILE = _text(r"[^\x00]+", "the name of a file", "services.csv", "FILE")
NAME = _text(r"[^\W_][\w.-]{0,63}", "a name", "move-ssh", "NAME")
TICKET_CHARS_MAX = 100
TICKET = SettingForm(
    pattern=rf".{{0,{TICKET_CHARS_MAX}}}",
    value=lambda found: _ticket(found[0].strip()),
    what=f"a line of at most {TICKET_CHARS_MAX} printable characters",
    hint='write, for example, "CHG0012345"',
    metavar="TEXT",
)
PROFILE = _text(r"[A-Za-z0-9_.@-]{0,64}", "a profile", "prod", "NAME")
REGION = _text(r"([a-z][a-z0-9]{0,15}(-[a-z0-9]{1,20}){1,4})?", "a region", "cn-north-4", "REGION")
PROJECT_ID = _text(r"([0-9a-f]{32})?", "a project id", "6e9dfd51d1124e8d8498dce894923a0d", "ID")
ENDPOINT = SettingForm(
    pattern=rf"|{SIMULATOR}|(https?://([^\s/?#@:\[\]]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{{1,5}}))?)/*",
    value=_origin,
    what="the address of an API",
    hint=f"write https://HOST, http://127.0.0.1:PORT or {SIMULATOR}",
    metavar=f"URL|{SIMULATOR}",
)


def _servers(found: re.Match[str]) -> str:
    """Return the addresses as they are written, which NATS takes."""
    for port in re.findall(r":([0-9]+)(?=,|$)", found[0]):
        _between(1, int(port), 65_535)
    return found[0]


_SERVER = r"://([^\s/?#@:\[\],]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
LOCAL_WORKERS = "local"
VIA = SettingForm(
    pattern="|".join(
        ["", LOCAL_WORKERS, *(f"{each}{_SERVER}(,{each}{_SERVER})*" for each in ("nats", "tls"))]
    ),
    value=_servers,
    what="an address of NATS",
    hint=(
        f"write tls://HOST:PORT or {LOCAL_WORKERS}; "
        "user and password go into the file that BULK_NATS_CREDENTIALS names"
    ),
    metavar=f"URL|{LOCAL_WORKERS}",
)
FORMAT = SettingForm(
    pattern="|".join(Format),
    value=lambda found: Format(found[0]),
    what=f"one of {', '.join(Format)}",
    hint=f"write {' or '.join(Format)}",
    metavar="|".join(Format),
    flag_type=Format,
)
SWITCH = SettingForm(
    pattern="[Tt]rue|[Ff]alse",
    value=lambda found: found[0].lower() == "true",
    what="true or false",
    hint="write true or false",
    types=(bool,),
    flag_type=bool,
)
RATE = SettingForm(
    pattern=r"auto|\s*([1-9][0-9]{0,6})\s*/\s*(s|min|m|h)\s*",
    value=lambda found: Rate(requests=int(found[1]), period_s=_PERIODS_S[found[2]]) if found[1] else None,
    what="a rate",
    hint="write 20/s, 100/m, 5/h or auto",
    metavar="N/s|auto",
    unset="auto",
)
CONCURRENCY = SettingForm(
    pattern=r"auto|\s*([1-9][0-9]{0,2}|1000)\s*",
    value=lambda found: int(found[1]) if found[1] else None,
    what="a number of PUTs in flight",
    hint="write 1 to 1000, or auto",
    metavar="N|auto",
    types=(int,),
    bounds={"minimum": 1, "maximum": 1000},
    unset="auto",
)
ATTEMPTS = SettingForm(
    pattern=r"\s*([1-9][0-9]?|100)\s*",
    value=lambda found: int(found[0]),
    what="a number of attempts",
    hint="write 1 to 100",
    metavar="N",
    types=(int,),
    bounds={"minimum": 1, "maximum": 100},
)
COUNT = SettingForm(
    pattern=r"\s*[0-9]{1,9}\s*",
    value=lambda found: int(found[0]),
    what="a count",
    hint="write a whole number, such as 10",
    metavar="N",
    types=(int,),
    bounds={"minimum": 0, "maximum": 999_999_999},
)
SHARE = SettingForm(
    pattern=r"\s*([0-9]{1,9}|[0-9]{1,2}%|100%)\s*",
    value=lambda found: Share(number=int(found[1].rstrip("%")), is_percent=found[1].endswith("%")),
    what="a count or a percentage",
    hint="write 10 or 5%",
    metavar="N|N%",
    types=(int,),
    bounds={"minimum": 0, "maximum": 999_999_999},
)
TIMEOUT = _seconds(0.001, 3_600)
SETTLE = _seconds(0, 600)
WINDOW = SettingForm(
    pattern=r".*[0-9]{2}:[0-9]{2}.*",
    value=lambda found: read_window(found[0]),
    what="a window",
    hint="write 02:00-04:00, 02:00-04:00 UTC, Sat,Sun 01:00-05:00 Asia/Shanghai, Sat#3 01:00-05:00, or "
    "2026-01-15T04:00Z for an end",
    metavar="TIME",
    types=(datetime, list),
    joined="; ".join,
    bounds=_TEXTS,
)
BLACKOUT = SettingForm(
    pattern=r".*[0-9]{4}-[0-9]{2}-[0-9]{2}.*",
    value=lambda found: read_blackout(found[0]),
    what="a day or a range of days",
    hint="write 2026-11-11 or 2026-12-24..2027-01-03",
    types=(date, list),
    joined="; ".join,
    bounds=_TEXTS,
)
SPARE = SettingForm(
    pattern=r"auto|\s*([0-9]{1,5})\s*(s|min|m|h)?\s*",
    value=lambda found: Duration(seconds=int(found[1]) * _PERIODS_S[found[2] or "s"]) if found[1] else None,
    what="a length of time",
    hint="write auto, or a time such as 90s, 2m or 1h",
    types=(int,),
    bounds={"minimum": 0, "maximum": 99_999},
    unset="auto",
)


def _waves(found: re.Match[str]) -> Waves:
    by, sizes = found.groups()
    if by:
        return Waves(by=WavesBy(by))
    shares = (SHARE.read(size) for size in sizes.split(","))
    return Waves(sizes=tuple(share for share in shares if isinstance(share, Share)))


_SIZE = r"(?:[1-9][0-9]{0,8}|[1-9][0-9]?%|100%)"
WAVES = SettingForm(
    pattern=rf"\s*(?:({'|'.join(WavesBy)})|({_SIZE}(?:\s*,\s*{_SIZE}){{0,99}}))\s*",
    value=_waves,
    what="a list of waves",
    hint=f"write 3,10%,50% or {' or '.join(WavesBy)}",
    metavar=f"N,N%,...|{'|'.join(WavesBy)}",
    types=(int, list),
    bounds={"minimum": 1, "minItems": 1, "maxItems": 100, "items": {"type": ["integer", "string"]}},
)


SOAK = SettingForm(
    pattern=r"\s*([1-9][0-9]{0,4})\s*(s|min|m|h)\s*",
    value=lambda found: _soak(Duration(seconds=int(found[1]) * _PERIODS_S[found[2]])),
    what="a length of time of at most a day",
    hint="write 30s, 2m or 1h",
    metavar="TIME",
)


AGE = SettingForm(
    pattern=r"\s*([1-9][0-9]{0,4})\s*(s|min|m|h|d)\s*",
    value=lambda found: Duration(seconds=int(found[1]) * _PERIODS_S[found[2]]),
    what="a length of time",
    hint="write 90m, 20h or 8d",
)


def _soak(soak: Duration) -> Duration:
    _between(1, soak.seconds, SOAK_S_MAX)
    return soak


def _ticket(text: str) -> str:
    """Return a text that terminals and messages can show as it is; raises ValueError for others."""
    if not text.isprintable():
        raise ValueError
    return text


def _judge(found: re.Match[str]) -> JudgeSetting:
    words = shlex.split(found[0])  # raises ValueError where a quotation mark is left open
    if not words[0].startswith(("http:", "https:")):
        return JudgeSetting(words=tuple(words))
    (url,) = words  # nothing stands behind it
    parts = urlsplit(url)
    is_here = parts.hostname in _LOOPBACK
    if not parts.hostname or parts.port == 0 or (parts.scheme == "http" and not is_here):
        raise ValueError
    if "@" in parts.netloc or parts.fragment:
        raise ValueError
    return JudgeSetting(url=url)


_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
JUDGE = SettingForm(
    pattern=r" *[^\x00-\x20\x7f][^\x00-\x1f\x7f]*",
    value=_judge,
    what="a judge",
    hint="write ./probe.sh, ./probe.sh --all, https://HOST/PATH without user and password, or "
    "http://127.0.0.1:PORT",
    metavar="FILE|URL",
    types=(list,),
    joined=shlex.join,
    bounds=_TEXTS,
)


def _hidden(pattern: str, what: str, hint: str) -> SettingForm[str]:
    """Return the form of a text in whose place somebody may have written a secret."""
    return SettingForm(pattern=pattern, value=lambda found: found[0], what=what, hint=hint, hides=True)


_NO_URL = "; a URL, whose path is a secret, never stands in job.toml"
TOPIC = _hidden(
    r"(smn:urn:smn:[a-z0-9-]{1,64}:[A-Za-z0-9_-]{1,64}:[A-Za-z0-9_-]{1,256})?",
    "an SMN topic",
    f'write, for example, "smn:urn:smn:cn-north-4:6e9dfd51d1124e8d8498dce894923a0d:bulk-ops"{_NO_URL}',
)
BOT = SettingForm(
    pattern="|".join(BotForm),
    value=lambda found: BotForm(found[0]),
    what=f"one of {', '.join(BotForm)}",
    hint=f"write {' or '.join(BotForm)}{_NO_URL}",
    flag_type=BotForm,
    hides=True,
)
NOTIFY_VARIABLE = _hidden(
    r"(BULK_NOTIFY_[A-Z0-9_]{1,100})?",
    "the name of a variable",
    f'write, for example, "BULK_NOTIFY_OPS", and set that variable{_NO_URL}',
)
SECRET_FILE = _hidden(
    r"(~?/[^\x00]+)?",
    "the path of a file",
    f'write an absolute path, such as "/run/secrets/bulk-ops"{_NO_URL}',
)
EVENTS = SettingForm(
    pattern=rf"\s*(?:{'|'.join(Event)})(?:\s*,\s*(?:{'|'.join(Event)}))*\s*",
    value=lambda found: Events(members=frozenset(Event(each.strip()) for each in found[0].split(","))),
    what="a list of events",
    hint=f'write one or more of {", ".join(Event)}, such as ["person", "end"]',
    types=(list,),
    bounds={"minItems": 1, "items": {"enum": list(Event)}},
)
METRICS = _text(
    r"(~?/[^\x00]*[^\x00/]\.prom)?", "an absolute path ending in .prom", "/var/lib/bulk.prom", "FILE"
)


def table(kind: type[Any], *, hint: str) -> SettingForm[Any]:
    """Return the form of a TOML table that holds the settings of a dataclass."""
    never = "(?!)"
    return SettingForm(pattern=never, value=lambda _: None, what="a table", hint=hint, table=kind)


def tables(
    kind: type[Any], *, hint: str, rules: Callable[[Any], Iterable[tuple[str, Issue]]]
) -> SettingForm[Any]:
    """Return the form of TOML tables that hold the settings of a dataclass each, below names."""
    return replace(table(kind, hint=hint), what="a table of tables", hides=True, is_named=True, rules=rules)
