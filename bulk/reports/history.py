"""One service's whole story in the ledger's order: what was planned, each wait and its reason, the end."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, tzinfo

from bulk.ledger.chain import moment_s
from bulk.ledger.records import AttemptResult, DecisionKind, Json, Ruling, change_of, pace_of
from bulk.ledger.row_life import SENT, never_left
from bulk.model import Change, Hold, Outcome, RequestKind, Wait
from bulk.pacing.describe import wait_text
from bulk.reports.as_table import row_line
from bulk.reports.remarks import end_text, pace_text, remark
from bulk.reports.report_row import Row, row_of
from bulk.reports.words import Line, Span, Style, style_of, text
from bulk.text import counted, duration, moment, printable
from bulk.vpcep.codes import decoding


def story(
    records: Iterable[Json], service_id: str, *, advice: Callable[[str], str], zone: tzinfo = UTC
) -> Iterator[Line]:
    """Return the story of one service line by line, its times in a zone and in UTC.

    Nothing where no row of the ledger names it.
    """
    teller: _Teller | None = None
    for record in records:
        if teller is None and record["type"] == "change" and record["service_id"] == service_id:
            teller = _Teller(change_of(record), advice, zone)
            yield row_line(Row(change=teller.change), many_targets=True, mappings_shown=None)
        if teller and (line := teller.tell(record)):
            yield teller.stamped(record, line)
    if teller and not teller.outcome:
        yield teller.open_end()


class _Teller:
    """Knows the row, where it stands, and what it is waiting for."""

    def __init__(self, change: Change, advice: Callable[[str], str], zone: tzinfo) -> None:
        self.change = change
        self.outcome: Outcome | None = None
        self._advice = advice
        self._zone = zone
        self._asked = False
        self._unsent = 0
        """Intents whose PUTs did not leave."""
        self._waits: list[Wait] = []
        self._pace = ""
        self._last_s: float | None = None
        self._holds = set[str]()
        """What holds all rows now, as far as it was noted."""
        self._awaits_ruling = False
        """Whether the row ended behind a PUT, and its wave, if it is in one, has not been judged since."""
        self._steps_of_row: dict[str, Callable[[Json], Line]] = {
            "change": self._planned,
            "intent": self._sent,
            "attempt": self._answered,
            "outcome": self._concluded,
            "note": lambda note: _said(remark(note)),
        }
        self._steps_around: dict[str, Callable[[Json], Line]] = {
            "session": self._session,
            "attempt": self._predecessor_parked,
            "outcome": self._predecessor,
            "pace": self._paced,
            "decision": self._decided,
            "note": self._held,
            "end": self._stopped,
        }

    def stamped(self, record: Json, line: Line) -> Line:
        """Return the line behind its time and the time since the line before, which may be below zero."""
        now_s = moment_s(record["at"])
        passed_s = now_s - (now_s if self._last_s is None else self._last_s)
        self._last_s = now_s
        passed = ("-" if passed_s < 0 else "+") + duration(abs(passed_s))
        return (Span(f"{moment(record['at'], self._zone)}  {passed:>12}  ", Style.FAINT), *line)

    def open_end(self) -> Line:
        """Return the state of a row without an outcome."""
        if self._asked:
            return text(f"? in doubt: {Row(change=self.change, outcome=Outcome.IN_DOUBT).why}", Style.BAD)
        return text("- not ended: no PUT is in flight")

    def tell(self, record: Json) -> Line:
        """Return the line for a record; empty where it does not concern the row."""
        steps = self._steps_of_row if record.get("row") == self.change.row else self._steps_around
        step = steps.get(record["type"])
        return step(record) if step else ()

    def _planned(self, _: Json) -> Line:
        reason = f": {self.change.reason}" if self.change.reason else ""
        turn = Row(change=self.change).turn
        return _said(
            f"planned from {self.change.update.place}: {self.change.action}{reason}{turn and f', {turn}'}"
        )

    def _sent(self, record: Json) -> Line:
        waits = "; ".join(map(wait_text, (*self._waits, Wait(hold=Hold.RATE)))) + self._pace
        self._waits.clear()
        self._asked = True
        return _said(f"PUT {record['attempt']} is sent after waiting for {waits}")

    def _answered(self, record: Json) -> Line:
        result, hold_s = AttemptResult(record["verdict"]), record["hold_s"]
        self._asked = result is AttemptResult.DOUBT
        self._unsent += never_left(record)
        if waits_for := record.get("hold", result.facts.hold):  # format 2 did not say
            self._waits.append(Wait(hold=Hold(waits_for)))
        hold = f"; the server asks to wait {duration(hold_s)}" if hold_s else ""
        return _said(f"{_reply(record)}: {result.facts.meaning}{hold}", Style.CHANGE)

    def _concluded(self, record: Json) -> Line:
        self.outcome = Outcome(record["outcome"])
        self._asked = False
        self._awaits_ruling = self.outcome in SENT
        row = row_of(self.change, self.outcome, record)
        puts = row.attempts - self._unsent
        sent = f" after {counted(puts, 'PUT')}" if puts > 0 else ""
        parts = [f"{self.outcome.facts.sigil} {self.outcome.facts.phrase}{sent}", _reply(record)]
        parts += [f'found {moved.field} "{moved.after}", expected "{moved.before}"' for moved in row.moved]
        parts += [self._advice(row.reply.cause)] if self.outcome is Outcome.FAILED else []
        return _said("; ".join(filter(None, parts)), style_of(self.outcome))

    def _decided(self, record: Json) -> Line:
        """Return what was decided before the row ended, and of its wave, or of the whole run, behind that."""
        concerns_all = record["what"] == DecisionKind.ROLLED_BACK
        is_of_its_wave = record.get("wave") is not None and self._awaits_ruling
        self._awaits_ruling &= not is_of_its_wave or record.get("ruling") == Ruling.UNSURE
        return _said(remark(record)) if concerns_all or is_of_its_wave or not self.outcome else ()

    def _held(self, record: Json) -> Line:
        """Return that all rows were held, and that it is over: a hold is noted again and again."""
        held = record.get("held") or {}
        if self.outcome or held.get("who") != "rows" or record.get("row"):
            return ()
        hold, is_known = Hold(held["hold"]), held["hold"] in self._holds
        if held.get("is_over"):
            self._holds.discard(held["hold"])
        elif not is_known:
            self._holds.add(held["hold"])
            self._waits.append(Wait(hold=hold))
        return () if is_known and not held.get("is_over") else _said(remark(record))

    def _session(self, record: Json) -> Line:
        who = f"process {record['pid']} of {record['user']} on {record['host']}"
        return () if self.outcome else _said(f"a session began: {who}")

    def _predecessor(self, record: Json) -> Line:
        if record["row"] not in self.change.after:
            return ()
        self._waits.append(Wait(hold=Hold.PREDECESSOR, row=record["row"]))
        ended = Outcome(record["outcome"]).facts.phrase
        return _said(f"row {record['row']}, which must go first, ended as: {ended}")

    def _predecessor_parked(self, record: Json) -> Line:
        if record["row"] not in self.change.after_parked or record["verdict"] != AttemptResult.PARKED:
            return ()
        self._waits.append(Wait(hold=Hold.PARKING, row=record["row"]))
        return _said(f"row {record['row']} has been parked")

    def _paced(self, record: Json) -> Line:
        pace = pace_of(record)
        if pace.kind is RequestKind.WRITES and pace.lane.region in {self.change.target.region, ""}:
            self._pace = f" ({pace_text(pace)})"
        return ()

    def _stopped(self, record: Json) -> Line:
        return () if self.outcome else _said(f"the session stopped: {end_text(record)}", Style.CHANGE)


def _said(words: str, style: Style = Style.PLAIN) -> Line:
    return text(printable(words), style)


def _reply(record: Json) -> str:
    """Return the facts of a reply, `429 APIGW.0308 too fast (12 ms, request 0f6c…)`; empty without one."""
    stated = " ".join(str(part) for part in (record["http"], record["code"], record["message"]) if part)
    facts = [f"{record['ms']} ms"] if record["http"] else []
    facts += [f"request {record['request_id']}"] if record["request_id"] else []
    encoded = record.get("encoded_authorization_message")
    facts += [decoding(encoded)] if encoded else []
    return f"{stated} ({', '.join(facts)})" if facts else stated
