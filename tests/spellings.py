"""The ways in which a server, or a careless line of code, may write a secret."""

import base64
import html
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import orjson

from bulk.vpcep.echoes import PART

SPELLINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "lower": str.lower,
    "json": lambda text: orjson.dumps(text).decode()[1:-1],
    "json, slashes": lambda text: orjson.dumps(text).decode()[1:-1].replace("/", "\\/"),
    "html": html.escape,
    "url": lambda text: quote(text, safe=""),
    "url, slashes left": quote,
    "url, lower": lambda text: quote_plus(text).lower(),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
}
BASE64 = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64, second byte": lambda text: base64.b64encode(b"u:" + text.encode() + b".").decode(),
    "base64, third byte": lambda text: base64.b64encode(b":" + text.encode() + b"..").decode(),
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
}


def parts(spelling: str) -> set[str]:
    """Return every part of a spelling that is to be hidden, in lower case: all of it where it is short."""
    lower = spelling.lower()
    return {lower[at : at + PART] for at in range(max(1, len(lower) - PART + 1))}


def parts_of(secret: str) -> set[str]:
    """Return every part of every spelling; of base64 what does not depend on the text around it."""
    spellings = {spelt(secret) for spelt in SPELLINGS.values()}
    spellings |= {base64.b64encode(bytes(at) + secret.encode()).decode()[4:-4] for at in range(3)}
    shortest = min(PART, len(secret))
    return set().union(*(parts(spelling) for spelling in spellings if len(spelling) >= shortest))
