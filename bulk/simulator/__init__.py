"""The VPCEP API as a server on loopback: for practice, for rehearsals, and as the oracle of the tests.

It is an island: it imports nothing else of `bulk`, and nothing imports it, so that it stays an independent
reading of the API's documents. Its docstrings cite `bulk/vpcep/API.md` as everybody does.
"""

from .calls import Applied
from .faults import FaultKind, FaultPlan, FaultRule
from .iam import Identity
from .lifecycle import Simulator
from .store import StoreError
from .switches import Switches

__all__ = [
    "Applied",
    "FaultKind",
    "FaultPlan",
    "FaultRule",
    "Identity",
    "Simulator",
    "StoreError",
    "Switches",
]
