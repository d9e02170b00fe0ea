"""What a rehearsal comes to: the fleet it plays on, how long the real run would take, what was proved."""

from bulk.core.rehearsal.findings import Check, Prediction, Rehearsal, Trial, predicted
from bulk.core.rehearsal.measure import Measure
from bulk.core.rehearsal.snapshot import expected, fleet_line, practised
from bulk.core.rehearsal.timetable import Timetable

__all__ = [
    "Check",
    "Measure",
    "Prediction",
    "Rehearsal",
    "Timetable",
    "Trial",
    "expected",
    "fleet_line",
    "practised",
    "predicted",
]
