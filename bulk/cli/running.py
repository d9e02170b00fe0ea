"""Use cases are coroutines; this is where they run."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from contextlib import closing, suppress
from typing import Any, TypeVar

from bulk.app.signals import heeding
from bulk.rehearsal.children import keep_out_of_core_files
from bulk.vpcep.shortage import must_have_room

T = TypeVar("T")


def run(use_case: Coroutine[Any, Any, T]) -> T:
    """Run a use case to its end, on uvloop where there is one."""
    keep_out_of_core_files()
    with closing(use_case):  # one that never began is warned of otherwise
        must_have_room()
        return _run(use_case)


def _run(use_case: Coroutine[Any, Any, T]) -> T:
    gc.collect()
    gc.freeze()  # what was loaded lives to the end
    gc.set_threshold(100_000, 50, 100)  # requests make many small objects and hardly any cycles
    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    with suppress(ImportError):
        from uvloop import new_event_loop
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            return runner.run(heeding(use_case))
    except asyncio.CancelledError as cancelled:
        raise KeyboardInterrupt from cancelled
