"""What servers say, without the secrets that they may repeat.

A gateway that refuses a signature quotes the whole request; others quote a part of it, escaped or encoded.
"""

import html
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from sys import byteorder
from typing import Any
from urllib.parse import quote, unquote

import orjson

MASK = b"[redacted]"
PART = 16
"""Parts of a secret are hidden from this length on, in any spelling; shorter secrets are hidden whole."""
_WORD = 8
_SHORTEST = 4
"""Shorter texts are no secrets: hiding them would hide everything."""

_FOLDED = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ-_", b"abcdefghijklmnopqrstuvwxyz+/")
"""Upper case and both alphabets of base64 are one, so that one spelling stands for many."""


class Echoes:
    """The secrets in force, and how a text looks without them.

    Of each spelling of a secret all words of 8 bytes are kept, as numbers, in one set. Wherever a part of 15
    bytes or more stands in a text, it covers one whole word at a place that is a multiple of 8. Most texts
    repeat no secret; they cost one look-up for every eighth byte.
    """

    def __init__(self, *secrets: str) -> None:
        self._secrets: set[str] = set()
        self._words: set[int] = set()
        self._whole: set[bytes] = set()
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Hide these texts from now on."""
        new = set(secrets) - self._secrets
        self._secrets |= new
        for spelling in chain.from_iterable(map(_spellings, new)):
            if len(spelling) < PART:
                self._whole.add(spelling)
            for first in range(min(_WORD, len(spelling))):
                self._words.update(_words(spelling, first))

    def hide_in(self, text: bytes) -> bytes:
        """Return a text without what it repeats of the secrets; the same object where it repeats nothing."""
        folded = text.translate(_FOLDED)
        if self._words.isdisjoint(_words(folded, 0)) and not any(map(folded.__contains__, self._whole)):
            return text
        shown, end = [], 0
        for first, behind in sorted(chain(self._parts_in(folded), self._whole_in(folded))):
            shown += [text[end:first], MASK] if first >= end else []
            end = max(end, behind)
        return b"".join([*shown, text[end:]]) if shown else text

    def hide_in_text(self, text: str, *, is_refusal: bool = False) -> str:
        """Return a text without the secrets; of a refusal also without those that decoding brings to light.

        A server may escape more than it has to. Then it is the decoded text that is returned.
        """
        hidden = self.hide_in(text.encode(errors="replace")).decode(errors="replace")
        if not is_refusal:
            return hidden
        decoded = unquote(html.unescape(hidden))
        return self.hide_in_text(decoded) if self.hide_in_text(decoded) != decoded else hidden

    def hide_in_body(self, body: bytes, *, is_refusal: bool) -> bytes:
        """Return the body of a reply without the secrets; what was JSON still is."""
        if not is_refusal and self.hide_in(body) is body:
            return body
        hide = partial(self.hide_in_text, is_refusal=is_refusal)
        try:
            return orjson.dumps(_with_each_text(orjson.loads(body), hide))
        except (ValueError, TypeError, RecursionError):  # no JSON, or nested deeper than anybody means it
            return hide(body.decode(errors="replace")).encode()

    def _parts_in(self, folded: bytes) -> Iterator[tuple[int, int]]:
        """Return where parts of secrets begin and end: PART bytes or more, all of whose words are known."""
        behind = 0
        for at in range(0, len(folded), _WORD):
            if at < behind or not self._has(folded, at):
                continue
            first = last = at
            while first and self._has(folded, first - 1):
                first -= 1
            while self._has(folded, last + 1):
                last += 1
            behind = last + _WORD
            if behind - first >= PART:
                yield first, behind

    def _has(self, folded: bytes, at: int) -> bool:
        return int.from_bytes(folded[at : at + _WORD], byteorder) in self._words

    def _whole_in(self, folded: bytes) -> Iterator[tuple[int, int]]:
        for spelling in self._whole:
            at = folded.find(spelling)
            while at >= 0:
                yield at, at + len(spelling)
                at = folded.find(spelling, at + 1)


def _words(text: bytes, first: int) -> memoryview:
    """Return the words of 8 bytes of a text from a place on, each as a number."""
    count = max(0, len(text) - first) // _WORD
    return memoryview(text)[first : first + count * _WORD].cast("Q")


def _with_each_text(json: Any, hide: Callable[[str], str]) -> Any:
    match json:
        case str():
            return hide(json)
        case list():
            return [_with_each_text(value, hide) for value in json]
        case dict():
            return {hide(name): _with_each_text(value, hide) for name, value in json.items()}
        case _:
            return json


def _spellings(secret: str) -> Iterator[bytes]:
    """Return a secret as it is, and as it stands in JSON, HTML, an address, hex and base64; folded."""
    if len(secret) < _SHORTEST:
        return
    raw = secret.encode(errors="replace")
    json = orjson.dumps(raw.decode())[1:-1]
    for text in {
        raw,
        json,
        json.replace(b"/", b"\\/"),
        html.escape(secret).encode(errors="replace"),
        quote(raw).encode(),
        quote(raw, safe="").encode(),
        raw.hex().encode(),
        *_in_base64(raw),
    }:
        yield text.translate(_FOLDED)


def _in_base64(raw: bytes) -> Iterator[bytes]:
    """Return what all base64 that holds a text has of it: it may begin at the first, second or third byte.

    The characters that it shares with its neighbours are left out.
    """
    for before in range(3):
        encoded = b64encode(bytes(before) + raw)
        yield encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
