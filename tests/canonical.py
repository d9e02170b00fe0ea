"""The path of a request as signatures have it, by the rule itself: what the product sends is so already."""

from urllib.parse import quote, unquote


def canonical_path(path: str) -> str:
    """Return the path as it is signed: decoded, each segment encoded afresh, a slash at its end."""
    return quote(unquote(path.removesuffix("/")), safe="/~") + "/"
