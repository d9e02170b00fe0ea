"""The verbs: each turns its words into one call of `app` and shows what comes back.

Whatever is heavy is imported where it is used, so that `bulk --help` answers at once.
"""

from collections.abc import Callable

from bulk.cli.verbs.apply import apply
from bulk.cli.verbs.audit import audit
from bulk.cli.verbs.check import check
from bulk.cli.verbs.doctor import doctor
from bulk.cli.verbs.export import export
from bulk.cli.verbs.plan import plan
from bulk.cli.verbs.rehearse import rehearse
from bulk.cli.verbs.rollback import rollback
from bulk.cli.verbs.runs import runs
from bulk.cli.verbs.schedule import schedule
from bulk.cli.verbs.show import report, status
from bulk.cli.verbs.tell import tell
from bulk.cli.verbs.watch import watch
from bulk.cli.verbs.why import why
from bulk.cli.verbs.worker import worker

PHASES: dict[str, tuple[Callable[..., int], ...]] = {
    "Before": (check, plan, export, rehearse, schedule, doctor),
    "During": (apply, status, watch, tell, worker),
    "After": (report, runs, why, audit, rollback),
}
"""The verbs in the order of `bulk --help`; `simulator`, which reads its flags itself, comes last."""
ALL = tuple(verb for verbs in PHASES.values() for verb in verbs)
ANSWER_WITHOUT_WORDS = (check, status, watch, report, runs, rollback, audit, export, doctor, worker)
"""Verbs that need no argument."""
