"""The VPCEP API as a server on loopback: for practice, for rehearsals, and as the oracle of the tests.

It is an island: it imports nothing else of `bulk`, and nothing imports it, so that it stays an independent
reading of the API's documents. Its docstrings cite `bulk/vpcep/API.md` as everybody does.
"""

from bulk.simulator.calls import AppliedPut
from bulk.simulator.faults import FaultKind, FaultPlan, FaultRule
from bulk.simulator.iam_server import Identity
from bulk.simulator.lifecycle import Simulator
from bulk.simulator.store import StoreError
from bulk.simulator.switches import Switches

__all__ = [
    "AppliedPut",
    "FaultKind",
    "FaultPlan",
    "FaultRule",
    "Identity",
    "Simulator",
    "StoreError",
    "Switches",
]
