"""The verbs: each turns its words into one call of `app` and shows what comes back.

Whatever is heavy is imported where it is used, so that `bulk --help` answers at once.
"""

from bulk.cli.verbs.apply import apply
from bulk.cli.verbs.check import check
from bulk.cli.verbs.ledgers import report, status
from bulk.cli.verbs.plan import plan
from bulk.cli.verbs.rollback import rollback
from bulk.cli.verbs.simulator import simulator

ALL = (check, plan, apply, status, report, rollback, simulator)
"""In the order in which `bulk --help` names them."""
ANSWER_WITHOUT_WORDS = (check, status, simulator)
"""Verbs that do something without any argument."""
