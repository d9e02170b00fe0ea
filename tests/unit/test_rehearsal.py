"""What a rehearsal reckons with on paper, measures, and expects of the fleet."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from bulk.errors import ExitCode
from bulk.ledger.records import Json
from bulk.model import Action, Change, ModifyBody, Outcome, Target
from bulk.plan import steps
from bulk.rehearsal import (
    Measurement,
    Prediction,
    Rehearsal,
    Timetable,
    TriedPromise,
    expected,
    fleet_line,
    measured,
    practised,
    predicted,
)
from tests.values import PROJECT, change, ports, ring, service_id, state


def on_paper(changes: Iterable[Change], *, rate_per_s: float, workers: int, hold_s: float) -> Timetable:
    """Return the timetable of changes that come in the order of their plan."""
    puts = steps(changes, lambda _: False)
    return Timetable(puts, rate_per_s=rate_per_s, workers=workers, hold_s=hold_s)


def trial(**given: object) -> Measurement:
    """Return a trial of ten PUTs in half a second, at full speed and without any trouble."""
    plain = Measurement(
        duration_s=0.5,
        rate_per_s=1e6,
        puts=10,
        sent=10,
        lists=2,
        requests=12,
        refusals=0,
        hold_s=0.0,
        latency=None,
        faults={},
        gap_s={},
    )
    return replace(plain, **given)  # type: ignore[arg-type]


class TestTimetable:
    """A run on paper."""

    def test_a_plan_takes_its_puts_over_the_rate(self) -> None:
        """Ten PUTs at 5/s: the last leaves after nine intervals and ends when its answer is there."""
        paper = on_paper(map(change, range(1, 11)), rate_per_s=5, workers=4, hold_s=0.1)
        assert paper.duration_s == pytest.approx(9 / 5 + 0.1)

    def test_few_workers_with_slow_answers_are_slower_than_the_rate(self) -> None:
        """Two workers with answers of one second send two a second, whatever the rate."""
        paper = on_paper(map(change, range(1, 7)), rate_per_s=1000, workers=2, hold_s=1.0)
        assert paper.duration_s == pytest.approx(3.0, abs=0.01)

    def test_a_row_leaves_after_those_it_waits_for_have_ended(self) -> None:
        """A chain of three takes three answers."""
        chain = [change(1), change(2, after=(1,)), change(3, after=(2,))]
        paper = on_paper(chain, rate_per_s=1000, workers=3, hold_s=1.0)
        assert paper.duration_s == pytest.approx(3.0, abs=0.01)

    def test_what_waits_does_not_hold_up_the_others(self) -> None:
        """While row 2 waits for row 1, row 3 takes its turn."""
        changes = [change(1), change(2, after=(1,)), change(3)]
        assert on_paper(changes, rate_per_s=1, workers=3, hold_s=0.5).duration_s == pytest.approx(2.5)

    def test_the_gap_of_a_parked_service_is_from_its_first_put_to_its_last(self) -> None:
        """In a swap, two more PUTs must end after the intermediate one: that of the other, its own last."""
        paper = on_paper(ring(2), rate_per_s=1000, workers=2, hold_s=1.0)
        assert paper.gap_s == {1: pytest.approx(2.0, abs=0.01)}

    def test_regions_have_budgets_of_their_own(self) -> None:
        """Two regions with five PUTs each take as long as one."""
        elsewhere = Target(region="cn-south-1", project_id=PROJECT.project_id)
        changes = [change(row) for row in range(1, 11)]
        changes[5:] = [replace(one, target=elsewhere) for one in changes[5:]]
        paper = on_paper(changes, rate_per_s=1, workers=10, hold_s=0.0)
        assert paper.duration_s == pytest.approx(4.0)

    def test_waves_go_one_after_the_other_with_their_soak_between(self) -> None:
        """The rate goes on over them; nothing soaks behind the last one."""
        waves = [steps([change(row)], lambda _: False) for row in (1, 2, 3)]
        paper = Timetable(*waves, rate_per_s=1000, workers=8, hold_s=1.0, soak_s=60.0)
        assert paper.wave_ends_s == pytest.approx([1, 62, 123])
        assert (paper.duration_s, paper.soaked_s) == (pytest.approx(123), 120)

    def test_a_plan_without_a_put_takes_no_time(self) -> None:
        """Nothing to send, nothing to wait for."""
        assert on_paper([], rate_per_s=1, workers=2, hold_s=1.0).duration_s == 0


class TestPrediction:
    """From a trial to the real run."""

    @staticmethod
    def of(made: Measurement, rate_per_s: float) -> Prediction:
        """Predict for ten rows that wait for nobody."""

        def paper(paced_per_s: float, slower_s: float) -> Timetable:
            changes = map(change, range(1, 11))
            return on_paper(changes, rate_per_s=paced_per_s, workers=10, hold_s=made.hold_s + slower_s)

        return predicted(made, rate_per_s=rate_per_s, timetable=paper)

    def test_a_trial_at_full_speed_is_stretched_to_the_rate(self) -> None:
        """Nine intervals of a fifth of a second, and two lists at the same pace, are added to the trial."""
        prediction = self.of(trial(), 5)
        assert prediction.at_least_s == pytest.approx(0.5 + 9 / 5 + 2 / 5, abs=0.001)

    def test_slower_answers_are_added(self) -> None:
        """With answers of 1 s the last PUT ends a second later, and each list takes one."""
        prediction = self.of(trial(), 5)
        assert prediction.at_least_s < prediction.expected_s < prediction.at_most_s
        assert prediction.at_most_s - prediction.at_least_s == pytest.approx(1 + 2 * (1 - 1 / 5), abs=0.001)

    def test_a_trial_in_real_time_is_the_least(self) -> None:
        """Against a limit the trial has the rate in it already."""
        assert self.of(trial(duration_s=40.0, rate_per_s=5), 5).at_least_s == pytest.approx(40.0)

    def test_puts_sent_again_take_their_share_of_the_rate(self) -> None:
        """Twice as many PUTs as rows: twice the time."""
        once, twice = self.of(trial(), 5), self.of(trial(sent=20), 5)
        assert twice.at_least_s - once.at_least_s == pytest.approx(9 / 5, abs=0.001)

    def test_each_wave_has_its_end_and_the_soak_is_added(self) -> None:
        """A rehearsal does not wait for it, so that the trial has none in it."""

        def paper(paced_per_s: float, slower_s: float) -> Timetable:
            waves = [steps([change(row)], lambda _: False) for row in (1, 2)]
            return Timetable(*waves, rate_per_s=paced_per_s, workers=8, hold_s=slower_s, soak_s=60.0)

        prediction = predicted(trial(puts=2, sent=2), rate_per_s=5, timetable=paper)
        assert prediction.soaked_s == 60
        assert prediction.expected_s == pytest.approx(0.5 + 60 + 2 * 0.1 + 2 * 0.2, abs=0.001)
        first_s, second_s = prediction.wave_ends_s
        assert (second_s, second_s - first_s) == (
            pytest.approx(prediction.expected_s - 0.2),
            pytest.approx(60.1),
        )

    def test_nothing_sent_takes_what_the_lists_take(self) -> None:
        """A plan that has nothing to change still lists the fleet."""
        prediction = predicted(
            trial(puts=0, sent=0, lists=1, duration_s=0.0),
            rate_per_s=10,
            timetable=lambda rate, hold: on_paper([], rate_per_s=rate, workers=1, hold_s=hold),
        )
        assert prediction.at_least_s == pytest.approx(0.1, abs=0.001)


def told(second: float, kind: str, **members: object) -> Json:
    """Return a record that was written so many seconds after the session began."""
    return {"n": 0, "at": f"2026-01-15T08:30:{second:06.3f}Z", "type": kind, **members}


def reply(**members: object) -> Json:
    """Return the members of an answer."""
    return {"http": 200, "code": "", "message": "", "request_id": "", "ms": 40, **members}


class TestMeasured:
    """What the ledger shows of a rehearsed run."""

    @staticmethod
    def of(*records: Json) -> Measurement:
        """Return what a run took that had no rate of its own."""
        return measured(records, {"requests": {}, "refusals": {}, "faults": {}}, rate_per_s=None)

    def test_a_put_has_its_worker_from_its_first_intent_to_its_outcome(self) -> None:
        """A repeat and the wait for it belong to the PUT."""
        run = self.of(
            told(0, "session"),
            told(1, "intent", row=1, attempt=1),
            told(1.5, "attempt", row=1, attempt=1, verdict="retry", **reply(http=503)),
            told(2, "intent", row=1, attempt=2),
            told(3, "outcome", row=1, outcome="applied", **reply()),
            told(3, "outcome", row=2, outcome="already", **reply(http=None)),
            told(4, "end", reason="finished"),
        )
        assert (run.puts, run.sent, run.hold_s) == (1, 2, 2.0)
        assert (run.duration_s, run.rate_per_s) == (4.0, 0.5)
        assert run.latency
        assert run.latency.replies == 2

    def test_a_put_that_did_not_leave_was_not_sent(self) -> None:
        """Its intent is on record all the same."""
        run = self.of(
            told(0, "session"),
            told(1, "intent", row=1, attempt=1),
            told(1.5, "attempt", row=1, attempt=1, verdict="not_sent", **reply(http=None)),
            told(2, "intent", row=1, attempt=2),
            told(3, "outcome", row=1, outcome="applied", **reply()),
        )
        assert (run.puts, run.sent) == (1, 1)

    def test_the_gap_of_a_parked_row_ends_with_its_outcome(self) -> None:
        """A parked row is two PUTs; the time between them is not its worker's."""
        run = self.of(
            told(0, "session"),
            told(1, "intent", row=1, attempt=1, purpose="park"),
            told(2, "attempt", row=1, attempt=1, verdict="parked", **reply()),
            told(8, "intent", row=1, attempt=2),
            told(9, "outcome", row=1, outcome="applied", **reply()),
        )
        assert run.gap_s == {1: 7.0}
        assert (run.puts, run.hold_s) == (2, 1.0)

    def test_nothing_measured_divides_by_nothing(self) -> None:
        """A run without a PUT has no averages."""
        run = self.of()
        assert (run.hold_s, run.rate_per_s, run.latency) == (0.0, 1.0, None)

    def test_the_simulator_counts_requests_and_refusals_of_both_kinds(self) -> None:
        """Two codes say: too fast; a rate that was given stands as it is."""
        stats = {
            "requests": {"list": 2, "modify": 5},
            "refusals": {"APIGW.0308": 1, "EndPoint.0022": 2, "EndPoint.0001": 4},
            "faults": {"reset": 1},
        }
        run = measured([], stats, rate_per_s=7.0)
        assert (run.lists, run.requests, run.refusals, run.rate_per_s) == (2, 7, 3, 7.0)
        assert run.faults == {"reset": 1}


