"""What is valid in a file but deserves a second look: each kind once, with the number of its rows."""

from collections.abc import Iterator

from bulk.jobfile.drafts import Draft, issue_at
from bulk.jobfile.values import Problem
from bulk.model import USUAL_NAME_CHARS_MAX, Caution, Issue, has_udp
from bulk.text import counted


class Cautions:
    """Watches the rows of one file, and returns at its end what to warn of."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows: dict[Caution, int] = {}
        self._first: dict[Caution, Draft] = {}

    def watch(self, draft: Draft) -> None:
        """Count what a row asks, as far as that part of it is valid."""
        values = draft.values
        if "vip_port_id" in values:
            self._add(Caution.VIP_PORT_ID, draft)
        if has_udp(values.get("ports") or values.get("add_ports", ())):
            self._add(Caution.UDP, draft)
        if len(values.get("service_name", "")) > USUAL_NAME_CHARS_MAX:
            self._add(Caution.LONG_NAME, draft)

    def _add(self, caution: Caution, draft: Draft) -> None:
        self._first.setdefault(caution, draft)
        self._rows[caution] = self._rows.get(caution, 0) + 1

    def warnings(self) -> Iterator[Issue]:
        """Return one warning of each kind, at the first row that asks for it."""
        for caution, draft in self._first.items():
            facts = caution.facts
            message = f"{facts.message} ({counted(self._rows[caution], 'row')})"
            problem = Problem(message=message, hint=facts.hint)
            yield issue_at(self._name, draft.line, draft.column, caution.value, problem)
