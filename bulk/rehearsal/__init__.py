"""The parts of a rehearsal: its fleet and simulator, how long the real run would take, what was proved."""

from bulk.rehearsal.findings import Measurement, Prediction, Rehearsal, TriedPromise, predicted
from bulk.rehearsal.fleet_snapshot import expected, fleet_line, practised
from bulk.rehearsal.measure import measured
from bulk.rehearsal.timetable import Timetable

__all__ = [
    "Measurement",
    "Prediction",
    "Rehearsal",
    "Timetable",
    "TriedPromise",
    "expected",
    "fleet_line",
    "measured",
    "practised",
    "predicted",
]