class TestSnapshot:
    """The fleet to rehearse on."""

    @pytest.mark.parametrize(
        ("told_name", "stored"),
        [
            ("web", f"cn-north-4.web.{service_id(1)}"),
            ("", f"cn-north-4.{service_id(1)}"),
            ("cn-north-4.web.x", "cn-north-4.web.x"),
            (None, None),
        ],
    )
    def test_a_name_gets_its_stored_form(self, told_name: str | None, stored: str | None) -> None:
        """The simulator tells no bare names, and what it tells must equal what the plan saw."""
        before = replace(state(1, 80), service_name=told_name)
        after = practised(replace(change(1), before=before)).before
        assert after
        assert after.service_name == stored

    def test_empty_ids_and_profiles_are_left_out(self) -> None:
        """The simulator has one account, and invents an id where it is given none."""
        before = replace(state(1, 80), port_id="", vip_port_id="", vpc_id="")
        named = replace(change(1), before=before, target=PROJECT._replace(profile="prod"))
        made = practised(named)
        assert made.target == PROJECT
        assert made.before == state(1, 80)

    def test_a_service_that_was_not_found_is_not_made_up(self) -> None:
        """A refused row has no line, whether the plan saw its service or not."""
        refused = change(1, action=Action.REFUSE)
        assert practised(refused).before is None
        assert fleet_line(refused) is None
        assert fleet_line(replace(refused, before=state(1, 80))) is None

    def test_a_line_names_the_project_of_its_target(self) -> None:
        """Lists do not always tell the project."""
        assert fleet_line(change(1)) == {
            "id": service_id(1),
            "ports": [{"client_port": 1001, "server_port": 1, "protocol": "TCP"}],
            "status": "available",
            "project_id": PROJECT.project_id,
        }

    @pytest.mark.parametrize(
        ("outcome", "server_port"),
        [
            (Outcome.APPLIED, 2),
            (Outcome.ALREADY, 2),
            (Outcome.FAILED, 1),
            (Outcome.BLOCKED, 1),
            (Outcome.NOT_ATTEMPTED, 1),
        ],
    )
    def test_a_service_is_what_its_outcome_says(self, outcome: Outcome, server_port: int) -> None:
        """As asked, or as before."""
        wanted = expected(change(1), outcome)
        assert wanted
        assert wanted.ports == ports(server_port)

    @pytest.mark.parametrize("outcome", [Outcome.DRIFTED, Outcome.CONFLICT, Outcome.IN_DOUBT])
    def test_some_outcomes_say_nothing_of_the_service(self, outcome: Outcome) -> None:
        """Somebody else changed it, or nobody knows."""
        assert expected(change(1), outcome) is None

    def test_a_service_that_has_no_state_before_is_not_expected_to_have_one(self) -> None:
        """Nothing is known, nothing expected."""
        assert expected(replace(change(1), before=None, body=ModifyBody()), Outcome.APPLIED) is None


class TestExit:
    """What the command ends with."""

    @staticmethod
    def of(*checks: TriedPromise) -> ExitCode:
        """Return the exit code of a rehearsal with these checks."""
        return Rehearsal(
            job="demo",
            digest="",
            counts={},
            trial=trial(),
            limited=False,
            prediction=TestPrediction.of(trial(), 5),
            parked=(),
            checks=checks,
        ).exit_code

    def test_what_held_or_was_not_rehearsed_is_fine(self) -> None:
        """Nothing was broken."""
        assert self.of(
            TriedPromise(name="run", held=True, detail=""),
            TriedPromise(name="rollback", held=None, detail=""),
        ) is (ExitCode.OK)

    def test_a_broken_promise_outweighs_all_else(self) -> None:
        """Failed rows are the run's business, a broken promise is ours."""
        failed = TriedPromise(name="run", held=True, detail="", exit_code=ExitCode.SOME_FAILED)
        broken = TriedPromise(name="rollback", held=False, detail="")
        assert self.of(failed, broken) is ExitCode.CANNOT_RUN
        assert self.of(failed) is ExitCode.SOME_FAILED
