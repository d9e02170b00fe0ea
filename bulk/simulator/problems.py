"""What is wrong with something that a person wrote, in one line."""

from pydantic import ValidationError

SHOWN_CHARS_MAX = 60


def explained(error: ValueError) -> str:
    """Return the first problem that pydantic found as `place: what, not this`; or the error's own words."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    shown = repr(first["input"])
    text = f"{first['msg']}, not {shown}" if place and len(shown) <= SHOWN_CHARS_MAX else first["msg"]
    return f"{place}: {text}" if place else text
