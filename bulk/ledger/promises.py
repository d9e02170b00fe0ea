"""What a ledger has to prove."""

from enum import StrEnum


class Promise(StrEnum):
    """What a ledger has to prove; P1 to P11 are the promises (bulk/README.md, "The promises")."""

    CHAIN = "chain"
    """No line is missing, edited or out of order (P5)."""
    PLAN = "plan"
    """All changes were recorded before anything was sent, have the digest that is stated (P11), and nothing
    else was sent (P1)."""
    INTENT = "intent"
    """Each PUT was recorded before it left (P1)."""
    ALONE = "alone"
    """No row had two PUTs in flight at once (P3)."""
    NUMBER = "number"
    """The PUTs of each row are numbered 1, 2, 3 …, and so are its answers and its outcome."""
    OUTCOME = "outcome"
    """Each row ends once, as its PUTs allow, and the outcomes sum to the rows (P3)."""
    PAUSE = "pause"
    """Nothing was sent between a person's pause and its end but for rows that a parked service waits for."""
    STOP = "stop"
    """Nothing new was sent after a stop that no person had lifted."""
    BUDGET = "budget"
    """No PUT left while more rows had failed, or might have, than the limit allows (P8)."""
    WAVE = "wave"
    """No row of a wave was sent before the one in front had passed, or its stop was lifted."""
    WINDOW = "window"
    """No PUT left outside an opening of the window, nor in its spare, but for rows that a parked service
    waits for, each noted as late (P9)."""
    SESSION = "session"
    """All was done within a session, whose two ends state the right counts and digest (P2, P4)."""
