"""What a rehearsal comes to: the fleet it plays on, how long the real run would take, what was proved."""

from bulk.rehearsal.findings import Check, Measurement, Prediction, Rehearsal, predicted
from bulk.rehearsal.measure import measured
from bulk.rehearsal.snapshot import expected, fleet_line, practised
from bulk.rehearsal.timetable import Timetable

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
