"""The power plug: counts every effect of a run, and ends the process at one of them.

An effect is what the world outside the process notices or keeps it waiting for: a page, a detail request,
a PUT, a write, a sync, a grant, a sleep. There is a point before each and a point after it.
"""

import asyncio
import inspect
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any


class Crash(BaseException):
    """The process is dead: nothing of it has another effect."""


class Plug:
    """Is pulled at the n-th point, and stays out."""

    def __init__(self, at: int, kill: Callable[[], None] = lambda: None) -> None:
        self._left = at
        self._kill = kill
        self.out = asyncio.Event()

    def point(self) -> None:
        """Pass one point, or die there."""
        self._left -= 1
        if self._left <= 0:
            self._kill()
            self.out.set()
            raise Crash


class Plugged:
    """Stands before a fleet, a pace or a clock; whatever of it is awaited is an effect."""

    def __init__(self, inner: Any, plug: Plug) -> None:
        self._inner = inner
        self._plug = plug

    def __getattr__(self, name: str) -> Any:
        """Return the inner one's method, with a point before and after where it is awaited."""
        call = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(call):
            return call

        async def effect(*args: Any, **kwargs: Any) -> Any:
            self._plug.point()
            result = await call(*args, **kwargs)
            self._plug.point()
            return result

        return effect


class PluggedDisk:
    """A disk that knows what would survive a power cut."""

    def __init__(self, path: Path, plug: Plug) -> None:
        self.synced_bytes = path.stat().st_size
        self._plug = plug

    def write(self, fd: int, content: bytes) -> int:
        """Write all of it."""
        self._plug.point()
        written = os.write(fd, content)
        self._plug.point()
        return written

    def sync(self, fd: int) -> None:
        """Make what is written survive."""
        self._plug.point()
        self.synced_bytes = os.fstat(fd).st_size
        self._plug.point()


async def until_dead(work: Coroutine[Any, Any, None], plug: Plug) -> bool:
    """Do the work until it is done or the plug is out; say whether it is done."""
    working = asyncio.create_task(work)
    dying = asyncio.create_task(plug.out.wait())
    await asyncio.wait({working, dying}, return_when=asyncio.FIRST_COMPLETED)
    working.cancel()
    dying.cancel()
    [end, _] = await asyncio.gather(working, dying, return_exceptions=True)
    if not plug.out.is_set() and isinstance(end, BaseException):
        raise end
    return not plug.out.is_set()
