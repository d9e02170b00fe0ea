"""What fuzzers have in common: inputs are bounded, half of them get past the first check, none stays."""

import gc
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

INPUT_CPU_S = 5.0
"""CPU time of one input: more than twice what the slowest takes on a busy machine."""
GROWTH_MIB = 32
"""How much more memory the second half may take: by then all that is remembered of values is full."""


class Tally:
    """What was found of the inputs so far."""

    def __init__(self, of: int) -> None:
        """Begin with none, of so many."""
        self.inputs = 0
        self.passed = 0
        self.slowest_s = 0.0
        self.begun_mib = self.half_mib = most_mib()
        self._half = of // 2

    @contextmanager
    def bounded(self, what: str) -> Iterator[None]:
        """Count one input, and fail where it takes too long."""
        began = time.process_time()
        yield
        took_s = time.process_time() - began
        self.inputs += 1
        self.slowest_s = max(self.slowest_s, took_s)
        assert took_s < INPUT_CPU_S, f"{what} took {took_s:.1f} s"
        if self.inputs == self._half:
            self.half_mib = most_mib()


def most_mib() -> float:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def fuzzing(what: str, inputs: int) -> Iterator[Tally]:
    """Count inputs; fail where too few got past the first check, or the memory grew; print the figures."""
    usual = gc.get_threshold()
    gc.set_threshold(700, 10, 10)  # a command has it rare, since a process runs one
    gc.collect()
    yield (tally := Tally(inputs))
    gc.set_threshold(*usual)
    ended_mib = most_mib()
    sys.stdout.write(
        f"\n{what}: {tally.inputs} inputs, {tally.passed / tally.inputs:.0%} past the first check, slowest "
        f"{tally.slowest_s:.3f} s; {tally.begun_mib:.0f} MiB at first, {tally.half_mib:.0f} after half of "
        f"them, {ended_mib:.0f} at last\n"
    )
    assert tally.inputs == inputs
    assert tally.passed > inputs / 2
    assert ended_mib - tally.half_mib < GROWTH_MIB
