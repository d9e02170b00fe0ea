"""The tasks of a run: all in one group, so that none outlives it and none fails unheard."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


async def _raised(error: Exception) -> None:
    raise error


class Tasks:
    """What a run awaits besides its lanes."""

    def __init__(self) -> None:
        self.group = asyncio.TaskGroup()
        self.puts: dict[int, asyncio.Task[None]] = {}
        """What is awaited for PUTs under way, by row; where the row was left, it is not any more."""
        self.shows: dict[int, asyncio.Task[None]] = {}
        """The services that are being read, by row; one whose row was left is not wanted any more."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin to work on something."""
        return self.group.create_task(work)

    def guarded(self, callback: Callable[..., object], *arguments: Any) -> None:
        """Call something; what it raises ends the group, as what a task raises does."""
        try:
            callback(*arguments)
        except Exception as error:  # noqa: BLE001 - nobody awaits a callback, so a task raises it
            self.spawn(_raised(error))

    def keep(self, tasks: dict[int, asyncio.Task[None]], row: int, work: Coroutine[Any, Any, None]) -> None:
        """Begin to work on something for a row, and keep the task among `tasks` until it is done."""
        tasks[row] = task = self.spawn(work)
        task.add_done_callback(lambda _: tasks.pop(row) if tasks.get(row) is task else None)
