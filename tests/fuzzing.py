"""What fuzzers have in common: inputs are bounded, half of them get past the first check, none stays."""

import gc
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

INPUT_CPU_S = 5.0
"""CPU time of one input: a hundred times what the slowest takes."""
GROWTH_KIB = 65_536
"""How much more memory a process may take at most after all inputs than before them."""


class Tally:
    """What was found of the inputs so far."""

    def __init__(self) -> None:
        """Begin with none."""
        self.inputs = 0
        self.passed = 0
        self.slowest_s = 0.0

    @contextmanager
    def bounded(self, what: str) -> Iterator[None]:
        """Count one input, and fail where it takes too long."""
        began = time.process_time()
        yield
        took_s = time.process_time() - began
        self.inputs += 1
        self.slowest_s = max(self.slowest_s, took_s)
        assert took_s < INPUT_CPU_S, f"{what} took {took_s:.1f} s"


@contextmanager
def fuzzing(what: str) -> Iterator[Tally]:
    """Count inputs; fail where too few got past the first check, or the memory grew; print the figures."""
    usual, tally = gc.get_threshold(), Tally()
    gc.set_threshold(700, 10, 10)  # a command has it rare, since a process runs one
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield tally
    gc.set_threshold(*usual)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(
        f"\n{what}: {tally.inputs} inputs, {tally.passed / tally.inputs:.0%} past the first check, "
        f"slowest {tally.slowest_s:.3f} s, at most {before / 1024:.0f} -> {after / 1024:.0f} MiB\n"
    )
    assert tally.passed > tally.inputs / 2
    assert after - before < GROWTH_KIB
