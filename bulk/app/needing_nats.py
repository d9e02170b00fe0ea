"""The extra `workers`: the error of a command that needs it where it is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager

from bulk.errors import CannotRun


@contextmanager
def needing_nats() -> Iterator[None]:
    """Raise CannotRun where a module that the block imports is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise CannotRun(
            f"workers are reached with {error.name}, which is not installed",
            hint="install the extra `workers`: pip install '.[workers]' in the clone of bulk",
        ) from None
