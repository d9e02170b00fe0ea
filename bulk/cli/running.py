"""Use cases are coroutines; this is where they run."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

from bulk.adapters.signals import heeding

T = TypeVar("T")


def run(use_case: Coroutine[Any, Any, T]) -> T:
    """Run a use case to its end, on uvloop where there is one."""
    gc.collect()
    gc.freeze()  # what was loaded lives to the end
    gc.set_threshold(100_000, 50, 100)  # requests make many small objects and hardly any cycles
    try:
        import uvloop
    except ImportError:
        return asyncio.run(heeding(use_case))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(heeding(use_case))
