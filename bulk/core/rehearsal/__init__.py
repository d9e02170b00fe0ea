"""What a rehearsal comes to: the fleet it plays on, how long the real run would take, what was proved."""

from bulk.core.rehearsal.findings import Check, Measurement, Prediction, Rehearsal, predicted
from bulk.core.rehearsal.measure import measured
from bulk.core.rehearsal.snapshot import expected, fleet_line, practised
from bulk.core.rehearsal.timetable import Timetable

__all__ = [
    "Check",
    "Measurement",
    "Prediction",
    "Rehearsal",
    "Timetable",
    "expected",
    "fleet_line",
    "measured",
    "practised",
    "predicted",
]
