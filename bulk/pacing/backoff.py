"""How long to wait before the next attempt: exponential, capped, fully jittered.

The rule is `full jitter` of the AWS Architecture Blog, `Exponential Backoff And Jitter` (2015), which found
it to need the fewest calls where many clients compete. The cap comes before the jitter: the other way
round, all late attempts would wait equally long.
"""

BASE_S = 0.5
CAP_S = 30.0
DOUBLINGS_MAX = 20
"""Far beyond the cap, and still a small power."""


def backoff_s(tries: int, roll: float) -> float:
    """Return the wait in seconds after `tries` attempts: `roll` x BASE_S x 2^(tries - 1), at most CAP_S.

    `tries` counts from 1, `roll` goes from 0 (included) to 1 (excluded).
    """
    return roll * min(CAP_S, BASE_S * 2.0 ** min(tries - 1, DOUBLINGS_MAX))
