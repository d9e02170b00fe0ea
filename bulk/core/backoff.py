"""How long to wait before the next attempt."""

BASE_S = 0.5
CAP_S = 30.0


def backoff_s(tries: int, roll: float) -> float:
    """Give a wait between nothing and BASE_S x 2^(tries - 1), which never exceeds CAP_S (full jitter)."""
    return roll * min(CAP_S, BASE_S * 2.0 ** min(tries - 1, 20))
