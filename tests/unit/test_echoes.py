"""A server may repeat a secret in many ways; none of them is shown."""

import base64
import html
from collections.abc import Callable
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.vpcep.echoes import PART, Echoes
from tests.spellings import SPELLINGS, parts

BASE64 = (base64.b64encode, base64.urlsafe_b64encode)

printable = st.characters(codec="ascii", min_codepoint=33, max_codepoint=126)
keys = st.text(printable, min_size=PART, max_size=80).filter(lambda text: len(set(text)) > 4)
environment = st.text("\u00e9\u4e2d \n\t", max_size=30)
"""Of characters that no secret here has."""


@given(st.sampled_from(sorted(SPELLINGS)), keys, environment, environment, st.data())
def test_no_part_of_a_secret_is_shown_in_any_spelling(
    spelling: str, secret: str, before: str, behind: str, data: st.DataObject
) -> None:
    """Wherever it stands, whole or only from its middle on; what is around it stays."""
    spelt = SPELLINGS[spelling](secret)
    begin = data.draw(st.integers(0, len(spelt) - PART))
    end = data.draw(st.integers(begin + PART, len(spelt)))
    hidden = Echoes(secret).hide_in_text(f"{before}{spelt[begin:end]}{behind}")
    assert hidden == f"{before}[redacted]{behind}"


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_full_of_signs_is_hidden_whole(spelling: str) -> None:
    """Each of which is written in another way somewhere."""
    secret = 'a/b"c&d\\e<f/g+h=i"j%k/l&m'
    assert Echoes(secret).hide_in_text(f"<{SPELLINGS[spelling](secret)}>") == "<[redacted]>"


@given(st.sampled_from(BASE64), keys, st.binary(max_size=20), st.binary(max_size=20))
def test_no_part_is_shown_of_what_base64_was_made_of(
    encode: Callable[[bytes], bytes], secret: str, before: bytes, behind: bytes
) -> None:
    """It may begin at any byte of three, as a password does behind its user name; either alphabet."""
    text = encode(before + secret.encode() + behind).decode()
    first = -(-len(before) * 8 // 6)
    certain = text[first : (len(before) + len(secret)) * 8 // 6]
    hidden = Echoes(secret).hide_in_text(f"basic {text}.")
    assert not [part for part in parts(certain) if part in hidden.lower()]
    assert hidden.startswith("basic ")
    assert hidden.endswith(".")


@given(st.text(printable, min_size=4, max_size=PART - 1))
def test_a_short_secret_is_hidden_whole(secret: str) -> None:
    """A password may be short; a part of it may be any word."""
    in_base64 = base64.b64encode(secret.encode()).decode()[: len(secret) * 8 // 6]
    for spelt in (secret, quote(secret, safe=""), html.escape(secret), in_base64):
        assert Echoes(secret).hide_in_text(f"<{spelt}>") == "<[redacted]>"


@given(st.lists(keys, min_size=1, max_size=3, unique=True), st.binary(max_size=400))
def test_a_text_without_secrets_is_returned_as_it_is(secrets: list[str], text: bytes) -> None:
    """The very object, so that nothing is copied on the way of nearly all replies."""
    assert Echoes(*secrets).hide_in(text) is text


def test_every_echo_in_a_text_is_hidden() -> None:
    """Secrets side by side leave a mark each."""
    one, other = "A1b2C3d4E5f6G7h8I9j0", "Z9y8X7w6V5u4T3s2R1q0"
    echoes = Echoes(one, other)
    assert echoes.hide_in_text(f"{one} and {other}, {one[2:]}") == "[redacted] and [redacted], [redacted]"
    assert echoes.hide_in_text(f"x{one}{other}y") == "x[redacted][redacted]y"


@pytest.mark.parametrize("secret", ["", "abc"])
def test_what_is_too_short_to_be_a_secret_hides_nothing(secret: str) -> None:
    """It would take away the words of every message."""
    assert Echoes(secret).hide_in_text("abc def") == "abc def"


ESCAPES: dict[str, Callable[[str], str]] = {
    "json": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "url": lambda text: "".join(f"%{ord(char):02x}" for char in text),
    "html": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "some": lambda text: text.replace("-", "%2D").replace("b", "&#x62;").replace("G", "\\u0047"),
}


@pytest.mark.parametrize("escape", ESCAPES)
def test_no_escape_in_a_refusal_hides_a_secret_from_the_search(escape: str) -> None:
    """A server may write any character as its number."""
    secret = "A1-2C3b4E5-6G7h8I-j0"
    body = f'{{"message":"{ESCAPES[escape](secret)} no"}}'.encode()
    assert Echoes(secret).hide_in_body(body, is_refusal=True) == b'{"message":"[redacted] no"}'


@pytest.mark.parametrize("body", [b"not \\ JSON", b"100%41 &amp; more", b'{"a":["b",1,null]}', b""])
def test_a_body_without_secrets_says_what_it_said(body: bytes) -> None:
    """Nothing of it is decoded."""
    for is_refusal in (True, False):
        assert Echoes("A1b2C3d4E5f6G7h8I9j0").hide_in_body(body, is_refusal=is_refusal) == body


@given(keys, environment, st.booleans())
def test_json_stays_json(secret: str, environment: str, is_refusal: bool) -> None:  # noqa: FBT001 - drawn
    """A mark never stands within an escape, and names are searched as values are."""
    told = {f"{environment}{secret}": [{"a": f'{environment}\\{secret}\\"{secret}'}, 1, None, True]}
    hidden = Echoes(secret).hide_in_body(orjson.dumps(told), is_refusal=is_refusal)
    [(name, [value, *rest])] = orjson.loads(hidden).items()
    assert name.endswith("[redacted]")
    assert set(value) == {"a"}
    assert value["a"].count("[redacted]") == 2
    assert rest == [1, None, True]


@pytest.mark.parametrize("depth", [300, 1_000, 100_000])
def test_json_of_any_depth_is_searched(depth: int) -> None:
    """As plain text, where it is nested deeper than anybody means it."""
    secret = "A1b2C3d4E5f6G7h8I9j0"
    body = b"[" * depth + orjson.dumps(secret) + b"]" * depth
    hidden = Echoes(secret).hide_in_body(body, is_refusal=True)
    assert hidden == body.replace(secret.encode(), b"[redacted]")
