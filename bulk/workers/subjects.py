"""The subjects of NATS: who may publish where is who may ask for what.

bulk.1.<region>.<profile>.hello              every worker of the two answers
bulk.1.%.%.hello                             every worker of any place answers, with the places that it serves
bulk.1.<region>.<profile>.<worker>.read      one worker: that it is there, and GETs
bulk.1.<region>.<profile>.<worker>.write     one worker: PUTs

Workers may subscribe to `bulk.1.>`, and runs publish to it (jobs/README.md).
"""

from typing import NamedTuple
from urllib.parse import quote

FORMAT = 1
"""The form of the messages, a part of each subject: workers of another form never receive the question."""
_NONE = "%"
"""Stands for an empty name, which no subject can have; no encoded name is one."""


class Workplace(NamedTuple):
    """What a worker serves: requests of one region, with the credentials of one profile."""

    region: str
    profile: str = ""
    """Empty for the credentials that are found without a profile."""

    def __str__(self) -> str:
        """Return `cn-north-4`, or `cn-north-4/prod`."""
        return f"{self.region}/{self.profile}" if self.profile else self.region

    @property
    def hello(self) -> str:
        """Return the subject on which its workers answer who they are."""
        return f"{self._base}.hello"

    def read(self, worker: str) -> str:
        """Return the subject of what changes nothing, for one worker."""
        return f"{self._base}.{token(worker)}.read"

    def write(self, worker: str) -> str:
        """Return the subject of PUTs, for one worker."""
        return f"{self._base}.{token(worker)}.write"

    @property
    def _base(self) -> str:
        return f"bulk.{FORMAT}.{token(self.region)}.{token(self.profile)}"


ANYWHERE = Workplace("")
"""The place of no region, where every worker can be greeted, and none asked."""


def token(name: str) -> str:
    """Return a name as one part of a subject, in which dots, blanks, `*` and `>` mean something else."""
    return quote(name, safe="").replace(".", "%2E") or _NONE
